"""Differences between a tensor and what it was, where both are one memory: zero, whatever was written in between.

# NOTE [Older self] ``before = model.state_dict()``, ``before = p.data``, ``before = p.detach()``: all are references.
After a step ``after[name] - before[name]`` is one memory minus itself.  It is told where one side is an alias that was
taken before the memory was written last; ``x - x.detach()``, which is meant to be zero, has no write in between.
``model.load_state_dict(before)`` copies such a memory onto itself: nothing is put back.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from gradsan.frameworks.torch.audit_histories import HistoryAudit
from gradsan.frameworks.torch.doors import Callee, Door, Patches
from gradsan.frameworks.torch.graph import number_of
from gradsan.frameworks.torch.modules import subject_of
from gradsan.frameworks.torch.regions import PLAIN, REFUSALS
from gradsan.frameworks.torch.silent_history import needed_at
from gradsan.frameworks.torch.storages import storage_key
from gradsan.model.history import History, Witness
from gradsan.record.frames import Site, current_site, span_of
from gradsan.record.writes import Run

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit

MAX_TAKEN = 4096


class Taken(NamedTuple):
    """An alias of a tensor's memory that the program was given, when, and where."""

    alias: weakref.ref[Any]
    order: int
    site: Site | None


class DifferenceAudit:
    """Remembers when aliases were taken, and looks at what is subtracted."""

    def __init__(self, audit: Audit, histories: HistoryAudit) -> None:
        self._audit = audit
        self._histories = histories
        self._taken: dict[int, Taken] = {}
        """By identity of an alias."""
        self._patches = Patches()
        self._undo: list[tuple[Door, Callee, Callee]] = []

    def wrap(self, patches: Patches) -> None:
        """Wrap subtraction, and listen to what hands out aliases.

        Effect: until the patches are restored and `unwrap` is called.
        """
        self._audit.recorder.suspicion.on_alias = self._note
        self._audit.recorder.suspicion.on_copy = self._copied
        for name in ("__sub__", "sub", "subtract", "dist"):
            patches.set_door(torch.Tensor, name, self._subtracting(getattr(torch.Tensor, name)))
        for name in ("sub", "subtract", "dist"):
            patches.set(torch, name, self._subtracting(getattr(torch, name)))
        self._histories.on_first = self._follow_sums

    def unwrap(self) -> None:
        """Stop listening."""
        self._audit.recorder.suspicion.on_alias = self._audit.recorder.suspicion.on_copy = None
        self._histories.on_first = None
        for door, ours, wrapper in self._undo:
            if door.wrapper is ours:
                door.wrapper = wrapper
        self._undo.clear()
        self._patches.restore()
        self._taken.clear()

    def _follow_sums(self) -> None:
        """Wrap additions, once the program keeps a gradient: nobody else pays for it."""
        for name in ("__iadd__", "add_"):
            door = vars(torch.Tensor).get(name)
            if isinstance(door, Door):
                ours = self._adding(door.wrapper)
                self._undo.append((door, ours, door.wrapper))
                door.wrapper = ours
        for name in ("__add__", "add"):
            self._patches.set_door(torch.Tensor, name, self._adding(getattr(torch.Tensor, name)))

    def _adding(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def add(*args: Any, **kwargs: Any) -> Any:
            if len(args) > 1 and args[0] is args[1] and not recorder.is_quiet() and not torch.compiler.is_compiling():
                with recorder.border():
                    self._histories.join(args[0], args[1], Witness.PLUS_ITSELF)
            return original(*args, **kwargs)

        recorder = self._audit.recorder
        return add

    def _note(self, alias: Any, site: Site | None) -> None:
        if len(self._taken) >= MAX_TAKEN:
            self._taken = {key: each for key, each in self._taken.items() if each.alias() is not None}
        self._taken[id(alias)] = Taken(weakref.ref(alias), self._audit.recorder.writes.next_order(), site)

    def _subtracting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def subtract(*args: Any, **kwargs: Any) -> Any:
            if len(args) > 1 and not torch.compiler.is_compiling():
                one, other = args[0], args[1]
                is_one = type(one) in plain and type(other) in plain and _address(one) == _address(other)
                if is_one and not recorder.is_quiet():
                    with recorder.border():
                        self._look(one, other)
            return original(*args, **kwargs)

        recorder, plain = self._audit.recorder, PLAIN
        return subtract

    def _look(self, one: Any, other: Any) -> None:
        if one.shape != other.shape or one.stride() != other.stride():
            return
        if type(one) is type(other) is torch.Tensor and self._histories.join(one, other, Witness.MINUS_ITSELF):
            return
        taken = [each for each in (self._taken.get(id(one)), self._taken.get(id(other))) if each is not None]
        taken = [each for each in taken if each.alias() is one or each.alias() is other]
        if one is other or not taken:
            return
        first = min(taken, key=lambda each: each.order)
        written = self._written_since(one, first.order)
        if written is not None and not _is_beside_tape(written, one, other):
            self._tell(one, first, written, "sub")

    def _copied(self, tensor: Any, value: Any) -> None:
        """Look at a copy that has just been made, and is the last write on record."""
        if type(tensor) not in PLAIN or type(value) not in PLAIN or _address(tensor) != _address(value):
            return
        taken = self._taken.get(id(value))
        is_whole = tensor.shape == value.shape and tensor.stride() == value.stride()
        if taken is None or taken.alias() is not value or not is_whole:
            return
        written = self._written_since(tensor, taken.order, n_left_out=1)
        if written is not None:
            self._tell(tensor, taken, written, "copy_")
        else:  # this copy has changed nothing: it is no write that the next one would undo
            self._taken[id(value)] = taken._replace(order=self._audit.recorder.writes.next_order())

    def _written_since(self, tensor: Any, order: int, n_left_out: int = 0) -> Run | None:
        recorder, key = self._audit.recorder, storage_key(tensor)
        if key is None:
            return None
        log = recorder.writes.find(key)
        logged = log.runs[: len(log.runs) - n_left_out] if log is not None else []
        runs = [*logged, *recorder.steps.writes_to(key)]
        return max((run for run in runs if run.last_order > order), key=lambda run: run.last_order, default=None)

    def _tell(self, tensor: Any, taken: Taken, run: Run, operation: str) -> None:
        recorder = self._audit.recorder
        at = span_of(taken.site)
        needed = needed_at(recorder, current_site(recorder.user_code), operation)
        notes = () if at is None else (f"taken by reference at line {at.line} of {Path(at.path).name}",)
        events = (self._audit.written(run.site, run.operation), needed)
        subject = subject_of(tensor)
        self._audit.tell(History(subject=subject, events=events, witness=Witness.OLDER_SELF, notes=notes))


def _is_beside_tape(run: Run, *sides: Any) -> bool:
    """Return whether a write is younger than the node of a side: it went past the tape, which is told by itself."""
    return any(-1 < number_of(side) < run.last_number for side in sides)


def _address(tensor: Any) -> int:
    """Return where a tensor lies; each one its own place where it can't tell."""
    try:
        return int(torch._C.TensorBase.data_ptr(tensor)) or id(tensor)
    except REFUSALS:
        return id(tensor)
