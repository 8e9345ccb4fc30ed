"""What a conversion hands back, and whether a view keeps the memory layout."""

from __future__ import annotations

from gradsan.source.flow.machine import Condition, Frame
from gradsan.source.flow.values import Tensor

CASTS = {
    "float": "torch.float32",
    "double": "torch.float64",
    "half": "torch.float16",
    "bfloat16": "torch.bfloat16",
}
"""What a tensor must be for a conversion to hand it back as it is.  Source: torch.Tensor documentation, 2.13."""


def dtype_literal(frame: Frame, tensor: Tensor, dtype: str) -> int:
    """Return the literal that says that a tensor has a dtype."""
    name = tensor.storage.name or "the tensor"
    return frame.machine.literal(("dtype", id(tensor.storage), dtype), Condition(f"{name}.dtype == {dtype}"))


_REORDERING = frozenset(
    {"transpose", "permute", "t", "T", "mT", "movedim", "swapaxes", "expand", "expand_as", "narrow"}
)


def keeps_layout(label: str, tensor: Tensor) -> bool | None:
    """Return whether a view of a contiguous tensor is contiguous; None where that hangs on its shape.

    A result that isn't contiguous, as fused attention's, has its heads behind the positions in memory.
    """
    if label == "transpose" and tensor.view is None and tensor.is_contiguous is False:
        return True
    if label in _REORDERING or label in ("select", "slice", "diagonal", "unfold"):
        return False if label in ("transpose", "permute", "t", "T", "mT") else None
    return True if label == "contiguous" else tensor.is_contiguous
