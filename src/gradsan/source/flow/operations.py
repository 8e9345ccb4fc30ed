"""Applying an operation of the table to values: what it saves, writes, views and returns."""

from __future__ import annotations

import ast
import re
from functools import cache

from gradsan.knowledge import Effect, Operation
from gradsan.model.event import ViewKind, Writer
from gradsan.source.flow.binding import effect_of, setting_of, takes_tensor
from gradsan.source.flow.graph import EVERYWHERE, Grad, Guard, Node, Place, Storage
from gradsan.source.flow.layouts import CASTS, dtype_literal, keeps_layout
from gradsan.source.flow.machine import Frame
from gradsan.source.flow.off_tape import use_unrecorded
from gradsan.source.flow.overlaps import VIEWS, follow
from gradsan.source.flow.products import PRODUCTS, save_factors
from gradsan.source.flow.stale import use_stale
from gradsan.source.flow.tensors import (
    as_tensor,
    fresh,
    grad_of,
    node_of,
    record_save,
    roots_of,
    tensors_of,
    used_as_index,
    view_of,
    write,
)
from gradsan.source.flow.values import Choice, Const, Opaque, Sequence, Tensor, Value, join

_FIELDS = ("values", "indices")
_INDEXED = frozenset({"max", "min", "median", "nanmedian", "mode", "topk", "sort", "kthvalue", "cummax", "cummin"})
"""Operations whose second result holds indices.  Source: native_functions.yaml, 2.13.0."""
_ONE_WITHOUT_DIM = frozenset({"max", "min", "median", "nanmedian"})
_POOLING = re.compile(r"max_?pool\dd$", re.IGNORECASE)
"""Operations that hand out the indices, which they save, only when asked to.  Source: torch/nn/functional.py, 2.13."""
_INDICES = frozenset({"index", "indices", "mask", "dim", "condition"})
"""Arguments that never carry a gradient."""


def apply(
    frame: Frame,
    operation: Operation,
    bound: dict[str, Value],
    node: ast.AST,
    *,
    target: str = "",
    settings: dict[str, object] | None = None,
    label: str = "",
    created: Place | None = None,
    module: str = "",
    place: Place | None = None,
    weights: dict[str, Tensor] | None = None,
) -> Value:
    """Apply an operation; record what it saves and writes, and return its result."""
    given = {name: setting_of(operation, name, value) for name, value in bound.items()}
    if settings:
        given.update(settings)
    effect = effect_of(frame, operation, given)
    spot = place or frame.place(node)
    inputs = _tensor_inputs(frame, operation, bound)
    if frame.machine.has_stale_views and frame.machine.grad_enabled:
        for _, tensor, _ in inputs:
            use_stale(frame, tensor, node)
    if weights:
        inputs += [(name, tensor, frozenset()) for name, tensor in weights.items()]
        _renormalise(frame, effect, weights, node, label, module)
    grad, roots = _incoming(inputs)
    if not frame.machine.grad_enabled or not operation.differentiable:
        grad, roots = Grad.NO, frozenset()
    graph = _graph(inputs) if grad is not Grad.NO else None
    name = label or _short(operation.name)
    if graph is not None:
        _save_inputs(frame, operation, effect, inputs, graph, spot, grad, roots, name)
        if frame.machine.has_off_tape:
            use_unrecorded(frame, inputs, graph)
    if not bound.keys().isdisjoint(effect.writes):
        return _write(frame, effect, bound, node, name, target, graph, spot, grad, roots, operation, created, module)
    return _result(frame, operation, effect, bound, node, name, graph, spot, grad, roots, given)


def _renormalise(
    frame: Frame, effect: Effect, weights: dict[str, Tensor], node: ast.AST, label: str, module: str
) -> None:
    """Record that a layer mutates a weight of its own before it uses it: an embedding with ``max_norm``.

    Source: torch/nn/functional.py, embedding (2.13.0): under ``no_grad``.
    """
    for operand in effect.writes:
        if operand in weights and f"writes:{operand}" not in effect.maybe:
            tensor = weights[operand]
            name = tensor.storage.name
            write(frame, tensor, operation=label, node=node, target=name, grad_enabled=False, module=module)


@cache
def _short(name: str) -> str:
    return name.rpartition(".")[2].rpartition("::")[2]


_Inputs = list[tuple[str, Tensor, Guard]]


