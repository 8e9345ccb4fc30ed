"""``torch._foreach_mul_(xs, 2)`` -> ``xs[:] = torch._foreach_mul(xs, 2)``: new tensors in the same list."""

from __future__ import annotations

import ast

from gradsan import knowledge
from gradsan.model.rewrite import Applicability, Fix
from gradsan.model.span import Span
from gradsan.source.program import dotted_name, last_name
from gradsan.source.rewrites.editing import insert, locate, replace

TITLE = "put new tensors in the list"
_NO_TWIN = ("_foreach_copy_", "_foreach_zero_")
"""Their twins exist for the compiler only.  Source: `hasattr(torch, name)`, torch 2.13.0."""


def propose(span: Span) -> Fix | None:
    """Return the fix that makes a function which writes a list of tensors return others.

    Args:
        span: The write.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    call = node.value if isinstance(node, ast.Expr) else node
    if not isinstance(call, ast.Call) or not isinstance(program.parent(call), ast.Expr) or not call.args:
        return None
    name, written = last_name(call.func), dotted_name(call.args[0])
    twin = name[:-1]
    is_known = name.startswith("_foreach_") and name.endswith("_") and knowledge.load().lookup(twin) is not None
    is_known = is_known and name not in _NO_TWIN
    if not is_known or not written or not isinstance(call.func, ast.Attribute):
        return None
    line, column, end_line, end_column = program.region(call.func)
    renamed = replace(span.path, (end_line, end_column - len(name), end_line, end_column), twin)
    return Fix(TITLE, Applicability.UNSAFE, (insert(span.path, line, column, f"{written}[:] = "), renamed))
