"""Gradients that two leaves share: each backward through one of them accumulates into that of the other.

# NOTE [One gradient, two leaves] ``b.grad = a.grad`` gives two leaves one buffer.  It harms once both accumulate into
it: in one backward pass, or in two of which the second finds what the first has left.

# NOTE [Only who assigns] Assignments to ``.grad`` are followed once a file of the program that makes some is met, and
reading it once a file is met that keeps what it reads: nobody pays for the descriptor whose program has no use for it.
"""

from __future__ import annotations

import linecache
import re
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.audit_buckets import BucketAudit
from gradsan.frameworks.torch.audit_histories import HistoryAudit
from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.graph import leaves_of
from gradsan.frameworks.torch.modules import subject_of
from gradsan.frameworks.torch.overlap import overlaps
from gradsan.frameworks.torch.regions import PLAIN, key_of
from gradsan.frameworks.torch.running import before_accumulating
from gradsan.frameworks.torch.silent_history import needed_at
from gradsan.frameworks.torch.suspicion import region_of
from gradsan.frameworks.torch.use_counts import OF_A_VARIABLE
from gradsan.model.history import History, TensorKind, Witness
from gradsan.record.frames import Site, current_site

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit

_ASSIGNS = re.compile(r"\._?grad\s*(?::[^=\n]*)?=(?!=)|setattr\([^\n]*grad")
_KEEPS = re.compile(r"\.grad\b(?:\.detach\(\)|\.data)?\s*(?:[\])},\n]|for\b|if\b)")
MAX_GIVEN = 4096


