"""``flat = h.detach()`` -> ``flat = h.detach().clone()``: what is written is a copy, and no part of the computation."""

from __future__ import annotations

import ast

from gradsan.model.rewrite import Applicability, Fix
from gradsan.model.span import Span
from gradsan.source.rewrites.editing import cloned, locate


def propose(span: Span) -> Fix | None:
    """Return the fix that makes an alias outside the graph a copy.

    Args:
        span: The expression that makes the alias.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    node = node.value if isinstance(node, (ast.Assign, ast.Return)) and node.value is not None else node
    if not isinstance(node, (ast.Call, ast.Attribute)):
        return None
    return Fix("write into a copy of the detached tensor", Applicability.UNSAFE, cloned(program, node, span.path))
