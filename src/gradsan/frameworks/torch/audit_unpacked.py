"""What unpack hooks give: whether it is still there when the node that asked for it runs.

# NOTE [Unpacked together] A node unpacks all that it saved before it computes.  A hook that stages every tensor in one
buffer, or hands out a state that it goes on to change, overwrites for the second what it gave for the first.  What a
hook gave is therefore compared when the same node asks for more; for the next node the buffer may be filled anew.

Source: torch/csrc/autograd/saved_variable.cpp (`SavedVariable::unpack`); checked on torch 2.13.0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from threading import get_ident
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.fingerprints import fingerprint
from gradsan.frameworks.torch.graph import slot_of
from gradsan.frameworks.torch.marked import Marked
from gradsan.frameworks.torch.saving import DETACH, Kept
from gradsan.frameworks.torch.silent_history import Told
from gradsan.model.event import Saved, Version
from gradsan.model.history import Witness
from gradsan.record.frames import current_site

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit


class UnpackedAudit:
    """Compares what hooks of the program gave to one node."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._given: dict[int, tuple[int, list[tuple[Kept, Marked]]]] = {}
        """By thread: the number of the node that runs, and what it was given."""

    def wrap(self, patches: Patches) -> None:
        """Wrap the engine's door.

        Effect: until the patches are restored.
        """
        engine: Any = torch.autograd
        patches.set(engine, "_engine_run_backward", self._backward(engine._engine_run_backward))

    def unwrap(self) -> None:
        """Undo nothing: what it wraps, the patches put back."""

    def note(self, kept: Kept, value: Any) -> None:
        """Note what a hook gave for one saved tensor; tell of what it gave before and has overwritten."""
        node = torch._C._current_autograd_node()
        if node is None or not isinstance(value, torch.Tensor) or not self._audit.recorder.is_on:
            return
        with self._audit.recorder.border():
            number = int(node._sequence_nr())
            if self._given.get(get_ident(), (-1,))[0] != number:
                self._forget()
            given = self._given.setdefault(get_ident(), (number, []))[1]
            self._audit.look()
            for each in [each for each in given if each[1].differs(is_full=self._audit.is_full)]:
                given.remove(each)
                self._tell(node, *each)
            mark = fingerprint(value, is_full=self._audit.is_full)
            if mark is not None:
                marked = Marked("", DETACH(value), mark)
                given.append((kept, marked))
                self._audit.watch(marked, marked.tensor, mark)

    def _backward(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def run_backward(*args: Any, **kwargs: Any) -> Any:
            try:
                return original(*args, **kwargs)
            finally:
                if self._given:
                    self._forget()

        return run_backward

    def _forget(self) -> None:
        for _, marked in self._given.pop(get_ident(), (-1, []))[1]:
            self._audit.unwatch(marked)

    def _tell(self, node: Any, kept: Kept, marked: Marked) -> None:
        slot = slot_of(node, kept, marked.tensor, is_hooked=True)
        if slot is None:
            return
        history = Told(self._audit.recorder, (), current_site(self._audit.recorder.user_code)).overwritten(slot, [], [])
        writes, notes = self._audit.writes_of(marked, marked.tensor, slot.number)
        saved, *_, needed = history.events
        assert isinstance(saved, Saved)
        events = (replace(saved, version=Version(0)), *writes, needed)
        self._audit.tell(replace(history, events=events, notes=notes, witness=Witness.UNPACKED))
