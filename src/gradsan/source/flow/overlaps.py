"""Tensors whose elements share memory: what ``expand`` makes of dimensions of size one.

Sizes are known as far as the source spells them: of a factory, a view, an added dimension.  Whatever isn't spelled as
one may be more, so that an expansion to it surely shares memory, but for batches of one.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TypeGuard

from gradsan.model.event import Refusal, ViewKind
from gradsan.source.flow.graph import Grad, Guard, Refused, View, Write
from gradsan.source.flow.machine import Frame
from gradsan.source.flow.tensors import tensors_of, view_of
from gradsan.source.flow.values import Const, Sequence, Tensor, Value, join

FACTORIES = frozenset({"zeros", "ones", "empty", "rand", "randn"})
VIEWS = frozenset({"view", "reshape", "unsqueeze", "expand", "expand_as", "broadcast_to"})


@dataclass(frozen=True, slots=True)
class Ones:
    """Which dimensions have one element, counted from the right; 0 is the first one, of however many."""

    at: frozenset[int] = frozenset()
    n_dims: int | None = None
    n_spelled: int | None = None
    """The dimensions that an index spells: where there are more, it isn't known which have one element."""


def sizes_given(values: list[Value]) -> list[Value] | None:
    """Return sizes that are passed one by one or as one sequence; None where they aren't known."""
    if len(values) == 1 and isinstance(values[0], Sequence):
        return list(values[0].items) if values[0].is_exact else None
    return values


def ones_of(sizes: list[Value] | None) -> Ones | None:
    """Return which of some sizes are one."""
    if sizes is None or any(isinstance(size, Sequence) for size in sizes):
        return None
    count = len(sizes)
    at = {i - count for i, size in enumerate(sizes) if _is(size, 1)}
    return Ones(frozenset(at | ({0} if -count in at else set())), count)


def opened(view: Tensor, index: ast.expr) -> Tensor:
    """Note what a part of a tensor knows of its sizes."""
    view.ones = _ones_in(index)
    return view


def _ones_in(index: ast.expr) -> Ones | None:
    """Return which dimensions ``None`` adds in an index, ``x[:, None]``; None where it adds none."""
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    added = [at for at, part in enumerate(parts) if isinstance(part, ast.Constant) and part.value is None]
    if not added or not all(isinstance(part, ast.Slice) or _is_none_or_rest(part) for part in parts):
        return None
    rest = next((at for at, part in enumerate(parts) if _is_none_or_rest(part) and part.value is ...), None)
    if rest is not None:
        return Ones(frozenset(at - len(parts) for at in added if at > rest) | ({0} if 0 in added else set()))
    return Ones(frozenset(at - len(parts) for at in added), n_spelled=len(parts))


def _is_none_or_rest(part: ast.expr) -> TypeGuard[ast.Constant]:
    return isinstance(part, ast.Constant) and (part.value is None or part.value is ...)


def made_by(name: str, positional: list[Value]) -> Ones | None:
    """Return what is known of the sizes of a new tensor."""
    if name == "eye":
        return Ones(n_dims=2)
    return ones_of(sizes_given(positional)) if name in FACTORIES and positional else None


def follow(view: Tensor, base: Tensor, label: str, bound: dict[str, Value]) -> None:
    """Note what a view knows of its sizes, and whether its elements share memory."""
    rest = bound.get("<rest>")
    first = bound.get("size", bound.get("shape"))
    given = [*([first] if first is not None else []), *(rest.items if isinstance(rest, Sequence) else [])]
    if label in ("view", "reshape"):
        view.ones = ones_of(sizes_given(given)) if given else None
    elif label == "unsqueeze":
        dim = bound.get("dim")
        if isinstance(dim, Const) and isinstance(dim.value, int) and dim.value <= 0:
            view.ones = Ones(frozenset({dim.value}))
    elif base.ones is not None and view.view is not None and _is_expanded(base.ones, label, given, bound):
        view.shared = View(ViewKind.EXPANDED, label, view.view.place, view.view.sequence, view.view.base_is_leaf)
        view.is_contiguous = False


def view_each(frame: Frame, items: list[Value], label: str, node: ast.AST) -> list[Value]:
    """Return a view of each of several tensors; two that are broadcast together are expanded as by `expand_as`."""
    views: list[Value] = []
    for at, item in enumerate(items):
        found: list[tuple[Value, Guard]] = []
        for tensor, guard in tensors_of(frame, item):
            view = view_of(frame, tensor, label, node)
            if len(items) == 2 and label == "broadcast_tensors":
                follow(view, tensor, "expand_as", {"other": items[1 - at]})
            found.append((view, guard))
        views.append(join(found))
    return views