def _tensor_inputs(frame: Frame, operation: Operation, bound: dict[str, Value]) -> _Inputs:
    found: _Inputs = []
    for name, value in bound.items():
        if name in _INDICES and type(value) is not Sequence:
            if type(value) is Tensor:
                if name in ("index", "indices"):
                    used_as_index(frame, value)
                index = value.twin()
                index.grad, index.is_detached = Grad.NO, True
                found.append((name, index, EVERYWHERE))
            continue
        parameter = operation.parameter(name)
        is_sure = takes_tensor(operation, name)
        if type(value) is Opaque and not is_sure and value.tensor is None:
            if value.is_number or (value.node is None and not value.roots):
                continue
            if parameter is not None and not parameter.tensor:
                continue
            if value.node is None:
                continue
        found += [(name, tensor, guard) for tensor, guard in tensors_of(frame, value, is_sure=is_sure)]
    return found


def _incoming(inputs: _Inputs) -> tuple[Grad, frozenset[str]]:
    """Return the gradient that the inputs bring together, and the parameters that it flows to."""
    grad, roots = Grad.NO, frozenset[str]()
    for _, tensor, _ in inputs:
        own = grad_of(tensor)
        if own > grad:
            grad = own
        roots |= roots_of(tensor)
    return grad, roots


def _graph(inputs: _Inputs) -> Node:
    parents: dict[int, Node] = {}
    leaves: list[Storage] = []
    for _, tensor, _ in inputs:
        node = node_of(tensor)
        if node is not None:
            parents[id(node)] = node
        if tensor.is_leaf and tensor.grad is Grad.YES:
            leaves.append(tensor.storage)
    return Node(tuple(parents.values()), leaves=tuple(leaves))


def _needs(
    effect: Effect, operand: str, inputs: _Inputs, grad: Grad, roots: frozenset[str]
) -> tuple[Grad, frozenset[str]]:
    """Return the gradient of the arguments whose formula reads a saved operand."""
    names = effect.saves_when.get(operand)
    if not names:
        return grad, roots
    readers = [tensor for name, tensor, _ in inputs if name in names]
    most = max((grad_of(tensor) for tensor in readers), default=Grad.NO)
    return most, frozenset().union(*(roots_of(t) for t in readers)) if readers else frozenset()


def _save_inputs(
    frame: Frame,
    operation: Operation,
    effect: Effect,
    inputs: _Inputs,
    graph: Node,
    place: Place,
    grad: Grad,
    roots: frozenset[str],
    label: str,
) -> None:
    if label in PRODUCTS:
        save_factors(frame, inputs, graph, place, label)
        return
    for operand in effect.saves_inputs:
        is_uncertain = operand in effect.maybe and not by_layout(operation, operand)
        if is_uncertain or (operand in effect.writes and f"writes:{operand}" not in effect.maybe):
            continue
        need, need_roots = _needs(effect, operand, inputs, grad, roots)
        for name, tensor, guard in inputs:
            if name == operand:
                record_save(
                    frame,
                    tensor,
                    node=graph,
                    place=place,
                    operation=label,
                    operand=operand,
                    grad=need,
                    roots=need_roots,
                    guard=guard,
                    backward=operation.backward or "",
                    name=tensor.storage.name,
                )


def by_layout(operation: Operation, operand: str) -> bool:
    """Return whether an uncertain save depends on the memory layout alone: no argument decides it."""
    saving = [case for case in operation.cases if case.saves]
    return bool(saving) and all(operand in case.saves and operand in case.maybe for case in saving)


def _write(
    frame: Frame,
    effect: Effect,
    bound: dict[str, Value],
    node: ast.AST,
    label: str,
    target: str,
    graph: Node | None,
    place: Place,
    grad: Grad,
    roots: frozenset[str],
    operation: Operation,
    created: Place | None,
    module: str,
) -> Value:
    result: Value = Opaque()
    for operand in effect.writes:
        if f"writes:{operand}" in effect.maybe:
            frame.machine.is_open = True
            continue
        if operand not in bound:
            continue
        sources = tuple(value for name, value in bound.items() if name != operand and name not in _INDICES)
        for tensor, guard in tensors_of(frame, bound[operand]):
            write(
                frame,
                tensor,
                operation=label,
                node=node,
                target=target,
                sources=sources,
                guard=guard,
                writer=Writer.MODULE if created is not None else Writer.PROGRAM,
                # A collective writes below autograd: a leaf isn't refused.  Source: run with torch 2.13.0.
                grad_enabled=False if operation.name.startswith("distributed.") else None,
                created=created,
                module=module,
                graph=graph,
            )
            if graph is not None and effect.saves_result is True and "result" not in effect.maybe:
                record_save(
                    frame,
                    tensor,
                    node=graph,
                    place=place,
                    operation=label,
                    operand="result",
                    grad=grad,
                    roots=roots,
                    guard=guard,
                    backward=operation.backward or "",
                )
        result = bound[operand]
    return result


