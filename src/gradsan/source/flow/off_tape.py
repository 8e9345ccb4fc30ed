"""What the graph does not know: gradients, and writes through `detach()` to what is used with its gradient later."""

from __future__ import annotations

from collections.abc import Iterable

from gradsan.source.flow.graph import Grad, Guard, Node, Storage, Unrecorded, Write, contradicts, is_impossible
from gradsan.source.flow.machine import Frame
from gradsan.source.flow.tensors import grad_of, roots_of
from gradsan.source.flow.values import Opaque, Tensor


def use_unrecorded(frame: Frame, inputs: Iterable[tuple[str, Tensor, Guard]], graph: Node) -> None:
    """Record that operations use, with its gradient, what was written through `detach()` before."""
    machine = frame.machine
    for _, tensor, more in inputs:
        write = tensor.storage.off_tape
        if write is None or tensor.is_leaf or tensor.storage.is_cut or tensor.caveats or grad_of(tensor) is Grad.NO:
            continue
        guard = machine.guard | more
        if contradicts(guard, write.guard) or is_impossible(guard | write.guard):
            continue
        machine.unrecorded.append(Unrecorded(write, graph, guard, grad_of(tensor), roots_of(tensor)))


def note_unrecorded(frame: Frame, tensor: Tensor, write: Write) -> None:
    """Remember a write through `detach()`."""
    if not tensor.caveats and tensor.storage.off_tape is None and not frame.machine.in_custom_forward:
        tensor.storage.off_tape = write
        frame.machine.has_off_tape = True


def left_by_backward(frame: Frame) -> Opaque:
    """Return ``tensor.grad``: it has a gradient of its own only where `create_graph` was asked for."""
    storage = Storage(is_tensor=False)
    frame.machine.touched.append(storage)
    return Opaque(tensor=Tensor(storage, Grad.NO))
