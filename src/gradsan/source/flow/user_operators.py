"""Operators, items and conversions of the project's own classes: their special methods."""

from __future__ import annotations

import ast

from gradsan.source.flow.machine import Arguments, Frame, call
from gradsan.source.flow.values import Function, Instance, Value
from gradsan.source.hierarchy import find_member
from gradsan.source.index import FunctionInfo

_NAMES: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "truediv",
    ast.MatMult: "matmul",
    ast.Pow: "pow",
    ast.Mod: "mod",
    ast.FloorDiv: "floordiv",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
}
"""Source: the Python language reference, section Emulating numeric types."""


def operator_methods(op: type[ast.operator], *kinds: str) -> set[str]:
    """Return the special methods of an operator, of the kinds ``r`` (reflected), ``i`` (in place) and neither."""
    name = _NAMES.get(op)
    return {f"__{kind}{name}__" for kind in kinds} if name is not None else set()


def item_method(context: ast.expr_context) -> str:
    """Return the special method that reads or sets an item; empty for one that is deleted."""
    if isinstance(context, ast.Load):
        return "__getitem__"
    return "__setitem__" if isinstance(context, ast.Store) else ""


def special_method(frame: Frame, value: Value, name: str, arguments: list[Value], node: ast.AST) -> Value | None:
    """Call a special method of an object; None where its class has none in the project."""
    if not isinstance(value, Instance):
        return None
    found = find_member(frame.machine.project, value.info, name)
    if found is None or not isinstance(found[1], FunctionInfo):
        return None
    return call(frame, Function(found[1], None, value), Arguments(arguments), node)


def operate(frame: Frame, left: Value, right: Value, op: ast.operator, node: ast.AST) -> Value | None:
    """Return ``left op right`` where one of them is an object that says what that means; None elsewhere."""
    name = _NAMES.get(type(op), "")
    result = special_method(frame, left, f"__{name}__", [right], node)
    return result if result is not None else special_method(frame, right, f"__r{name}__", [left], node)


def operate_in_place(frame: Frame, left: Value, right: Value, op: ast.operator, node: ast.AST) -> Value | None:
    """Return what ``left op= right`` makes of an object that says so; None elsewhere."""
    result = special_method(frame, left, f"__i{_NAMES.get(type(op), '')}__", [right], node)
    return result if result is not None else operate(frame, left, right, op, node)
