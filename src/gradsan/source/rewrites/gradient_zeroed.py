"""``model.zero_grad()`` -> ``model.zero_grad(set_to_none=False)``: who shares the gradient goes on sharing it."""

from __future__ import annotations

import ast

from gradsan.model.rewrite import Applicability, Fix
from gradsan.model.span import Span
from gradsan.source.program import last_name
from gradsan.source.rewrites.editing import insert, locate, replace
from gradsan.source.targets import keyword_of

TITLE = "fill the gradients with zeros instead of dropping them"


def propose(span: Span) -> Fix | None:
    """Return the fix that lets a call of ``zero_grad`` fill the gradients with zeros instead of dropping them.

    Args:
        span: The call.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    call = node.value if isinstance(node, ast.Expr) else node
    if not isinstance(call, ast.Call) or last_name(call.func) != "zero_grad":
        return None
    flag = keyword_of(call, "set_to_none") or (call.args[0] if call.args else None)
    if flag is not None:
        edit = replace(span.path, program.region(flag), "False")
    else:
        line, column = program.region(call)[2:]
        edit = insert(span.path, line, column - 1, "set_to_none=False")
    return Fix(TITLE, Applicability.UNSAFE, (edit,))
