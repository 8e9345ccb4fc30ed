"""Views that can't be used any more, because their base was written after they were made."""

from __future__ import annotations

import ast
from dataclasses import replace

from gradsan.model.event import ViewKind
from gradsan.source.flow.graph import Grad, Refused, is_impossible
from gradsan.source.flow.machine import Frame
from gradsan.source.flow.tensors import STALE, grad_of, roots_of
from gradsan.source.flow.values import Tensor

_SAID = {
    ViewKind.MULTI_OUTPUT: "This view is the output of a function that returns multiple views",
    ViewKind.CUSTOM_FUNCTION: "This view was created inside a custom Function",
}


def use_stale(frame: Frame, tensor: Tensor, node: ast.AST) -> None:
    """Record that a view is used whose base was written after it was made, which the framework refuses."""
    view, written = tensor.view, tensor.storage.base_write
    if view is None or written is None or view.kind not in STALE or view.sequence > written.sequence:
        return
    guard = written.guard | frame.machine.guard
    if grad_of(tensor) is not Grad.NO and not is_impossible(guard):
        event = replace(written, guard=guard)
        elsewhere = "is a view and its base or another view of its base has been modified inplace"
        message = f"Output 0 of {view.operation} {elsewhere}. {_SAID[view.kind]}"
        refused = Refused(STALE[view.kind], event, grad_of(tensor), roots_of(tensor), view, message, frame.place(node))
        frame.machine.refusals.append(refused)
