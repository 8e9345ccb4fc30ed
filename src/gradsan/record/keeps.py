"""Where the source of a program keeps an attribute of a tensor by reference, and does not only compute with it."""

from __future__ import annotations

import ast
import linecache
from functools import lru_cache

_KEEPING_METHODS = frozenset({"append", "appendleft", "insert", "extend", "setdefault"})


def keeps(path: str, line: int, attribute: str) -> bool:
    """Return whether a line of a file gives an attribute of something to a variable, a list or a dict."""
    return line in _lines_that_keep(path, attribute)


@lru_cache(maxsize=256)
def _lines_that_keep(path: str, attribute: str) -> frozenset[int]:
    try:
        tree = ast.parse("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError):
        return frozenset()
    kept = (value for node in ast.walk(tree) for value in _kept_by(node))
    return frozenset(
        value.end_lineno or value.lineno for each in kept for value in _branches(each) if _is_read(value, attribute)
    )


def _kept_by(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.List(elts=values) | ast.Tuple(elts=values) | ast.Dict(values=values):
            return list(values)
        case ast.ListComp(elt=value) | ast.GeneratorExp(elt=value) | ast.DictComp(value=value):
            return [value]
        case ast.Assign(value=value) | ast.NamedExpr(value=value) | ast.Return(value=ast.expr() as value):
            return [value]
        case ast.Call(func=ast.Attribute(attr=method), args=arguments) if method in _KEEPING_METHODS:
            return list(arguments)
        case _:
            return []


def _branches(value: ast.expr) -> list[ast.expr]:
    return [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]


def _is_read(node: ast.expr, attribute: str) -> bool:
    """Whether an expression is the attribute, or an alias of its memory that PyTorch makes."""
    match node:
        case ast.Attribute(value=value, attr=name):
            return name == attribute or (name == "data" and _is_read(value, attribute))
        case ast.Call(func=ast.Attribute(value=value, attr="detach")):
            return _is_read(value, attribute)
        case _:
            return False
