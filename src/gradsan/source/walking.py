"""Walking a syntax tree, where the standard library's way is what a check spends its time on."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all nodes below it, in no particular order; an outer one before those inside it."""
    stack = [node]
    while stack:
        inner = stack.pop()
        yield inner
        for name in inner._fields:
            part = getattr(inner, name, None)
            if part.__class__ is list:
                stack += [item for item in part if isinstance(item, ast.AST)]
            elif isinstance(part, ast.AST) and part._fields:
                stack.append(part)
