"""Whether two regions of one storage share elements."""

from __future__ import annotations

import torch

from gradsan.record.suspects import Region

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
