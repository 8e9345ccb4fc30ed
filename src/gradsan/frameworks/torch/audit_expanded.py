"""Writes into expanded tensors: one row is written, and every row shows it.

# NOTE [Rows in one memory] `expand` lets rows share memory.  The engine refuses to write to such a tensor as a whole,
but an item assignment goes through a view, or is only warned about.  It harms where it chooses some of the rows that
share memory, not where it chooses all of them or none.

# NOTE [Windows in one memory] Windows of `unfold`, or of `as_strided`, share elements where they overlap, and the
engine does not look for that: a write that computes from what is there (``frames *= window``) computes several times
from what is shared.  Writes that may be repeated (`zero_`, `clamp_`) do no harm, and additions may be meant to
accumulate.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.doors import Callee, Door, Patches
from gradsan.frameworks.torch.modules import subject_of
from gradsan.frameworks.torch.overlap import MAX_ELEMENTS, overlaps_itself
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

_COMPUTING = frozenset(
    {
        *("mul_", "div_", "__imul__", "__itruediv__", "multiply_", "divide_", "true_divide_", "pow_", "__ipow__"),
        *("square_", "sqrt_", "rsqrt_", "reciprocal_", "exp_", "expm1_", "log_", "log1p_", "log2_", "log10_"),
        *("sin_", "cos_", "tanh_", "sigmoid_", "neg_", "negative_", "lerp_", "addcmul_", "addcdiv_"),
    }
)
"""What computes from the values that it overwrites; see NOTE [Windows in one memory]."""


class ExpandedAudit:
    """Looks at writes of items."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._undo: list[tuple[Door, Callee, Callee]] = []

    def wrap(self, _patches: Patches) -> None:
        """Lay itself over the recorder's wrappers, and be asked about each write.

        Effect: until `unwrap`.
        """
        self._audit.recorder.add_guard(self._guard)
        for name in _WRITES:
            door = vars(torch.Tensor).get(name)
            if isinstance(door, Door):
                ours = self._writing(door.wrapper, name)
                self._undo.append((door, ours, door.wrapper))
                door.wrapper = ours

    def unwrap(self) -> None:
        """Undo `wrap`."""
        self._audit.recorder.remove_guard(self._guard)
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

    def _guard(self, tensor: Any, operation: str) -> None:
        if operation not in _COMPUTING or type(tensor) not in PLAIN or self._audit.recorder.is_quiet():
            return
        with self._audit.recorder.border():
            if not tensor.is_contiguous() and not _is_expanded(tensor) and overlaps_itself(tensor):
                self._tell(tensor, operation)

    def _tell(self, tensor: Any, operation: str = "__setitem__") -> None:
        site = current_site(self._audit.recorder.user_code)
        events = (self._audit.written(site, operation),)
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
