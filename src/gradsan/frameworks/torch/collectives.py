"""Collectives: which functions of ``torch.distributed`` write what they are given, and when they write nothing.

# NOTE [Counted collectives] Some copy what they received into what they were given (`all_gather`, `reduce_scatter` over
gloo, torch 2.13.0): the version counter moves, and a backward that needs what was there raises.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.frames import written_at
from gradsan.frameworks.torch.regions import REFUSALS
from gradsan.record.writes import GRAD_ENABLED, IS_VIEW

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

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


def wrapper(
    recorder: Recorder, original: Callable[..., Any], operation: str, note: Callable[[Any, str, int, FrameType], None]
) -> Callable[..., Any]:
    """Wrap a collective.

    Args:
        recorder: What is recorded; writes that the version counter saw are put on its log.
        original: The collective.
        operation: Its name.
        note: Called with each tensor that is about to be written.
    """
    first = next(iter(inspect.signature(original).parameters))

    @functools.wraps(original)
    def collective(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling() or leaves_all_as_it_is(operation, args[1:], kwargs):
            return original(*args, **kwargs)
        written = args[0] if args else kwargs.get(first)
        each = written if isinstance(written, (list, tuple)) else (written,)
        tensors = [tensor for tensor in each if isinstance(tensor, torch.Tensor)]
        frame, number = sys._getframe(1), recorder.next_number()
        for tensor in tensors:
            note(tensor, operation, number, frame)
        before = _versions(tensors)
        result = original(*args, **kwargs)
        after = _versions(tensors)
        if after != before:
            with recorder.border():
                moved = [tensor for tensor, one, other in zip(tensors, before, after, strict=True) if one != other]
                _put(recorder, moved, operation, number, frame)
        return result

    return collective


def _versions(tensors: Sequence[torch.Tensor]) -> list[int]:
    try:
        return [tensor._version for tensor in tensors]
    except REFUSALS:
        return []


def _put(recorder: Recorder, tensors: Sequence[torch.Tensor], operation: str, number: int, frame: FrameType) -> None:
    """Put writes on the log; see NOTE [Counted collectives]."""
    at = written_at(recorder.user_code, frame)
    flags = GRAD_ENABLED if torch.is_grad_enabled() else 0
    for tensor in tensors:
        storage = tensor.untyped_storage()
        how = flags | IS_VIEW if tensor._is_view() else flags
        order = recorder.writes.next_order()
        recorder.writes.pending.append(
            (storage._cdata, storage._weak_ref(), operation, tensor._version, number, order, how, at)
        )
