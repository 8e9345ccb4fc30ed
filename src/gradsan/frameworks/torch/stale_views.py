"""Views whose base was written in a way that the engine forbids: it raises where the view is used, not at the write.

The exception names no tensor.  Its traceback still holds the variables of the frames that it passed, and the stale
view is the one that refuses to tell its node, in the same words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.regions import REFUSALS, tensors_in
from gradsan.frameworks.torch.storages import storage_key
from gradsan.model.event import Access, SequenceNumber, Version, Written
from gradsan.record.frames import span_of

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder


@dataclass(frozen=True, slots=True)
class StaleView:
    """A view as a frame names it, and the write to its memory that made it stale."""

    name: str
    tensor: torch.Tensor
    written: Written | None


def stale_view(recorder: Recorder, error: BaseException) -> StaleView | None:
    """Return the view that an exception is about; None where no frame of the user's holds it."""
    for frame in reversed(list(_frames(error.__traceback__))):
        if not recorder.user_code(frame.f_code):
            continue
        for name, tensor in _held_by(frame):
            if _is_stale(tensor, str(error)):
                return StaleView(name, tensor, _last_write(recorder, tensor))
    return None


def overlapping_tensor(error: BaseException) -> torch.Tensor | None:
    """Return the tensor that a write inside the framework was refused on, whose elements share memory.

    An optimizer's step names the parameter in a frame of its own; None where no frame holds such a tensor.
    """
    for frame in reversed(list(_frames(error.__traceback__))):
        for _, tensor in _held_by(frame):
            if _shares_elements(tensor):
                return tensor
    return None


def _shares_elements(tensor: torch.Tensor) -> bool:
    try:
        with torch._C.DisableTorchFunction():
            return any(step == 0 and length > 1 for step, length in zip(tensor.stride(), tensor.shape, strict=True))
    except REFUSALS:  # a layout without strides
        return False


def _frames(traceback: TracebackType | None) -> Iterator[FrameType]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _held_by(frame: FrameType) -> Iterator[tuple[str, torch.Tensor]]:
    for name, value in list(frame.f_locals.items()):
        if isinstance(value, torch.Tensor):
            yield name, value
        elif isinstance(value, (list, tuple, dict)):
            yield from (("", tensor) for tensor in tensors_in(value))
        elif name == "self":
            for attribute, held in list(getattr(value, "__dict__", {}).items()):
                yield from ((f"self.{attribute}", tensor) for tensor in tensors_in(held))


def _is_stale(tensor: Any, message: str) -> bool:
    with torch._C.DisableTorchFunction():
        try:
            _ = tensor.grad_fn if tensor._is_view() else None
        except RuntimeError as error:
            return str(error) == message
    return False


def _last_write(recorder: Recorder, tensor: torch.Tensor) -> Written | None:
    """Return the youngest write: it came after the view was made, or the view would not be stale."""
    key = storage_key(tensor)
    log = None if key is None else recorder.writes.find(key)
    runs = [] if log is None else [run for run in log.runs if run.is_counted]
    if not runs or runs[-1].site is None:
        return None
    run = runs[-1]
    return Written(
        span=span_of(run.site),
        operation=run.operation,
        version_before=Version(run.last_after - 1),
        version=Version(run.last_after),
        sequence=SequenceNumber(run.last_number),
        access=Access.BASE if run.access is Access.ITSELF else run.access,
    )
