"""``ctx.mark_dirty(x)`` -> ``x = x.clone()`` at the head of ``forward``: what is written is the Function's own."""

from __future__ import annotations

import ast

from gradsan.model.rewrite import Applicability, Edit, Fix
from gradsan.model.span import Span
from gradsan.source.program import last_name
from gradsan.source.rewrites.editing import indentation, insert, locate


def propose(span: Span) -> Fix | None:
    """Return the fix that lets a custom Function write into clones of what it marks, and drops the mark.

    Args:
        span: The call of ``mark_dirty``.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    statement, function = program.statement_of(node), program.function_of(node)
    if not isinstance(statement, ast.Expr) or not isinstance(function, ast.FunctionDef):
        return None
    call, first = statement.value, _first(function)
    if not isinstance(call, ast.Call) or last_name(call.func) != "mark_dirty" or statement not in function.body:
        return None
    names = [each.id for each in call.args if isinstance(each, ast.Name)]
    blanks = indentation(program, first)
    if not names or len(names) != len(call.args) or blanks is None or indentation(program, statement) is None:
        return None
    clones = "".join(f"{blanks}{name} = {name}.clone()\n" for name in names)
    following = (statement.end_lineno or statement.lineno) + 1
    mark = Edit(span.path, statement.lineno, 1, following, 1, clones if first is statement else "")
    edits = (mark,) if first is statement else (insert(span.path, first.lineno, 1, clones), mark)
    return Fix("write into a clone, and drop the mark", Applicability.UNSAFE, edits)


def _first(function: ast.FunctionDef) -> ast.stmt:
    """Return the first statement of a function that is no docstring."""
    body = function.body
    is_text = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    return body[1] if is_text and len(body) > 1 else body[0]
