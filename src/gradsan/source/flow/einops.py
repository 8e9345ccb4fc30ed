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
_BY_LAYOUT = "`rearrange` returns a view where the memory layout allows it"


def call_einops(frame: Frame, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """Call what einops offers by a name.

    Source: einops/einops.py, _apply_recipe (0.8.1): a reshape, a transposition, and a second reshape.
    """
    if name == "layers.torch.Rearrange" and arguments.positional:
        return Partial(External("einops.rearrange"), [], {"pattern": arguments.positional[0]})
    value, pattern = arguments.get(0, "tensor"), arguments.get(1, "pattern")
    if name == "rearrange" and value is not None and isinstance(pattern, Const):
        if isinstance(value, Sequence):
            return _apply(frame, "torch.stack", value, node)
        found = tensors_of(frame, value, is_sure=False)
        if found:
            return join([_rearranged(frame, tensor, str(pattern.value), guard, node) for tensor, guard in found])
    return opaque_call(frame, Opaque(), arguments, node)


def _rearranged(frame: Frame, tensor: Tensor, pattern: str, guard: Guard, node: ast.AST) -> tuple[Value, Guard]:
    is_view = _is_view(pattern)
    if is_view is False:
        return _apply(frame, "torch.clone", tensor, node), guard
    caveat = "" if is_view or tensor.is_contiguous else _BY_LAYOUT
    return view_of(frame, tensor, "rearrange", node, caveat=caveat, is_contiguous=False), guard


def _apply(frame: Frame, dotted: str, value: Value, node: ast.AST) -> Value:
    operation = frame.machine.operation(dotted)
    assert operation is not None
    return apply(frame, operation, bind(operation, Arguments([value])), node, label="rearrange")


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
