"""``weight[0] = v`` -> the same under ``with torch.no_grad():``, where it sets a leaf's value and is no computation."""

from __future__ import annotations

import ast

from gradsan.model.rewrite import Applicability, Fix, Remedy
from gradsan.model.span import Span
from gradsan.source.program import Program, dotted_name
from gradsan.source.rewrites.editing import framework_name, indentation, insert, locate
from gradsan.source.targets import written_by

TITLE = "keep the write off the tape"
_STEP = "    "


def propose(span: Span) -> Fix | None:
    """Return the fix that puts the write's statement, and those just below that write the same, under ``no_grad``.

    Args:
        span: The write.

    Returns:
        None where the statement can't be indented as it stands, or where the file does not know the framework.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    statement = program.statement_of(node)
    framework = framework_name(program)
    if statement is None or not framework or not _can_be_indented(program, statement):
        return None
    blanks = indentation(program, statement)
    last = _last_beside(program, statement)
    lines = range(statement.lineno, (last.end_lineno or last.lineno) + 1)
    head = insert(span.path, statement.lineno, 1, f"{blanks}with {framework}.no_grad():\n{_STEP}")
    rest = [insert(span.path, line, 1, _STEP) for line in lines[1:] if program.lines[line - 1].strip()]
    return Fix(TITLE, Applicability.UNSAFE, (head, *rest), Remedy.OFF_TAPE)


def _can_be_indented(program: Program, statement: ast.stmt) -> bool:
    is_simple = isinstance(statement, (ast.Expr, ast.AugAssign, ast.Assign))
    return is_simple and indentation(program, statement) is not None and not _holds_long_text(statement)


def _last_beside(program: Program, statement: ast.stmt) -> ast.stmt:
    """Return the last of the statements that follow one another and write what the first one writes."""
    name = _what_is_written(program, statement)
    block = next((block for block in program.blocks_around(statement) if statement in block), [statement])
    last = statement
    for after in block[block.index(statement) + 1 :]:
        if not _can_be_indented(program, after) or not name or _what_is_written(program, after) != name:
            break
        last = after
    return last


def _what_is_written(program: Program, statement: ast.stmt) -> str:
    target = written_by(program, statement)
    while isinstance(target, ast.Subscript):
        target = target.value
    return "" if target is None else ast.unparse(target)


def is_step(span: Span) -> bool:
    """Whether a write is a step down a gradient, ``p -= lr * p.grad``: it reads the gradient of what it writes."""
    found = locate(span)
    statement = None if found is None else found[0].statement_of(found[1])
    target = None if found is None else written_by(found[0], found[1])
    if found is None or statement is None or target is None or not dotted_name(target):
        return False
    gradient = f"{dotted_name(target)}.grad"
    return any(isinstance(n, ast.Attribute) and dotted_name(n) == gradient for n in ast.walk(statement))


def _holds_long_text(statement: ast.stmt) -> bool:
    """Whether a literal text runs over several lines: indenting would mutate it."""
    return any(
        isinstance(node, (ast.Constant, ast.JoinedStr)) and (node.end_lineno or node.lineno) > node.lineno
        for node in ast.walk(statement)
        if not isinstance(node, ast.Constant) or isinstance(node.value, (str, bytes))
    )


__all__ = ["TITLE", "is_step", "propose"]