def _is_expanded(ones: Ones, label: str, given: list[Value], bound: dict[str, Value]) -> bool:
    if label == "expand_as":
        other = bound.get("other")
        known = other.ones if isinstance(other, Tensor) else None
        return bool(ones.at) and ones.n_spelled is None and (known is None or not ones.at & known.at)
    sizes = sizes_given(given)
    if not sizes or (ones.n_spelled is not None and len(sizes) != ones.n_spelled):
        return False
    grown = {i - len(sizes) for i, size in enumerate(sizes) if not _is(size, 1) and not _is(size, -1)}
    if -len(sizes) in grown:
        grown.add(0)
    if ones.n_dims is not None and any(-len(sizes) <= at < -ones.n_dims for at in grown):
        return True
    return bool(ones.at & grown)


def _is(size: Value, number: int) -> bool:
    return isinstance(size, Const) and size.value == number


_SPARED = frozenset(
    [
        *("fill_", "zero_", "fill_diagonal_", "masked_fill_", "index_fill_", "index_put_"),
        *("detach_", "requires_grad_", "resize_", "set_", "squeeze_", "swapaxes_", "t_", "transpose_", "unsqueeze_"),
    ]
)
"""What is done to shared memory all the same, or writes none.  Source: run with torch 2.13.0."""


def refuse_overlap(
    frame: Frame, tensor: Tensor, event: Write, sources: tuple[Value, ...], index: ast.expr | None
) -> bool:
    """Record that the framework refuses a write to memory that is written twice, or read meanwhile.

    Source: aten/src/ATen/MemoryOverlap.cpp (2.13.0).
    """
    refusals = frame.machine.refusals
    if tensor.shared is not None and event.operation not in _SPARED and (index is None or _writes_all(index)):
        refusals.append(Refused(Refusal.OVERLAP, event, Grad.YES, frozenset(), tensor.shared))
        return True
    own = index if index is not None else _slice_of(tensor)
    for at, source in enumerate(sources):
        if type(source) is not Tensor or source.storage is not tensor.storage or not source.storage.is_own:
            continue
        is_index = at > 0 and index is not None
        is_part = own is not None and is_shifted(own, _slice_of(source))
        is_transposed = _is_transposed(event.place.node, source)
        if is_index or is_part or is_transposed:
            said = "some elements of the input tensor and the written-to tensor refer to a single memory location"
            if is_transposed:  # of one name, whichever memory that has: `m = m.to(device)`
                event = replace(event, caveats=())
            refusals.append(Refused(Refusal.OVERLAP, event, Grad.YES, frozenset(), None, said))
            return True
    return False


def _slice_of(tensor: Tensor) -> ast.expr | None:
    """Return the slice that a tensor is of its base; None where it is something else."""
    view = tensor.view
    if view is None or view.operation != "slice" or not isinstance(view.place.node, ast.Subscript):
        return None
    return view.place.node.slice


_TRANSPOSES = frozenset({"transpose", "swapaxes", "swapdims", "t", "adjoint", "T", "mT"})
_ELEMENTWISE = frozenset({"copy_", "add_", "sub_", "mul_", "div_"})


def _is_transposed(write: ast.AST, source: Tensor) -> bool:
    """Return whether what is read is the very part that is written, its dimensions swapped: ``x[1] = x[1].mT``."""
    match write:
        case ast.AugAssign(target=written) | (ast.Subscript() as written):
            pass
        case ast.Call(func=ast.Attribute(value=written, attr=name)) if name in _ELEMENTWISE:
            pass
        case _:
            return False
    taken = source.view.place.node if source.view is not None else None
    taken = taken.func if isinstance(taken, ast.Call) else taken
    if not isinstance(taken, ast.Attribute) or taken.attr not in _TRANSPOSES:
        return False
    return ast.unparse(taken.value) == ast.unparse(written)


def _writes_all(index: ast.expr) -> bool:
    """Return whether an index takes all rows: whatever shares memory is among what is written."""
    first, *rest = index.elts if isinstance(index, ast.Tuple) else [index]
    is_basic = all(isinstance(part, (ast.Slice, ast.Constant)) for part in rest)
    return is_basic and isinstance(first, ast.Slice) and first.lower is None and first.upper is None


def is_shifted(target: ast.expr, source: ast.expr | None) -> bool:
    """Return whether two slices of one tensor surely overlap without being the same, ``[1:]`` and ``[:-1]``."""
    if not isinstance(target, ast.Slice) or not isinstance(source, ast.Slice) or target.step or source.step:
        return False
    bounds = [_bound(part) for part in (target.lower, target.upper, source.lower, source.upper)]
    if any(bound is None for bound in bounds):
        return False
    first, last, begin, end = (bound or 0 for bound in bounds)
    return (first, last) != (begin, end) and min(first, begin) >= 0 and max(last, end) <= 0


def _bound(node: ast.expr | None) -> int | None:
    """Return a bound that is spelled, 0 where it is left out; None for any other."""
    if node is None:
        return 0
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value if isinstance(value, int) and value and abs(value) < _SMALL else None


_SMALL = 4
"""What is shifted by more may be shorter than that."""
