"""Walking a syntax tree, where the standard library's way is what a check spends its time on."""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Iterator

_PLAIN = frozenset(
    {"arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "level", "module", "name", "op", "simple"}
)
"""Fields that hold no node, or one without fields.  Source: docs.python.org/3/library/ast.html, abstract grammar."""
_MIXED = frozenset({"keys", "kw_defaults", "kwd_attrs", "names"})
"""Fields whose lists hold other things than nodes as well."""
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {ast.Constant: ()}


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


def push_parts(node: ast.AST, stack: list[ast.AST]) -> None:
    """Put the nodes directly below a node on a stack; contexts and operators are left out."""
    kind = node.__class__
    fields = _FIELDS.get(kind)
    if fields is None:
        fields = _FIELDS[kind] = tuple(name for name in kind._fields if name not in _PLAIN)
    for name in fields:
        part = getattr(node, name, None)
        if part is None:
            continue
        if part.__class__ is list:
            stack += [item for item in part if isinstance(item, ast.AST)] if name in _MIXED else part
        elif isinstance(part, ast.AST):
            stack.append(part)
