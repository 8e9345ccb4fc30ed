"""Whether two regions of one storage share elements."""

from __future__ import annotations

from typing import Any

import torch

from gradsan.record.suspects import Region, Suspect

MAX_ELEMENTS = 1 << 22
"""Above this, touching extents count as an overlap."""


def overlaps(one: Region, other: Region) -> bool:
    """Return whether two regions share a byte; exact up to `MAX_ELEMENTS`, else by their extents."""
    (start, end), (other_start, other_end) = one.extent_bytes, other.extent_bytes
    if start >= other_end or other_start >= end:
        return False
    if one.item_bytes != other.item_bytes or max(end, other_end) // one.item_bytes > MAX_ELEMENTS:
        return True
    elements = torch.zeros(max(end, other_end) // one.item_bytes, dtype=torch.bool)
    elements.as_strided(one.size, one.stride, one.offset).fill_(True)
    return bool(elements.as_strided(other.size, other.stride, other.offset).any())


def overlaps_itself(tensor: torch.Tensor) -> bool:
    """Return whether several elements of a tensor share memory; exact up to `MAX_ELEMENTS`, else False."""
    steps = sorted((step, size) for size, step in zip(tensor.shape, tensor.stride(), strict=True) if size > 1)
    covered, may_overlap = 1, False
    for step, size in steps:
        may_overlap = may_overlap or step < covered
        covered += step * (size - 1)
    if not may_overlap or covered > MAX_ELEMENTS:
        return False
    elements = torch.zeros(covered, dtype=torch.bool)
    elements.as_strided(tensor.shape, tensor.stride(), 0).fill_(True)
    return int(elements.sum()) < tensor.numel()


def shows(node: Any, suspect: Suspect) -> bool:
    """Return whether a node that uses a tensor may see what was written to it: False for a view of other elements."""
    whole, written = suspect.whole, suspect.region
    view = _VIEWS.get(type(node).__name__)
    if view is None or whole is None or whole.item_bytes != written.item_bytes:
        return True
    n_elements = max(whole.extent_bytes[1], written.extent_bytes[1]) // whole.item_bytes
    if n_elements > MAX_ELEMENTS:
        return True
    elements = torch.zeros(n_elements, dtype=torch.bool)
    elements.as_strided(written.size, written.stride, written.offset).fill_(True)
    try:
        return bool(view(elements.as_strided(whole.size, whole.stride, whole.offset), node).any())
    except (RuntimeError, IndexError, AttributeError):
        return True


def _select(tensor: torch.Tensor, node: Any) -> torch.Tensor:
    return tensor.select(_signed(node._saved_dim) or 0, _signed(node._saved_index) or 0)


def _slice(tensor: torch.Tensor, node: Any) -> torch.Tensor:
    bounds = (_signed(node._saved_start), _signed(node._saved_end), _signed(node._saved_step))
    return torch.ops.aten.slice.Tensor(tensor, _signed(node._saved_dim), *bounds)  # type: ignore[no-any-return]


def _signed(number: Any) -> int | None:
    # A negative number shows as its two's complement.
    if number is None:
        return None
    value = int(number)
    return value - (1 << 64) if value >= 1 << 63 else value


_VIEWS = {"SelectBackward0": _select, "SliceBackward0": _slice}
