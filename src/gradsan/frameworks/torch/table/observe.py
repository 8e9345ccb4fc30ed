"""Runs one call and reads what the engine made of it: the graph's saved tensors, aliases, versions, refusals.

# NOTE [Observation]
The inputs are clones, so that in-place operations may write them and no two share a storage.  Whether an operand was
saved is read from the graph (``node._raw_saved_x.data``, by storage); whether a later write is refused is found by
doing it: the call is repeated, the operand's version counter moved, and backward run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.autograd.graph import Node, increment_version

from gradsan.frameworks.torch.regions import tensors_in
from gradsan.frameworks.torch.table.calls import Bound
from gradsan.knowledge import Effect

_Creation, _creation = torch._C._autograd.CreationMeta, torch._C._autograd._get_creation_meta
_MODIFIED = "modified by an inplace operation"
_UNWRITABLE = "a view and its base or another view of its base has been modified inplace"


class NotObservable(Exception):
    """The call can't be judged: it made no graph, or the engine refuses for another reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one call did."""

    saved: frozenset[str]
    """Operands (arguments, ``result`` or ``resultN``) whose storage the graph holds."""
    refused: frozenset[str]
    """Operands whose later write backward refuses."""
    unwritable: frozenset[str]
    """Operands that can't be written at all: one of several views."""
    written: frozenset[str]
    uncounted: frozenset[str]
    """Those of ``written`` whose version counter did not move."""
    not_read: frozenset[str]
    """Those of ``saved`` whose value backward doesn't use: overwriting it silently leaves the gradients as they are."""
    aliased: frozenset[str]
    """Arguments whose storage a result shares."""
    is_input: bool
    """A result is an argument that was not written, or has its storage without being a view of it."""
    views: str
    n_results: int
    hidden: bool
    """Some node doesn't show what it saved."""
    same_storage: Mapping[str, frozenset[str]] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()


@dataclass(slots=True)
class Run:
    """One execution on fresh clones."""

    operands: dict[str, list[torch.Tensor]]
    results: list[torch.Tensor]
    inputs: list[torch.Tensor]
    versions: dict[int, int]
    returns_nothing: bool = False


def observe(
    call: Callable[[Bound], Any], bound: Bound, *, mask: frozenset[str] | None = None, refusals: bool = True
) -> Observation:
    """Run a call and report.

    Args:
        call: Runs the operation on arguments bound by name.
        bound: The arguments; tensors that require a gradient are the differentiable ones.
        mask: Which of those require one this time; None: all.
        refusals: Whether to try a write to each operand; ``refused`` is empty without.

    Raises:
        NotObservable: The call made no graph, or its backward doesn't run at all.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = execute(call, bound, mask=mask)
        backward_or_refuse(run)
        run = execute(call, bound, mask=mask)
        saved, hidden, nodes = saved_storages(run)
        untouched = _without_graph(run, bound)
        operands = list(untouched.same_storage)
        storages = {name: {_storage(t) for t in run.operands[name]} for name in operands}
        tried = {n: _is_refused(call, bound, n, mask=mask) if refusals else False for n in operands}
        held = frozenset(n for n in operands if storages[n] & saved)
        return replace(
            untouched,
            saved=held,
            refused=frozenset(n for n in operands if tried[n]),
            unwritable=frozenset(n for n in operands if tried[n] is None),
            not_read=frozenset(n for n in held if mask is None and refusals and _is_not_read(call, bound, n)),
            hidden=hidden,
            nodes=nodes,
        )


def observe_without_graph(call: Callable[[Bound], Any], bound: Bound) -> Observation:
    """Run a call that makes no graph, and report what it wrote and what its results share.

    Raises:
        NotObservable: A result requires a gradient, so there is more to tell.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = execute(call, bound)
        if any(t.requires_grad for t in run.results):
            raise NotObservable("a result requires a gradient")
        seen = _without_graph(run, bound)
        if run.returns_nothing:
            return replace(seen, aliased=frozenset(), is_input=False, views="none", n_results=0)
        return seen


