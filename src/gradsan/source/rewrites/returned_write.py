"""``grad.mul_(2)`` at the end of a hook -> ``return grad.mul(2)``: who calls a hook takes what it returns."""

from __future__ import annotations

import ast

from gradsan.model.rewrite import Applicability, Edit, Fix
from gradsan.model.span import Span
from gradsan.source.program import Program
from gradsan.source.rewrites import out_of_place
from gradsan.source.rewrites.editing import locate
from gradsan.source.targets import written_by

TITLE = "return a new tensor from the hook"


def propose(span: Span) -> Fix | None:
    """Return the fix that returns a new tensor in place of a write into an argument.

    Args:
        span: The write, in the last statement of a function that returns nothing.

    Returns:
        None for any other function.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    statement, target, function = program.statement_of(node), written_by(program, node), program.function_of(node)
    if not isinstance(function, ast.FunctionDef) or not isinstance(target, ast.Name) or statement is None:
        return None
    fix = out_of_place.propose(span) if _is_written_last(program, function, statement, target.id) else None
    head = f"{target.id} = "
    if fix is None or not any(edit.replacement.startswith(head) for edit in fix.edits):
        return None
    return Fix(TITLE, Applicability.UNSAFE, tuple(_returned(edit, head) for edit in fix.edits))


def _returned(edit: Edit, head: str) -> Edit:
    if not edit.replacement.startswith(head):
        return edit
    text = f"return {edit.replacement[len(head) :]}"
    return Edit(edit.path, edit.line, edit.column, edit.end_line, edit.end_column, text)


def _is_written_last(program: Program, function: ast.FunctionDef, statement: ast.stmt, name: str) -> bool:
    returns = [n for n in ast.walk(function) if isinstance(n, ast.Return) and program.function_of(n) is function]
    is_argument = any(argument.arg == name for argument in function.args.args)
    return is_argument and function.body[-1] is statement and not any(each.value is not None for each in returns)


__all__ = ["TITLE", "propose"]
