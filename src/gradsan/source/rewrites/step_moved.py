"""``optimizer.step()`` before ``loss.backward()`` -> after it, where both stand in one block."""

from __future__ import annotations

import ast

from gradsan.model.rewrite import Applicability, Edit, Fix
from gradsan.model.span import Span
from gradsan.source.program import Program, blocks_of
from gradsan.source.rewrites.editing import indentation, insert, locate


def propose(step: Span, backward: Span) -> Fix | None:
    """Return the fix that moves an optimizer's step behind the backward that needs the old values.

    Args:
        step: The call that updates the parameters.
        backward: The call that needs what they were.

    Returns:
        None where the two don't stand in one block, in this order, a line each.
    """
    first, second = locate(step), locate(backward)
    if first is None or second is None or step.path != backward.path:
        return None
    program = first[0]
    moved, after = program.statement_of(first[1]), program.statement_of(second[1])
    if moved is None or after is None or not _are_in_order(program, moved, after):
        return None
    if indentation(program, moved) is None or indentation(program, after) is None or not isinstance(moved, ast.Expr):
        return None
    last, end = moved.end_lineno or moved.lineno, after.end_lineno or after.lineno
    if end >= len(program.lines):
        return None
    text = "\n".join(program.lines[moved.lineno - 1 : last]) + "\n"
    edits = (Edit(step.path, moved.lineno, 1, last + 1, 1, ""), insert(step.path, end + 1, 1, text))
    return Fix("move the step behind the backward", Applicability.UNSAFE, edits)


def _are_in_order(program: Program, first: ast.stmt, second: ast.stmt) -> bool:
    owner = program.parent(first)
    if owner is None or owner is not program.parent(second):
        return False
    blocks = [owner.body] if isinstance(owner, ast.Module) else blocks_of(owner) if isinstance(owner, ast.stmt) else []
    return any(first in block and second in block and block.index(first) < block.index(second) for block in blocks)
