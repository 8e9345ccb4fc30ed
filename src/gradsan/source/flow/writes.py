"""Writing tensors: what a write breaks, and what becomes of the tensor."""

from __future__ import annotations

import ast
from dataclasses import replace

from gradsan.model.event import Access, Refusal, ViewKind, Writer
from gradsan.source.flow.graph import Conflict, Grad, Node, Place, Refused, Save, Write, contradicts, is_impossible
from gradsan.source.flow.machine import Frame
from gradsan.source.flow.overlaps import refuse_overlap
from gradsan.source.flow.tensors import STALE, grad_of, node_of, roots_of, tensors_of
from gradsan.source.flow.values import Const, Opaque, Tensor, Value


def write(
    frame: Frame,
    tensor: Tensor,
    *,
    operation: str,
    node: ast.AST,
    target: str = "",
    sources: tuple[Value, ...] = (),
    guard: frozenset[int] = frozenset(),
    writer: Writer = Writer.PROGRAM,
    grad_enabled: bool | None = None,
    created: Place | None = None,
    module: str = "",
    graph: Node | None = None,
    is_first: bool = False,
    is_between_steps: bool = False,
    is_out: bool = False,
    index: ast.expr | None = None,
) -> None:
    """Record that a tensor was mutated, and what that breaks.

    ``is_first`` gives a parameter its first value; with an ``index`` some of its elements only are written;
    ``is_out`` where it is given to a function as `out`.
    """
    machine = frame.machine
    event = Write(
        tensor.storage,
        frame.place(node),
        operation,
        tensor.storage.version,
        machine.guard | guard,
        machine.tick(),
        _access(tensor),
        writer,
        machine.grad_enabled if grad_enabled is None else grad_enabled,
        target,
        created,
        module,
        (*tensor.caveats, *machine.mode_caveats),
        is_between_steps or writer is Writer.OPTIMIZER,
    )
    if not (tensor.is_data or is_impossible(event.guard)):
        machine.is_open = machine.is_open or not (tensor.storage.is_own or is_first)
        _mutate(frame, tensor, event, sources, graph, index, is_out=is_out)


def _mutate(
    frame: Frame,
    tensor: Tensor,
    event: Write,
    sources: tuple[Value, ...],
    graph: Node | None,
    index: ast.expr | None,
    *,
    is_out: bool,
) -> None:
    machine, storage = frame.machine, tensor.storage
    grad, roots = _incoming(frame, sources)
    if storage.is_inference and not machine.is_inference:
        machine.refusals.append(Refused(Refusal.INFERENCE_TENSOR, event, Grad.YES, frozenset()))
        return
    if (tensor.shared is not None or sources) and refuse_overlap(frame, tensor, event, sources, index):
        return
    if event.grad_enabled:
        _refuse(frame, tensor, event, max(grad, grad_of(tensor)), roots | roots_of(tensor), is_out=is_out)
    storage.version += 1
    if storage.has_special_views and (tensor.view is None or tensor.view.kind not in STALE):
        storage.base_write = event
        machine.has_stale_views = True
    for save in storage.saves:
        if not save.node.is_freed and not contradicts(save.guard, event.guard):
            caveats = () if id(tensor) == save.tensor_id else event.caveats
            machine.conflicts.append(Conflict(save, replace(event, access=_access_to(tensor, save), caveats=caveats)))
    if event.grad_enabled:
        _rebase(frame, tensor, event, grad, roots, sources, graph)


def _access(tensor: Tensor) -> Access:
    if tensor.is_detached:
        return Access.DETACHED
    return Access.VIEW if tensor.view is not None else Access.ITSELF


def _access_to(tensor: Tensor, save: Save) -> Access:
    if tensor.is_detached:
        return Access.DETACHED
    if id(tensor) == save.tensor_id:
        return Access.ITSELF
    if tensor.view is not None:
        return Access.VIEW
    return Access.BASE if save.is_view else Access.ITSELF


def _incoming(frame: Frame, sources: tuple[Value, ...]) -> tuple[Grad, frozenset[str]]:
    grad, roots = Grad.NO, frozenset[str]()
    for source in sources:
        if isinstance(source, Const) or (isinstance(source, Opaque) and source.tensor is None and source.node is None):
            continue
        for tensor, _ in tensors_of(frame, source, is_sure=False):
            grad = max(grad, grad_of(tensor))
            roots |= roots_of(tensor)
    return grad, roots


def _rebase(
    frame: Frame,
    tensor: Tensor,
    event: Write,
    grad: Grad,
    roots: frozenset[str],
    sources: tuple[Value, ...],
    graph: Node | None,
) -> None:
    storage = tensor.storage
    if tensor.is_detached:
        from gradsan.source.flow.off_tape import note_unrecorded

        note_unrecorded(frame, tensor, event)
        return
    storage.grad = max(storage.grad, grad)
    storage.roots |= roots
    parents = [
        node
        for source in sources
        for other, _ in (tensors_of(frame, source, is_sure=False) if not isinstance(source, Const) else ())
        if other is not tensor and (node := node_of(other)) is not None
    ]
    if graph is not None:
        parents.append(graph)
    before = node_of(tensor)
    if not parents:
        return
    if before is not None:
        parents.append(before)
    storage.nodes = [Node(tuple(parents))]


def _refuse(frame: Frame, tensor: Tensor, event: Write, grad: Grad, roots: frozenset[str], *, is_out: bool) -> None:
    """Record what the framework raises at the write itself.

    Source: torch/csrc/autograd/VariableTypeUtils.h, check_inplace and throw_error_out_requires_grad (2.13.0).
    """
    machine = frame.machine
    if grad is Grad.NO or tensor.is_detached or machine.in_custom_forward:
        return
    refusal: Refusal | None = None
    view = tensor.view
    if is_out:
        refusal = Refusal.OUT_WITH_GRADIENT
    elif tensor.is_leaf and tensor.grad >= Grad.FLOWS:
        refusal = Refusal.LEAF
    elif view is not None and view.kind is ViewKind.MULTI_OUTPUT:
        refusal = Refusal.MULTI_OUTPUT_VIEW
    elif view is not None and view.kind is ViewKind.CUSTOM_FUNCTION:
        refusal = Refusal.CUSTOM_FUNCTION_VIEW
    elif view is not None and view.kind is ViewKind.MODULE_HOOK:
        refusal = Refusal.MODULE_HOOK_VIEW
    elif view is not None and view.base_is_leaf and tensor.grad >= Grad.YES:
        refusal = Refusal.LEAF_VIEW
    elif view is not None and view.kind is ViewKind.NO_GRAD and view.place.function != "":
        refusal = Refusal.NO_GRAD_VIEW
    if refusal is not None:
        machine.refusals.append(Refused(refusal, event, grad, roots, view))
