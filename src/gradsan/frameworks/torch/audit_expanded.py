"""Writes into expanded tensors: one row is written, and every row shows it.

# NOTE [Rows in one memory] `expand` lets rows share memory.  The engine refuses to write to such a tensor as a whole,
but an item assignment goes through a view, or is only warned about.  It harms where it chooses some of the rows that
share memory, not where it chooses all of them or none.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.doors import Callee, Door, Patches
from gradsan.frameworks.torch.modules import subject_of
from gradsan.frameworks.torch.overlap import MAX_ELEMENTS
from gradsan.frameworks.torch.regions import PLAIN, REFUSALS
from gradsan.model.history import History, Witness
from gradsan.record.frames import current_site

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit


_WRITES: dict[str, Callable[[Any, Any], object]] = {
    "__setitem__": lambda chosen, index: chosen.__setitem__(index, True),
    "index_put_": lambda chosen, index: chosen.__setitem__(tuple(index), True),
    "masked_fill_": lambda chosen, mask: chosen.masked_fill_(mask, True),
}
"""What writes items: how it chooses them, given its first argument."""


class ExpandedAudit:
    """Looks at writes of items."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._undo: list[tuple[Door, Callee, Callee]] = []

    def wrap(self, _patches: Patches) -> None:
        """Lay itself over the recorder's wrappers.

        Effect: until `unwrap`.
        """
        for name in _WRITES:
            door = vars(torch.Tensor).get(name)
            if isinstance(door, Door):
                ours = self._writing(door.wrapper, name)
                self._undo.append((door, ours, door.wrapper))
                door.wrapper = ours

    def unwrap(self) -> None:
        """Undo `wrap`."""
        for door, ours, wrapper in self._undo:
            if door.wrapper is ours:
                door.wrapper = wrapper
        self._undo.clear()

    def _writing(self, wrapper: Callee, name: str) -> Callee:
        @functools.wraps(wrapper)
        def write(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            is_expanded = type(tensor) in PLAIN and _is_expanded(tensor) and not torch.compiler.is_compiling()
            result = wrapper(tensor, *args, **kwargs)
            if is_expanded and args:
                with self._audit.recorder.border():
                    if _chooses_some(tensor, args[0], _WRITES[name]):
                        self._tell(tensor)
            return result

        return write

    def _tell(self, tensor: Any) -> None:
        site = current_site(self._audit.recorder.user_code)
        events = (self._audit.written(site, "__setitem__"),)
        self._audit.tell(History(subject=subject_of(tensor), events=events, witness=Witness.EXPANDED))


def _is_expanded(tensor: Any) -> bool:
    try:
        return 0 in tensor.stride()
    except REFUSALS:
        return False


def _chooses_some(tensor: Any, index: Any, choose: Callable[[Any, Any], object]) -> bool:
    """Whether an index or a mask chooses some, and not all, of the elements that share memory with each other."""
    if not 0 < tensor.numel() <= MAX_ELEMENTS:
        return False
    with torch.no_grad(), torch._C.DisableTorchFunction():
        chosen = torch.zeros(tensor.shape, dtype=torch.bool, device=tensor.device)
        choose(chosen, index)
        for dim, (size, step) in enumerate(zip(tensor.shape, tensor.stride(), strict=True)):
            if step == 0 and size > 1 and not bool((chosen == chosen.narrow(dim, 0, 1)).all()):
                return True
    return False
