"""Custom ``autograd.Function``s."""

from __future__ import annotations

import ast
from dataclasses import replace

from gradsan.model.event import Access, Refusal, ViewKind, Writer
from gradsan.source.flow.graph import Grad, Node, Refused, Write
from gradsan.source.flow.machine import Arguments, Frame, call
from gradsan.source.flow.tensors import grad_of, node_of, nodes_and_grad, record_save, roots_of, tensors_of, view_of
from gradsan.source.flow.values import Class, Const, Context, Function, Opaque, Sequence, Tensor, Value, tensors_in
from gradsan.source.hierarchy import find_member
from gradsan.source.index import FunctionInfo


def call_apply(frame: Frame, value: Class, arguments: Arguments, node: ast.AST) -> Value:
    """``F.apply(...)``: run ``forward`` outside the graph, then hang its results on one node."""
    machine = frame.machine
    found = find_member(machine.project, value.info, "forward")
    if found is None or not isinstance(found[1], FunctionInfo):
        return Opaque()
    setup = find_member(machine.project, value.info, "setup_context")
    context = Context(value.info.name)
    inputs = [t for given in arguments.values() for t, _ in tensors_of(frame, given, is_sure=False)]
    _, grad, roots = nodes_and_grad(frame, arguments.values())
    grad = max((grad_of(t) for t in inputs), default=grad)
    was = machine.grad_enabled
    enabled = was and grad is not Grad.NO
    parents = tuple(n for t in inputs if (n := node_of(t)) is not None)
    graph = Node(parents, leaves=tuple(t.storage for t in inputs if t.is_leaf)) if enabled else None
    machine.grad_enabled = False
    machine.in_custom_forward += 1
    result = _run_forward(frame, found[1], setup[1] if setup is not None else None, context, arguments, node)
    machine.in_custom_forward -= 1
    machine.grad_enabled = was
    if enabled:
        _refuse_marks(frame, context, result, node)
    result = _hang(frame, value, result, inputs, context, graph, grad, roots, node)
    if graph is not None:
        _save_marked(frame, value.info.name, context, graph, grad, roots)
    return result


def _run_forward(
    frame: Frame, forward: FunctionInfo, setup: object, context: Context, arguments: Arguments, node: ast.AST
) -> Value:
    """Run ``forward``, and ``setup_context`` where the class has one: then the context is given to that only."""
    if setup is None:
        return call(frame, Function(forward), Arguments([context, *arguments.positional], arguments.keywords), node)
    result = call(frame, Function(forward), arguments, node)
    if isinstance(setup, FunctionInfo):
        given = Sequence(list(arguments.positional), is_tuple=True)
        call(frame, Function(setup), Arguments([context, given, result]), node)
    return result


def _save_marked(frame: Frame, name: str, context: Context, graph: Node, grad: Grad, roots: frozenset[str]) -> None:
    """Record what ``save_for_backward`` was given."""
    for saved, place in context.saved:
        for tensor, guard in tensors_of(frame, saved, is_sure=False):
            record_save(
                frame,
                tensor,
                node=graph,
                place=place,
                operation=name,
                operand="",
                grad=grad,
                roots=roots or roots_of(tensor),
                guard=guard,
                backward=f"{name}Backward",
            )


def _refuse_marks(frame: Frame, context: Context, result: Value, node: ast.AST) -> None:
    """Record what the framework raises at a dirty mark.

    Source: torch/csrc/autograd/custom_function.cpp, _process_backward_mode_ad (2.13.0).
    """
    parts = result.items if isinstance(result, Sequence) else [result]
    returned = {id(part.storage) for part in parts if isinstance(part, Tensor)}
    is_known = all(isinstance(part, (Tensor, Const)) for part in parts)
    for marked, place in context.dirty:
        if not isinstance(marked, Tensor):
            continue
        message = ""
        if marked.is_leaf and marked.grad is Grad.YES:
            message = "a leaf Variable that requires grad has been used in an in-place operation"
        elif is_known and id(marked.storage) not in returned:
            message = "Some elements marked as dirty during the forward method were not returned as output"
        if message:
            write = Write(
                marked.storage,
                place,
                "mark_dirty",
                marked.storage.version,
                frame.machine.guard,
                frame.machine.tick(),
                Access.ITSELF,
                Writer.PROGRAM,
                True,
                "",
            )
            frame.machine.refusals.append(
                Refused(Refusal.DIRTY_MARK, write, Grad.YES, frozenset(), None, message, frame.place(node))
            )


def _hang(
    frame: Frame,
    value: Class,
    result: Value,
    inputs: list[Tensor],
    context: Context,
    graph: Node | None,
    grad: Grad,
    roots: frozenset[str],
    node: ast.AST,
) -> Value:
    if isinstance(result, Sequence):
        items = [_hang(frame, value, item, inputs, context, graph, grad, roots, node) for item in result.items]
        return Sequence(items, is_exact=result.is_exact, is_tuple=True)
    if not isinstance(result, Tensor):
        return Opaque(node=graph, roots=roots)
    dirty = {id(t.storage) for d, _ in context.dirty for t in tensors_in(d)}
    is_input = any(t.storage is result.storage for t in inputs) and id(result.storage) not in dirty
    if is_input or (graph is not None and is_own_view(result, dirty)):
        view = view_of(frame, result, value.info.name, node, kind=ViewKind.CUSTOM_FUNCTION)
        return replace(view, grad=grad if graph else Grad.NO, roots=roots, node=graph, is_detached=False)
    return replace(
        result, grad=grad if graph else Grad.NO, roots=roots, node=graph, is_detached=False, view=None, is_leaf=False
    )


def is_own_view(result: Tensor, dirty: set[int]) -> bool:
    """Return whether a Function surely hands out a view of what it made itself; a detached alias is none.

    Source: torch/csrc/autograd/custom_function.cpp, _process_backward_mode_ad; run with torch 2.13.0.
    """
    is_sure = not (result.caveats or result.is_detached)
    return result.view is not None and is_sure and id(result.storage) not in dirty
