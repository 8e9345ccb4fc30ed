"""Rearrangements by a pattern, as einops spells them: which are views of the tensor, and which may be copies."""

from __future__ import annotations

import ast
import re
from functools import cache

from gradsan.source.flow.binding import bind
from gradsan.source.flow.calling import opaque_call
from gradsan.source.flow.graph import Guard
from gradsan.source.flow.machine import Arguments, Frame
from gradsan.source.flow.operations import apply
from gradsan.source.flow.tensors import tensors_of, view_of
from gradsan.source.flow.values import Const, External, Opaque, Partial, Sequence, Tensor, Value, join

_AXES = re.compile(r"\(([^()]*)\)|[^\s()]+")
_REDUCED = {
    "sum": "torch.sum",
    "mean": "torch.mean",
    "max": "torch.amax",
    "min": "torch.amin",
    "prod": "torch.prod",
    "any": "torch.any",
    "all": "torch.all",
}
_BY_LAYOUT = "`rearrange` returns a view where the memory layout allows it"


def call_einops(frame: Frame, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """Call what einops offers by a name.

    Source: einops/einops.py, _apply_recipe (0.8.1): a reshape, a transposition, and a second reshape.
    """
    if name == "layers.torch.Rearrange" and arguments.positional:
        return Partial(External("einops.rearrange"), [], {"pattern": arguments.positional[0]})
    value, pattern = arguments.get(0, "tensor"), arguments.get(1, "pattern")
    if value is None or not isinstance(pattern, Const) or name not in ("rearrange", "repeat", "reduce"):
        return opaque_call(frame, Opaque(), arguments, node)
    if isinstance(value, Sequence):
        value = _apply(frame, "torch.stack", value, node)
        if name == "rearrange":
            return value
    found = tensors_of(frame, value, is_sure=False)
    if not found:
        return opaque_call(frame, Opaque(), arguments, node)
    if name == "reduce":
        reduction = arguments.get(2, "reduction")
        reduced = _REDUCED.get(str(reduction.value) if isinstance(reduction, Const) else "")
        if reduced is None:
            return opaque_call(frame, Opaque(), arguments, node)
        return join([(_apply(frame, reduced, tensor, node, label=name), guard) for tensor, guard in found])
    made = _repeated if name == "repeat" else _rearranged
    return join([made(frame, tensor, str(pattern.value), guard, node) for tensor, guard in found])


def _rearranged(frame: Frame, tensor: Tensor, pattern: str, guard: Guard, node: ast.AST) -> tuple[Value, Guard]:
    is_view = _is_view(pattern)
    if is_view is False:
        return _apply(frame, "torch.clone", tensor, node), guard
    caveat = "" if is_view or tensor.is_contiguous else _BY_LAYOUT
    return view_of(frame, tensor, "rearrange", node, caveat=caveat, is_contiguous=False), guard


def _repeated(frame: Frame, tensor: Tensor, pattern: str, guard: Guard, node: ast.AST) -> tuple[Value, Guard]:
    """Return what ``repeat`` gives: an expanded view, unless a new axis is put together with one that was there."""
    left, _, right = pattern.partition("->")
    given = {axis for axes in _groups(left) for axis in axes}
    groups = [[axis in given for axis in axes] for axes in _groups(right)]
    if all(map(all, groups)):
        return _rearranged(frame, tensor, pattern, guard, node)
    kept = " ".join(f"({' '.join(axis for axis in axes if axis in given)})" for axes in _groups(right))
    is_view = _is_view(f"{left}->{kept}")
    if is_view is False or any(any(axes) and not all(axes) for axes in groups):
        return _apply(frame, "torch.clone", tensor, node, label="repeat"), guard
    caveat = "" if is_view or tensor.is_contiguous else _BY_LAYOUT
    return view_of(frame, tensor, "repeat", node, caveat=caveat, is_contiguous=False), guard


def _apply(frame: Frame, dotted: str, value: Value, node: ast.AST, *, label: str = "rearrange") -> Value:
    operation = frame.machine.operation(dotted)
    assert operation is not None
    return apply(frame, operation, bind(operation, Arguments([value])), node, label=label)


@cache
def _is_view(pattern: str) -> bool | None:
    """Return whether a rearrangement copies nothing, by its pattern; None where the memory layout decides.

    Taking axes apart and changing their order copies nothing; putting together does, but for what stood together.
    """
    left, _, right = pattern.partition("->")
    given, order = _groups(left), " ".join(" ".join(axes) for axes in _groups(left))
    is_view: bool | None = True
    for axes in _groups(right):
        if len(axes) < 2 or axes in given:
            continue
        if f" {' '.join(axes)} " not in f" {order} ":
            return False
        is_view = None
    return is_view


def _groups(side: str) -> list[list[str]]:
    """Return the axes of one side of a pattern, those in parentheses together; ones stand for nothing."""
    found = [match[1].split() if match[1] is not None else [match[0]] for match in _AXES.finditer(side)]
    return [[axis for axis in axes if axis != "1"] for axes in found]