class GradientAudit:
    """Follows which leaves were given a gradient, and which leaves accumulate into it."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._given: dict[int, tuple[weakref.ref[Any], Site | None]] = {}
        """By identity of a leaf that was given a gradient: itself, and where."""
        self._filled: dict[int, tuple[weakref.ref[Any], weakref.ref[Any]]] = {}
        """By key of a shared gradient: the leaf that last accumulated into it, and the gradient."""
        self._last_read: Callable[[], Any] = lambda: None
        """The leaf whose gradient was read last, while assignments are followed: of what is given, whose it was."""
        self._patches = Patches()
        self._is_following = self._is_reading = False
        self.histories = HistoryAudit(audit)
        self._buckets = BucketAudit(audit)
        self._before: Callable[[str], None] = lambda _filename: None

    def wrap(self, _patches: Patches) -> None:
        """Look at each of the user's files when it is met.

        Effect: see NOTE [Only who assigns].
        """
        users = self._audit.recorder.user_code
        self._before = users.on_new_file
        users.on_new_file = self._look_into
        for filename in list(users.users):
            self._look_into(filename)

    def unwrap(self) -> None:
        """Undo `wrap`, and what it led to."""
        users = self._audit.recorder.user_code
        if users.on_new_file == self._look_into:
            users.on_new_file = self._before
        self._patches.restore()
        self._buckets.unwrap()

    def _look_into(self, filename: str) -> None:
        self._before(filename)
        if self._is_following and self._is_reading:
            return
        with self._audit.recorder.border():
            self._follow("".join(linecache.getlines(filename)))

    def _follow(self, source: str) -> None:
        before = self._is_following, self._is_reading
        if not self._is_following and _ASSIGNS.search(source) is not None:
            self._is_following = True
            engine: Any = torch.autograd
            look = before_accumulating(
                self._audit.recorder, engine._engine_run_backward, lambda: bool(self._given), self._before_backward
            )
            self._patches.set(engine, "_engine_run_backward", look)
        self._is_reading = self._is_reading or _KEEPS.search(source) is not None
        if (self._is_following, self._is_reading) == before:
            return  # a door put in once more would void the attribute cache of the class
        for name in ("grad", "_grad"):
            self._patches.set(torch.Tensor, name, self._door(getattr(torch._C.TensorBase, name)))

    def _door(self, original: Any) -> property:
        give, note = original.__set__, self._note if self._is_following else _note_nothing
        read = self._remembering(original.__get__) if self._is_following else original.__get__
        read = self._reading(read) if self._is_reading else read

        def assign(leaf: Any, gradient: Any) -> None:
            give(leaf, gradient)
            if gradient is not None and type(leaf) in PLAIN and not torch.compiler.is_compiling():
                note(leaf)

        return property(read, assign, original.__delete__, original.__doc__)

    def _reading(self, get: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def read(leaf: Any) -> Any:
            gradient = get(leaf)
            if gradient is not None and (frame := sys._getframe(1)).f_code.co_filename in users:
                n_references = sys.getrefcount(gradient) - OF_A_VARIABLE
                if type(gradient) is torch.Tensor and not torch.compiler.is_compiling() and not recorder.is_quiet():
                    with recorder.border():
                        note(gradient, frame, n_references)
            return gradient

        recorder, note = self._audit.recorder, self.histories.note
        users = recorder.user_code.users
        return read

    def _remembering(self, get: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def read(leaf: Any) -> Any:
            self._last_read = weakref.ref(leaf)
            return get(leaf)

        return read

    def _note(self, leaf: Any) -> None:
        recorder, last_read = self._audit.recorder, self._last_read
        if recorder.is_quiet():
            return
        with recorder.border():
            if len(self._given) >= MAX_GIVEN:
                self._given = {key: each for key, each in self._given.items() if each[0]() is not None}
            self._buckets.note(leaf)
            self._given.pop(id(leaf), None)  # the youngest stands last
            self._given[id(leaf)] = weakref.ref(leaf), current_site(recorder.user_code)
            key, other = key_of(leaf.grad), last_read()
            if key is not None and other is not None and other is not leaf and other.grad is leaf.grad:
                self._filled[key] = weakref.ref(other), weakref.ref(leaf.grad)

    def _before_backward(self, roots: Any, inputs: Any) -> None:
        given = {id(leaf): (leaf, site) for leaf, site in self._living()}
        if not given:
            return
        keys = {key for leaf, _ in given.values() if (key := key_of(leaf.grad)) is not None}
        reached: dict[int, list[Any]] = {}
        for leaf in leaves_of(roots, inputs):
            key = None if leaf.grad is None else key_of(leaf.grad)
            if key in keys and key is not None:
                reached.setdefault(key, []).append(leaf)
        for key, leaves in reached.items():
            for at, leaf in enumerate(leaves):
                others = [each for each in leaves[:at] if _share(each, leaf)] or self._left_by_another(key, leaf)
                if others:
                    self._tell(others[0], leaf, given)
            self._filled[key] = weakref.ref(leaves[-1]), weakref.ref(leaves[-1].grad)

    def _living(self) -> Iterator[tuple[Any, Site | None]]:
        for each, site in self._given.values():
            leaf = each()
            if leaf is not None and leaf.grad is not None:
                yield leaf, site

    def _left_by_another(self, key: int, leaf: Any) -> list[Any]:
        """Return the other leaf that has left something in the gradient of this one."""
        before = self._filled.get(key)
        other, gradient = (None, None) if before is None else (before[0](), before[1]())
        if other is None or gradient is None or other is leaf or other.grad is None or not _share(other, leaf):
            return []
        with torch.no_grad(), torch._C.DisableTorchFunction():
            return [other] if bool(leaf.grad.any()) else []

    def _tell(self, one: Any, other: Any, given: dict[int, tuple[Any, Site | None]]) -> None:
        recorder = self._audit.recorder
        sites = [site for key, (_, site) in given.items() if key in (id(one), id(other)) and site is not None]
        if not sites:
            return
        needed = needed_at(recorder, current_site(recorder.user_code), "AccumulateGrad")
        subject = subject_of(other.grad, kind=TensorKind.LEAF)
        events = (self._audit.written(sites[-1], "grad ="), needed)
        self._audit.tell(History(subject=subject, events=events, witness=Witness.GRADIENT_OF_TWO))


def _note_nothing(_leaf: Any) -> None:
    """Stand in for who follows assignments."""


def _share(one: Any, other: Any) -> bool:
    first, second = region_of(one.grad), region_of(other.grad)
    return (
        first is not None and second is not None and key_of(one.grad) == key_of(other.grad) and overlaps(first, second)
    )
