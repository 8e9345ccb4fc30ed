"""Walking a syntax tree, where the standard library's way is what a check spends its time on."""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any, TypeAlias

_PLAIN = frozenset(
    [
        *("arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "level", "module", "name", "op"),
        *("rest", "simple", "str", "type_comment"),
    ]
)
"""Fields that hold no node, or one without fields.  Source: docs.python.org/3/library/ast.html, abstract grammar."""
_MIXED = frozenset(
    {ast.Dict, ast.Global, ast.MatchClass, ast.MatchMapping, ast.MatchSingleton, ast.Nonlocal, ast.arguments}
)
"""Classes whose fields hold other things than nodes as well."""
_Parts: TypeAlias = Callable[[ast.AST], Iterable[Any]]
_PARTS: dict[type[ast.AST], _Parts] = {ast.Constant: lambda _node: ()}


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all nodes below it, in no particular order; an outer one before those inside it."""
    stack = [node]
    while stack:
        inner = stack.pop()
        yield inner
        push_parts(inner, stack)


def walk_lines(node: ast.AST, lines: list[int]) -> Iterator[ast.AST]:
    """Yield what `walk` does, in its order, but for statements that stand on none of some lines, which are in order."""
    stack = [node]
    while stack:
        inner = stack.pop()
        if isinstance(inner, ast.stmt):
            decorators: list[ast.expr] = getattr(inner, "decorator_list", [])
            at = bisect_left(lines, decorators[0].lineno if decorators else inner.lineno)
            if at == len(lines) or lines[at] > (inner.end_lineno or inner.lineno):
                continue
        yield inner
        push_parts(inner, stack)


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Fields that hold statements, or what holds them."""


def targets_below(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what the statements below a node assign to; of what is unpacked each part."""
    stack = [node]
    while stack:
        inner = stack.pop()
        match inner:
            case ast.Assign(targets=targets):
                stack += targets
            case ast.AugAssign() | ast.AnnAssign():
                stack.append(inner.target)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                stack += parts
            case ast.Starred(value=part):
                stack.append(part)
            case ast.expr():
                yield inner
            case _:
                if isinstance(inner, (ast.For, ast.AsyncFor)):
                    stack.append(inner.target)
                elif isinstance(inner, (ast.With, ast.AsyncWith)):
                    stack += (item.optional_vars for item in inner.items if item.optional_vars is not None)
                for block in _BLOCKS:
                    stack += getattr(inner, block, ())


def push_parts(node: ast.AST, stack: list[ast.AST]) -> None:
    """Put the nodes directly below a node on a stack; contexts and operators are left out."""
    kind = node.__class__
    parts = _PARTS.get(kind)
    if parts is None:
        parts = _PARTS[kind] = _parts_of(kind)
    for part in parts(node):
        if part.__class__ is list:
            stack += part
        elif part is not None:
            stack.append(part)


def _parts_of(kind: type[ast.AST]) -> _Parts:
    """Return what reads the fields of a class that hold nodes, or lists of them."""
    names = [name for name in kind._fields if name not in _PLAIN]
    if kind in _MIXED or not names:
        return lambda node: [_sifted(getattr(node, name, None)) for name in names]
    read = attrgetter(*names)  # of a single name it gives no tuple
    return read if len(names) > 1 else lambda node: (read(node),)


def _sifted(part: object) -> object:
    """Return what of a field is a node, or a list of nodes."""
    if isinstance(part, list):
        return [item for item in part if isinstance(item, ast.AST)]
    return part if isinstance(part, ast.AST) else None
