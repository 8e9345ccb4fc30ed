"""``params[i].add_(g)`` -> ``params[i] = params[i].add(g)``: the list gets a new tensor, the old one stays.

Where what is indexed is a tensor, the assignment writes into it as before.
"""

from __future__ import annotations

import ast

from gradsan.model.rewrite import Applicability, Edit, Fix
from gradsan.model.span import Span
from gradsan.source.program import Program
from gradsan.source.rewrites.editing import between, insert, locate, out_of_place_twin, replace, start_of
from gradsan.source.rewrites.operator_write import needs_parentheses

TITLE = "put a new tensor in its place"


def propose(span: Span) -> Fix | None:
    """Return the fix that assigns a new tensor to the item.

    Args:
        span: The write, ``params[i].add_(g)`` or ``params[i] -= lr * g``.

    Returns:
        None where what is written is no item of a named container, or where its index may not be read twice.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    statement = program.statement_of(node)
    match statement:
        case ast.AugAssign(target=ast.Subscript() as item) if _is_plain(item):
            edits = _of_operator(program, statement, item, span.path)
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Subscript() as item)) as call) if _is_plain(item):
            edits = _of_call(program, call, item, span.path)
        case _:
            return None
    return Fix(TITLE, Applicability.UNSAFE, edits) if edits else None


def _of_operator(program: Program, node: ast.AugAssign, item: ast.Subscript, path: str) -> tuple[Edit, ...]:
    text = program.source(item)
    operator = between(program, node.target, node.value).partition("=")[0].strip()
    value = program.text_at((*start_of(program, node.value), *program.region(node)[2:]))
    if "\n" in text or "#" in operator or "(" in operator or _starts_before(program, node):
        return ()
    if needs_parentheses(program, node):
        value = f"({value})"
    return (replace(path, program.region(node), f"{text} = {text} {operator} {value}"),)


def _of_call(program: Program, call: ast.Call, item: ast.Subscript, path: str) -> tuple[Edit, ...]:
    func = call.func
    twin = out_of_place_twin(func.attr) if isinstance(func, ast.Attribute) else ""
    text = program.source(item)
    if not twin or not isinstance(func, ast.Attribute) or "\n" in text:
        return ()
    _, _, line, column = program.region(func)
    name = Edit(path, line, column - len(func.attr), line, column, twin)
    return insert(path, *start_of(program, call), f"{text} = "), name


def _starts_before(program: Program, node: ast.AugAssign) -> bool:
    """Whether parentheses stand around the value, which its own region leaves out."""
    return "(" in between(program, node.target, node.value)


def _is_plain(item: ast.Subscript) -> bool:
    """Whether an item's container has a name and its index can be read twice."""
    if any(isinstance(node, (ast.Call, ast.NamedExpr, ast.Await, ast.Slice)) for node in ast.walk(item.slice)):
        return False
    container = item.value
    while isinstance(container, ast.Attribute):
        container = container.value
    return _is_plain(container) if isinstance(container, ast.Subscript) else isinstance(container, ast.Name)


__all__ = ["TITLE", "propose"]
