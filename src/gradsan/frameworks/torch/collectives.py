"""Collectives: which functions of ``torch.distributed`` write what they are given, and when they write nothing."""

from __future__ import annotations

from typing import Any

import torch

# Each writes its first argument, a tensor or a list of tensors.
COLLECTIVES = (
    *("all_reduce", "all_reduce_coalesced", "broadcast", "reduce", "scatter", "recv", "irecv"),
    *("all_gather", "all_gather_into_tensor", "reduce_scatter", "reduce_scatter_tensor"),
    *("all_to_all", "all_to_all_single"),
)


def is_collective(operation: str) -> bool:
    """Return whether a write is a collective's."""
    return operation in COLLECTIVES


def leaves_all_as_it_is(operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether a collective mutates nothing here: there is one rank, or this one sends what it has."""
    distributed = torch.distributed
    if operation not in ("all_reduce", "broadcast", "reduce") or not distributed.is_initialized():
        return False
    if distributed.get_world_size(kwargs.get("group")) == 1:
        return True
    return operation == "broadcast" and (args[0] if args else kwargs.get("src")) == distributed.get_rank()