def _result(
    frame: Frame,
    operation: Operation,
    effect: Effect,
    bound: dict[str, Value],
    node: ast.AST,
    label: str,
    graph: Node | None,
    place: Place,
    grad: Grad,
    roots: frozenset[str],
    given: dict[str, object],
) -> Value:
    if effect.views in ("multiple", "several") and effect.aliases:
        return _views(frame, effect, bound, node, label)
    if (effect.aliases or effect.may_return_input) and label not in PRODUCTS:
        alias = _alias(frame, effect, bound, node, label, graph, grad, roots)
        if alias is not None:
            return alias
    short = _short(operation.name)
    n_results = operation.n_results
    if short.startswith("atleast_") or (short in _ONE_WITHOUT_DIM and not _is_dimension(bound.get("dim"))):
        n_results = 1
    if n_results == 0:
        return Opaque(is_number=True)
    results: list[Value] = [fresh(frame, grad=grad, roots=roots, node=graph) for _ in range(n_results)]
    saved = (0,) if effect.saves_result is True else effect.saves_result or ()
    for index in saved:
        operand = "result" if n_results == 1 else f"result{index}"
        if index >= n_results or graph is None or operand in effect.maybe:
            continue
        result = results[index]
        assert isinstance(result, Tensor)
        need, need_roots = _needs(effect, operand, [], grad, roots)
        record_save(
            frame,
            result,
            node=graph,
            place=place,
            operation=label,
            operand=operand if n_results > 1 else "result",
            grad=need or grad,
            roots=need_roots or roots,
            backward=operation.backward or "",
        )
    if n_results == 1 or (_POOLING.search(short) and given.get("return_indices") is not True):
        return results[0]
    if short in _INDEXED and isinstance(results[1], Tensor):
        results[1].is_integer = True
    return Sequence(results, is_tuple=True, fields=_FIELDS if short in _INDEXED else ())


def _is_dimension(value: Value | None) -> bool:
    return isinstance(value, (Const, Sequence)) or (isinstance(value, Opaque) and value.node is None)


def _views(frame: Frame, effect: Effect, bound: dict[str, Value], node: ast.AST, label: str) -> Value:
    base = bound.get(effect.aliases[0])
    tensor = as_tensor(frame, base) if base is not None else None
    if isinstance(base, Choice):
        tensor = next((t for t, _ in tensors_of(frame, base)), None)
    if tensor is None:
        return Opaque()
    count = bound.get("chunks")
    n_views = count.value if isinstance(count, Const) and isinstance(count.value, int) and label != "split" else None
    exact = n_views is not None and 0 < n_views <= 16
    kind = ViewKind.MULTI_OUTPUT if effect.views == "multiple" else ViewKind.PLAIN
    items: list[Value] = [
        view_of(frame, tensor, label, node, kind=kind) for _ in range(n_views if n_views and exact else 2)
    ]
    return Sequence(items, is_exact=exact, is_tuple=True)


def _alias(
    frame: Frame,
    effect: Effect,
    bound: dict[str, Value],
    node: ast.AST,
    label: str,
    graph: Node | None,
    grad: Grad,
    roots: frozenset[str],
) -> Value | None:
    names = effect.aliases or ("self", "input")
    base = next((bound[name] for name in names if name in bound), None)
    if base is None:
        return None
    pairs = tensors_of(frame, base)
    if not pairs:
        return None
    views: list[tuple[Value, Guard]] = []
    for tensor, guard in pairs:
        sure = bool(effect.aliases) and not effect.may_return_input and not any("aliases" in m for m in effect.maybe)
        if label in ("contiguous", "reshape", "flatten", "ravel", "reshape_as", "view_as") and not sure:
            if tensor.is_contiguous is False:
                views.append((fresh(frame, grad=grad, roots=roots, node=graph), guard))
                continue
            caveat = "" if tensor.is_contiguous else f"`.{label}()` returns a view where the memory layout allows it"
        else:
            caveat = "" if sure else f"`.{label}()` returns its input where there is nothing to convert"
        asked = dtype_literal(frame, tensor, CASTS[label]) if label in CASTS and not sure else None
        if asked is not None:
            caveat = ""
            if -asked in frame.machine.guard:
                views.append((fresh(frame, grad=grad, roots=roots, node=graph), guard))
                continue
        view = view_of(frame, tensor, label, node, caveat=caveat, is_contiguous=keeps_layout(label, tensor))
        if label in VIEWS:
            follow(view, tensor, label, bound)
        if effect.may_return_input and effect.views != "single":
            view.view, view.is_leaf, view.ones, view.shared = tensor.view, tensor.is_leaf, tensor.ones, tensor.shared
        if asked is not None and asked not in frame.machine.guard:
            views.append((fresh(frame, grad=grad, roots=roots, node=graph), guard | {-asked}))
            guard |= {asked}
        views.append((view, guard))
    return views[0][0] if len(views) == 1 else join(views)