def _without_graph(run: Run, bound: Bound) -> Observation:
    storages = {name: {_storage(t) for t in tensors} for name, tensors in run.operands.items()}
    operands = [name for name in storages if storages[name]]
    arguments = [n for n in operands if n in bound]
    results = {_storage(t) for t in run.results}
    counted = {n for n in arguments if any(t._version != run.versions[id(t)] for t in run.operands[n])}
    written = counted | {n for n in arguments if _differs(run.operands[n], bound[n])}
    return Observation(
        saved=frozenset(),
        refused=frozenset(),
        unwritable=frozenset(),
        written=frozenset(written),
        uncounted=frozenset(written - counted),
        not_read=frozenset(),
        aliased=frozenset(n for n in arguments if storages[n] & results),
        is_input=_is_input(run, [n for n in arguments if n not in written]),
        views=_views(run, arguments),
        n_results=len(run.results),
        hidden=False,
        same_storage={n: frozenset(m for m in operands if storages[m] & storages[n]) for n in operands},
    )


def execute(call: Callable[[Bound], Any], bound: Bound, *, mask: frozenset[str] | None = None) -> Run:
    """Run the call on fresh clones."""
    operands: dict[str, list[torch.Tensor]] = {}
    fresh: dict[str, Any] = {}
    inputs: list[torch.Tensor] = []
    for name, value in bound.items():
        kept: list[torch.Tensor] = []
        fresh[name] = _clone(value, kept, inputs, may_require=mask is None or name in mask)
        if kept:
            operands[name] = kept
    versions = {id(t): t._version for tensors in operands.values() for t in tensors}
    torch.manual_seed(0)
    returned = call(fresh)
    # What returns nothing (`__setitem__`) is judged by what became of its first argument.
    results = list(tensors_in(returned)) if returned is not None else next(iter(operands.values()), [])[:1]
    if len(results) == 1:
        operands["result"] = results
    else:
        operands |= {f"result{i}": [t] for i, t in enumerate(results)}
    return Run(operands, results, inputs, versions, returns_nothing=returned is None)


def _clone(value: Any, kept: list[torch.Tensor], inputs: list[torch.Tensor], *, may_require: bool) -> Any:
    if isinstance(value, torch.Tensor):
        leaf = value.detach()
        if value.requires_grad and may_require:
            leaf = leaf.clone().requires_grad_()
            inputs.append(leaf)
        copy = leaf.clone()
        kept.append(copy)
        return copy
    if isinstance(value, (list, tuple)):
        items = [_clone(item, kept, inputs, may_require=may_require) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def backward_or_refuse(run: Run) -> bool:
    """Run backward; return whether it was refused because a saved tensor was modified.

    Raises:
        NotObservable: There is nothing to run, or it fails for another reason.
    """
    roots = [t for t in run.results if t.requires_grad]
    if not roots or not run.inputs or (run.returns_nothing and not _is_written(run)):
        raise NotObservable("no result requires a gradient")
    try:
        gradients(run)
    except RuntimeError as error:
        if _MODIFIED in str(error):
            return True
        raise NotObservable(str(error).partition("\n")[0]) from error
    return False


def _is_written(run: Run) -> bool:
    return any(t._version != run.versions[id(t)] for ts in run.operands.values() for t in ts if id(t) in run.versions)


def _is_refused(
    call: Callable[[Bound], Any], bound: Bound, operand: str, *, mask: frozenset[str] | None
) -> bool | None:
    run = execute(call, bound, mask=mask)
    increment_version([t for t in run.operands[operand] if not t.is_inference()])
    try:
        return backward_or_refuse(run)
    except (NotObservable, RuntimeError) as error:
        if _UNWRITABLE in str(error):
            return None
        raise


def _differs(now: list[torch.Tensor], before: Any) -> bool:
    return any(
        a.shape != b.shape or not torch.equal(torch.nan_to_num(a.detach()), torch.nan_to_num(b.detach()))
        for a, b in zip(now, tensors_in(before), strict=True)
        if a.layout is torch.strided
    )


def _is_not_read(call: Callable[[Bound], Any], bound: Bound, operand: str) -> bool:
    """Return whether overwriting a saved operand behind the version counter leaves every gradient as it is."""
    reference = gradients(execute(call, bound))
    # Finite numbers only: some kernels index by what they read and step out of bounds at NaN (grid_sample, 2.13.0).
    # Several draws, each with its opposite: a comparison may come out the same by chance, but not with both.
    for spread in (10.0, 0.1, 3.0, 1.0, 0.3, 30.0, 0.03, 5.0):
        plus, minus = execute(call, bound), execute(call, bound)
        for tensor, opposite in zip(plus.operands[operand], minus.operands[operand], strict=True):
            if not tensor.is_floating_point() or tensor.layout is not torch.strided:
                return False
            tensor.data.copy_(torch.empty_like(tensor).normal_(std=spread))
            opposite.data.copy_(-tensor.data)
        if not all(_equal(gradients(run), reference) for run in (plus, minus)):
            return False
    return True


def gradients(run: Run) -> list[torch.Tensor | None]:
    """Return the gradients of the inputs, with ones for the results' gradients.

    Where all results together have no gradient (the signs of singular vectors are arbitrary), one alone will do.
    """
    roots = [t for t in run.results if t.requires_grad]
    try:
        return _gradients(roots, run.inputs)
    except RuntimeError as error:
        if len(roots) == 1 or _MODIFIED in str(error) or _UNWRITABLE in str(error):
            raise
        for root in roots:
            with suppress(RuntimeError):
                return _gradients([root], run.inputs)
        raise


def _gradients(roots: list[torch.Tensor], inputs: list[torch.Tensor]) -> list[torch.Tensor | None]:
    ones = [torch.ones_like(t) for t in roots]
    return list(torch.autograd.grad(roots, inputs, ones, allow_unused=True, retain_graph=True))


def _equal(some: list[torch.Tensor | None], others: list[torch.Tensor | None]) -> bool:
    return all(
        a is b or (a is not None and b is not None and torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)))
        for a, b in zip(some, others, strict=True)
    )


