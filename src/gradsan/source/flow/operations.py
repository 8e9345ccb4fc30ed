"""Applying an operation of the table to values: what it saves, writes, views and returns."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from gradsan.knowledge import Effect, Operation
from gradsan.model.event import ViewKind, Writer
from gradsan.source.flow.attention import FUSED, as_fused
from gradsan.source.flow.binding import effect_of, setting_of, takes_tensor
from gradsan.source.flow.graph import EVERYWHERE, Grad, Guard, Node, Place, Storage
from gradsan.source.flow.layouts import CASTS, dtype_literal, keeps_layout
from gradsan.source.flow.machine import Frame
from gradsan.source.flow.off_tape import use_unrecorded
from gradsan.source.flow.overlaps import VIEWS, follow, view_each
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
)
from gradsan.source.flow.values import Choice, Const, Opaque, Sequence, Tensor, Value, join
from gradsan.source.flow.writes import write

_FIELDS = ("values", "indices")
_INDEXED = frozenset({"max", "min", "median", "nanmedian", "mode", "topk", "sort", "kthvalue", "cummax", "cummin"})
"""Operations whose second result holds indices.  Source: native_functions.yaml, 2.13.0."""
_ONE_WITHOUT_DIM = frozenset({"max", "min", "median", "nanmedian"})
_POOLING = re.compile(r"max_?pool\dd$", re.IGNORECASE)
"""Operations that hand out the indices, which they save, only when asked to.  Source: torch/nn/functional.py, 2.13."""
_BY_LAYOUT = frozenset({"contiguous", "reshape", "flatten", "ravel", "reshape_as", "view_as"})
"""Operations that return a view where the memory layout allows it."""
_TO_INTEGERS = frozenset({"long", "int", "short", "byte", "char", "bool"})
"""Conversions that copy whatever can carry a gradient."""
_INDICES = frozenset({"index", "indices", "mask", "dim", "condition"})
"""Arguments that never carry a gradient."""


@dataclass(slots=True)
class Application:
    """An operation of the table, applied to values."""

    frame: Frame
    operation: Operation
    effect: Effect
    bound: dict[str, Value]
    given: dict[str, object]
    """The settings that decide what it does, among ``bound`` and those that a layer knows."""
    node: ast.AST
    place: Place
    label: str
    """What the operation is called where it is told of."""
    graph: Node | None
    grad: Grad
    roots: frozenset[str]

    def save(
        self,
        tensor: Tensor,
        operand: str,
        need: tuple[Grad, frozenset[str]],
        guard: Guard = frozenset(),
        name: str = "",
    ) -> None:
        """Record that the operation keeps a tensor for its backward; ``need`` is the gradient that reads it."""
        assert self.graph is not None
        record_save(
            self.frame,
            tensor,
            node=self.graph,
            place=self.place,
            operation=self.label,
            operand=operand,
            grad=need[0],
            roots=need[1],
            guard=guard,
            backward=self.operation.backward or "",
            name=name,
        )

    def fresh(self) -> Tensor:
        """Return a result on a storage of its own."""
        return fresh(self.frame, grad=self.grad, roots=self.roots, node=self.graph)


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
    decisive = operation.decisive
    given = {name: setting_of(operation, name, value) for name, value in bound.items() if name in decisive}
    given |= {name: value for name, value in settings.items() if name in decisive} if settings else {}
    if operation.n_results == 2 and _is_dimension(bound.get("dim")) and _short(operation.name) in _ONE_WITHOUT_DIM:
        given["dim"] = 0  # whichever it is, it is one
    inputs = _tensor_inputs(frame, operation, bound)
    effect = _effect(frame, operation, given, inputs)
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
    name, spot = label or _short(operation.name), place or frame.place(node)
    applied = Application(frame, operation, effect, bound, given, node, spot, name, graph, grad, roots)
    if graph is not None:
        _save_inputs(applied, inputs)
        if frame.machine.has_off_tape:
            use_unrecorded(frame, inputs, graph)
    if not bound.keys().isdisjoint(effect.writes):
        return _write(applied, target, created, module)
    return _result(applied)


def _effect(frame: Frame, operation: Operation, given: dict[str, object], inputs: _Inputs) -> Effect:
    effect = effect_of(frame, operation, given)
    return as_fused(effect, inputs, given.get("dropout_p")) if _short(operation.name) == FUSED else effect


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
        kind = type(value)
        if kind is Const:
            continue
        if name in _INDICES and kind is not Sequence:
            if type(value) is Tensor:
                if name in ("index", "indices"):
                    used_as_index(frame, value)
                index = value.twin()
                index.grad, index.is_detached = Grad.NO, True
                found.append((name, index, EVERYWHERE))
            continue
        is_sure = takes_tensor(operation, name)
        if type(value) is Opaque and not is_sure and value.tensor is None and (value.node is None or value.is_number):
            continue
        if (kind is Opaque or kind is Choice) and not is_sure:
            parameter = operation.parameter(name)
            if parameter is not None and not parameter.tensor:
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
        more = roots_of(tensor)
        if more:
            roots = roots | more if roots else more
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


def _needs(applied: Application, operand: str, inputs: _Inputs) -> tuple[Grad, frozenset[str]]:
    """Return the gradient of the arguments whose formula reads a saved operand."""
    names = applied.effect.saves_when.get(operand)
    if not names:
        return applied.grad, applied.roots
    readers = [tensor for name, tensor, _ in inputs if name in names]
    most = max((grad_of(tensor) for tensor in readers), default=Grad.NO)
    return most, frozenset().union(*(roots_of(t) for t in readers)) if readers else frozenset()


def _save_inputs(applied: Application, inputs: _Inputs) -> None:
    effect = applied.effect
    if applied.label in PRODUCTS:
        assert applied.graph is not None
        save_factors(applied.frame, inputs, applied.graph, applied.place, applied.label)
        return
    for operand in effect.saves_inputs:
        is_uncertain = operand in effect.maybe
        is_plain = is_uncertain and _saves_plain(applied.operation, operand)
        if is_uncertain and not (is_plain or by_layout(applied.operation, operand)):
            continue
        if operand in effect.writes and f"writes:{operand}" not in effect.maybe:
            continue
        need = _needs(applied, operand, inputs)
        for name, tensor, guard in inputs:
            if name == operand and not (is_plain and tensor.is_contiguous is False):
                applied.save(tensor, operand, need, guard, tensor.storage.name)


def by_layout(operation: Operation, operand: str) -> bool:
    """Return whether an uncertain save depends on the memory layout alone: no argument decides it."""
    saving = [case for case in operation.cases if case.saves]
    return bool(saving) and all(operand in case.saves and operand in case.maybe for case in saving)


_LAYOUT = frozenset({"contiguous", "ndim", "ndim_not"})


def _saves_plain(operation: Operation, operand: str) -> bool:
    """Return whether an uncertain save is sure for contiguous tensors, and its conditions tell nothing but layouts."""
    if operand not in operation.saves_inputs or operand in operation.maybe:
        return False
    facts = (fact for case in operation.cases for fact in case.when.values())
    return all(isinstance(fact, Mapping) and fact.keys() <= _LAYOUT for fact in facts)


def _write(applied: Application, target: str, created: Place | None, module: str) -> Value:
    frame, effect, bound = applied.frame, applied.effect, applied.bound
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
                operation=applied.label,
                node=applied.node,
                target=target,
                sources=sources,
                guard=guard,
                writer=Writer.MODULE if created is not None else Writer.PROGRAM,
                # A collective writes below autograd: a leaf isn't refused.  Source: run with torch 2.13.0.
                grad_enabled=False if applied.operation.name.startswith("distributed.") else None,
                created=created,
                module=module,
                graph=applied.graph,
            )
            if applied.graph is not None and effect.saves_result is True and "result" not in effect.maybe:
                applied.save(tensor, "result", (applied.grad, applied.roots), guard)
        result = bound[operand]
    # Running statistics are written beside what is computed.
    is_aside = applied.operation.differentiable and not {*effect.writes} & {*effect.aliases}
    return _result(applied) if is_aside else result


def _result(applied: Application) -> Value:
    effect, label = applied.effect, applied.label
    if effect.views in ("multiple", "several") and effect.aliases:
        return _views(applied)
    if (effect.aliases or effect.may_return_input) and label not in PRODUCTS:
        alias = _alias(applied)
        if alias is not None:
            return alias
    short = _short(applied.operation.name)
    n_results = applied.operation.n_results
    if short.startswith("atleast_") or (short in _ONE_WITHOUT_DIM and not _is_dimension(applied.bound.get("dim"))):
        n_results = 1
    if n_results == 0:
        return Opaque(is_number=True)
    results = [applied.fresh() for _ in range(n_results)]
    if short in _INDEXED and n_results > 1:  # no gradient flows to places, wherever the values came from
        results[1] = fresh(applied.frame)
        results[1].is_integer = True
    if short == FUSED:  # step by step, it is laid out like any product
        results[0].is_contiguous = "result" in effect.maybe
    if applied.graph is not None:
        _save_results(applied, results)
    if n_results == 1 or (_POOLING.search(short) and applied.given.get("return_indices") is not True):
        return results[0]
    return Sequence(list(results), is_tuple=True, fields=_FIELDS if short in _INDEXED else ())


def _save_results(applied: Application, results: list[Tensor]) -> None:
    effect = applied.effect
    saved = (0,) if effect.saves_result is True else effect.saves_result or ()
    for index in saved:
        operand = "result" if len(results) == 1 else f"result{index}"
        if index < len(results) and operand not in effect.maybe:
            need, need_roots = _needs(applied, operand, [])
            applied.save(results[index], operand, (need or applied.grad, need_roots or applied.roots))


def _is_dimension(value: Value | None) -> bool:
    return isinstance(value, (Const, Sequence)) or (isinstance(value, Opaque) and value.node is None)


def _views(applied: Application) -> Value:
    frame, effect, label = applied.frame, applied.effect, applied.label
    base = applied.bound.get(effect.aliases[0])
    if isinstance(base, Sequence):
        each = view_each(frame, base.items, label, applied.node)
        return Sequence(each, is_exact=base.is_exact, is_tuple=True)
    tensor = as_tensor(frame, base) if base is not None else None
    if isinstance(base, Choice):
        tensor = next((t for t, _ in tensors_of(frame, base)), None)
    if tensor is None:
        return Opaque()
    count = applied.bound.get("chunks")
    n_views = count.value if isinstance(count, Const) and isinstance(count.value, int) and label != "split" else None
    exact = n_views is not None and 0 < n_views <= 16
    kind = ViewKind.MULTI_OUTPUT if effect.views == "multiple" else ViewKind.PLAIN
    items: list[Value] = [
        view_of(frame, tensor, label, applied.node, kind=kind) for _ in range(n_views if n_views and exact else 2)
    ]
    return Sequence(items, is_exact=exact, is_tuple=True)


def _alias(applied: Application) -> Value | None:
    names = applied.effect.aliases or ("self", "input")
    base = next((applied.bound[name] for name in names if name in applied.bound), None)
    pairs = tensors_of(applied.frame, base) if base is not None else []
    views = [option for tensor, guard in pairs for option in _aliases_of(applied, tensor, guard)]
    if not views:
        return None
    return views[0][0] if len(views) == 1 else join(views)


def _aliases_of(applied: Application, tensor: Tensor, guard: Guard) -> list[tuple[Value, Guard]]:
    """Return what an operation makes of one tensor: a view, a copy, or either under a condition."""
    frame, effect, label = applied.frame, applied.effect, applied.label
    sure = bool(effect.aliases) and not effect.may_return_input and not any("aliases" in m for m in effect.maybe)
    because = "in evaluation, and where `p` is 0" if "drop" in label.lower() else "where there is nothing to convert"
    caveat = "" if sure else f"`.{label}()` returns its input {because}"
    if label in _BY_LAYOUT and not sure:
        if tensor.is_contiguous is False:
            return [(applied.fresh(), guard)]
        caveat = "" if tensor.is_contiguous else f"`.{label}()` returns a view where the memory layout allows it"
    if label in _TO_INTEGERS and grad_of(tensor) is Grad.YES:  # only what is floating requires a gradient
        return [(fresh(frame), guard)]
    copies: list[tuple[Value, Guard]] = []
    asked = dtype_literal(frame, tensor, CASTS[label]) if label in CASTS and not sure else None
    if asked is not None:
        caveat = ""
        if -asked in frame.machine.guard:
            return [(applied.fresh(), guard)]
        if asked not in frame.machine.guard:
            copies, guard = [(applied.fresh(), guard | {-asked})], guard | {asked}
    view = view_of(frame, tensor, label, applied.node, caveat=caveat, is_contiguous=keeps_layout(label, tensor))
    if label in VIEWS:
        follow(view, tensor, label, applied.bound)
    if effect.may_return_input and effect.views != "single":
        view.view, view.is_leaf, view.ones, view.shared = tensor.view, tensor.is_leaf, tensor.ones, tensor.shared
    return [*copies, (view, guard)]
