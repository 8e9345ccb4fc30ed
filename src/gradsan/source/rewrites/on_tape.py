"""``h.data.mul_(mask)`` -> ``h.mul_(mask)``, and a write under ``no_grad`` -> the same outside: it is recorded."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradsan.model.rewrite import Applicability, Edit, Fix
from gradsan.model.span import Span
from gradsan.source.program import Program, blocks_of, dotted_name
from gradsan.source.rewrites.editing import end_of, framework_name, locate
from gradsan.source.targets import written_by

TITLE = "record the write"


def propose(span: Span) -> Iterator[Fix]:
    """Yield the fixes that let the graph know of a write: each takes away what hides it.

    Args:
        span: The write, into a value whose gradient flows.
    """
    found = locate(span)
    if found is None:
        return
    program, node = found
    for edits in (_without_data(program, node, span.path), _without_no_grad(program, node, span.path)):
        if edits:
            yield Fix(TITLE, Applicability.UNSAFE, edits)


def _without_data(program: Program, node: ast.AST, path: str) -> tuple[Edit, ...]:
    """Take ``.data`` out of what names the written tensor."""
    statement = program.statement_of(node)
    target = None if statement is None else written_by(program, statement)
    stored = statement.targets[0] if isinstance(statement, ast.Assign) else None
    for expression in (target, stored):
        for part in () if expression is None else ast.walk(expression):
            if isinstance(part, ast.Attribute) and part.attr == "data" and dotted_name(part.value) != "self":
                return (Edit(path, *end_of(program, part.value), *end_of(program, part), ""),)
    return ()


def _without_no_grad(program: Program, node: ast.AST, path: str) -> tuple[Edit, ...]:
    """Take away the ``with torch.no_grad():`` around a write, where it encloses nothing but writes."""
    for around in program.enclosing(node):
        if isinstance(around, ast.With) and all(_is_no_grad(program, item.context_expr) for item in around.items):
            return _dedented(program, around, path) if _only_writes(program, around.body) else ()
        if isinstance(around, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return ()
    return ()


def _only_writes(program: Program, body: list[ast.stmt]) -> bool:
    """Whether a block computes nothing that is used outside of it: that may be meant to have no gradient."""
    for statement in body:
        blocks = blocks_of(statement)
        if not all(_only_writes(program, block) for block in blocks):
            return False
        if not blocks and written_by(program, statement) is None:
            return False
    return True


def _is_no_grad(program: Program, node: ast.expr) -> bool:
    name = dotted_name(node.func if isinstance(node, ast.Call) else node)
    origin = program.imports.get(name, "")
    return name == f"{framework_name(program) or 'torch'}.no_grad" or origin == "torch.no_grad"


def _dedented(program: Program, block: ast.With, path: str) -> tuple[Edit, ...]:
    """Return the edits that put a block's body in its place; none where a text runs over several of its lines."""
    first, last = block.body[0], block.end_lineno or block.lineno
    n_more = first.col_offset - block.col_offset
    if first.lineno == block.lineno or n_more <= 0 or _holds_long_text(block):
        return ()
    head = Edit(path, block.lineno, 1, first.lineno, 1, "")
    lines = [n for n in range(first.lineno, last + 1) if not program.lines[n - 1][:n_more].strip()]
    if len(lines) != last + 1 - first.lineno:
        return ()
    return head, *(Edit(path, n, 1, n, 1 + min(n_more, len(program.lines[n - 1])), "") for n in lines)


def _holds_long_text(block: ast.With) -> bool:
    return any(
        isinstance(node, (ast.Constant, ast.JoinedStr)) and (node.end_lineno or 0) > node.lineno
        for node in ast.walk(block)
    )


__all__ = ["TITLE", "propose"]