def saved_storages(run: Run) -> tuple[set[int], bool, tuple[str, ...]]:
    """Return the storages that the graph holds, whether a node hides its own, and the names of the nodes."""
    stop = {leaf_node(t) for t in run.inputs}
    found: set[int] = set()
    hidden = False
    names: list[str] = []
    pending = [t.grad_fn for t in run.results if t.grad_fn is not None]
    seen: set[Node] = set(pending)
    while pending:
        node = pending.pop()
        if any(next_node in stop for next_node, _ in node.next_functions) and node.name() == "CloneBackward0":
            continue
        names.append(node.name())
        hidden = hidden or node.name() == "CopySlices" or "::" in node.name()
        found |= {_storage(t) for t in saved_tensors(node)}
        for next_node, _ in node.next_functions:
            if next_node is not None and next_node not in seen and next_node not in stop:
                seen.add(next_node)
                pending.append(next_node)
    return found, hidden, tuple(dict.fromkeys(names))


def leaf_node(leaf: torch.Tensor) -> Node:
    """Return the node that accumulates a leaf's gradient."""
    return torch.autograd.graph.get_gradient_edge(leaf).node


def saved_tensors(node: Node) -> Iterator[torch.Tensor]:
    """Yield the tensors that a node keeps, unchecked."""
    for attribute in dir(node):
        if not attribute.startswith("_raw_saved_"):
            continue
        value = getattr(node, attribute)
        for saved in value if isinstance(value, (list, tuple)) else (value,):
            tensor = getattr(saved, "data", None)
            if isinstance(tensor, torch.Tensor):
                yield tensor


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def saved_result_names(effect: Effect, n_results: int) -> set[str]:
    """Return the operand names of the results that an effect says are saved, in a call that returned so many."""
    saved = effect.saves_result
    indices = saved if isinstance(saved, tuple) else (0,) if saved else ()
    return {f"result{i}" if n_results > 1 else "result" for i in indices if i < n_results}


def _is_input(run: Run, arguments: list[str]) -> bool:
    given = [t for n in arguments for t in run.operands[n]]
    for result in run.results:
        for tensor in given:
            if result is tensor or (_storage(result) == _storage(tensor) and not result._is_view()):
                return True
    return False


def _views(run: Run, arguments: list[str]) -> str:
    storages = {_storage(t) for n in arguments for t in run.operands[n]}
    views = [t for t in run.results if t._is_view() and _storage(t) in storages]
    if not views:
        return "none"
    # The parts of `split` are refused a write; those of `tensor_split` are views each of its own.
    if any(_creation(t) == _Creation.MULTI_OUTPUT_NODE for t in views):
        return "multiple"
    return "several" if len(run.results) > 1 else "single"
