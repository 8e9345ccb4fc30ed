"""``a, b = x.chunk(2)`` -> ``a, b = [part.clone() for part in x.chunk(2)]``: each part is then a tensor of its own."""

from __future__ import annotations

import ast

from gradsan.model.rewrite import Applicability, Fix
from gradsan.model.span import Span
from gradsan.source.program import Program
from gradsan.source.rewrites.editing import insert, locate, start_of


def propose(span: Span) -> Fix | None:
    """Return the fix that clones each of several views where they are taken apart.

    Args:
        span: The call that returned the views, or the header of the loop that takes a tensor apart.

    Returns:
        None where the views are neither unpacked nor iterated over: what is done with them isn't known.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    views = _views(program, node)
    if views is None:
        return None
    edits = (
        insert(span.path, *start_of(program, views), "[part.clone() for part in "),
        insert(span.path, *program.region(views)[2:], "]"),
    )
    return Fix("clone the views where they are made", Applicability.UNSAFE, edits)


def _views(program: Program, node: ast.AST) -> ast.expr | None:
    """Return the expression that gives the views."""
    match node:
        case ast.Assign(targets=[ast.Tuple() | ast.List()]):
            return node.value
        case ast.For():
            return node.iter
        case ast.expr():
            parent = program.parent(node)
            if isinstance(parent, ast.For) and parent.iter is node:
                return node
            if isinstance(parent, ast.Assign) and parent.value is node:
                return node if isinstance(parent.targets[0], (ast.Tuple, ast.List)) else None
            return None
        case _:
            return None
