"""The source of expressions in standard form, as `ast.unparse` gives it, of the usual ones many times faster."""

from __future__ import annotations

import ast

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}


def spelled(node: ast.AST) -> str:
    """Return the source of an expression, in standard form."""
    return _usual(node) or ast.unparse(node)


def _usual(node: ast.AST) -> str:
    """Return the source of names, attributes, items, calls, and tests of these; empty for anything else."""
    match node:
        case ast.BoolOp(op=op, values=values):
            is_and = isinstance(op, ast.And)
            parts = [_part(value, at if is_and else at - 1) for at, value in enumerate(values)]
            return (" and " if is_and else " or ").join(parts) if all(parts) else ""
        case ast.UnaryOp(op=ast.Not(), operand=operand) if not isinstance(operand, ast.BoolOp):
            inner = _usual(operand)
            return f"not {inner}" if inner else ""
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            one, other = _atom(left), _atom(right)
            return f"{one} {_COMPARISONS[type(op)]} {other}" if one and other else ""
        case _:
            return _atom(node)


def _part(node: ast.AST, at: int) -> str:
    """Return the source of a part of a test; `ast.unparse` puts the later ones into parentheses."""
    inner = _usual(node) if not isinstance(node, ast.BoolOp) else ""
    is_closed = (isinstance(node, ast.UnaryOp) and at >= 1) or (isinstance(node, ast.Compare) and at >= 2)
    return f"({inner})" if inner and is_closed else inner


def _atom(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name() | ast.Attribute() | ast.Call() | ast.Subscript() as value, attr=name):
            holder = _atom(value)
            return f"{holder}.{name}" if holder else ""
        case ast.Constant(value=None | bool()):
            return str(node.value)
        case ast.Constant(value=int() | str() as value, kind=None):
            return repr(value)
        case ast.Call(func=function, args=arguments, keywords=[]):
            parts = [_atom(function), *map(_usual, arguments)]
            return f"{parts[0]}({', '.join(parts[1:])})" if all(parts) else ""
        case ast.Subscript(value=ast.Name() | ast.Attribute() | ast.Call() | ast.Subscript() as value, slice=index):
            holder, key = _atom(value), _usual(index)
            return f"{holder}[{key}]" if holder and key else ""
        case _:
            return ""
