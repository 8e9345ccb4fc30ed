"""``weight[0] = v`` -> the same under ``with torch.no_grad():``, where it sets a leaf's value and is no computation."""

from __future__ import annotations

import ast

from gradsan.model.rewrite import Applicability, Fix, Remedy
from gradsan.model.span import Span
from gradsan.source.program import Program, dotted_name
from gradsan.source.rewrites.editing import framework_name, imported, indentation, insert, locate, step_of
from gradsan.source.targets import written_by

TITLE = "keep the write off the tape"


def propose(span: Span) -> Fix | None:
    """Return the fix that puts the write's statement, and those just below that write the same, under ``no_grad``.

    A loop that does nothing else goes under it as a whole.

    Args:
        span: The write.

    Returns:
        None where the statement can't be indented as it stands.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    statement = program.statement_of(node)
    if statement is None or not _can_be_indented(program, statement):
        return None
    known = framework_name(program)
    framework, imports = (known, ()) if known else imported(program, "torch", span.path)
    last = _last_beside(program, statement)
    loop = _loop_of(program, statement, last)
    first, last = (statement, last) if loop is None else (loop, loop)
    blanks = indentation(program, first)
    step = step_of(program, blanks or "")
    lines = range(first.lineno, (last.end_lineno or last.lineno) + 1)
    head = insert(span.path, first.lineno, 1, f"{blanks}with {framework}.no_grad():\n{step}")
    rest = [insert(span.path, line, 1, step) for line in lines[1:] if program.lines[line - 1].strip()]
    return Fix(TITLE, Applicability.UNSAFE, (*imports, head, *rest), Remedy.OFF_TAPE)


def _can_be_indented(program: Program, statement: ast.stmt) -> bool:
    is_simple = isinstance(statement, (ast.Expr, ast.AugAssign, ast.Assign)) or _hands_back(program, statement)
    return is_simple and indentation(program, statement) is not None and not _holds_long_text(statement)


def _hands_back(program: Program, statement: ast.stmt) -> bool:
    """Whether a function returns what it wrote, and computes nothing after the write: ``return x.fill_(0)``."""
    value = statement.value if isinstance(statement, ast.Return) else None
    return isinstance(value, ast.Call) and written_by(program, value) is not None


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


def _loop_of(program: Program, first: ast.stmt, last: ast.stmt) -> ast.stmt | None:
    """Return the widest loop that does nothing but what these statements do, and drop the gradients used."""
    gradient = f"{_what_is_written(program, first)}.grad"
    loop, inner = None, [first, last]
    for around in program.enclosing(first):
        if not isinstance(around, (ast.For, ast.If)) or around.orelse or _holds_long_text(around):
            break
        rest = around.body[around.body.index(inner[-1]) + 1 :]
        if around.body[0] is not inner[0] or any(_what_is_set(program, each) != gradient for each in rest):
            break
        if isinstance(around, ast.For):
            if not _is_enumeration(around.iter) or indentation(program, around) is None:
                break
            loop = around
        inner = [around]
    return loop


def _is_enumeration(node: ast.expr) -> bool:
    """Whether what a loop runs over is at hand, ``zip(model.parameters(), grads)``: nothing is computed for it."""
    match node:
        case ast.Call(func=ast.Name(id="zip" | "enumerate" | "range" | "reversed" | "list"), args=given, keywords=[]):
            return all(_is_enumeration(each) for each in given)
        case ast.Call(func=ast.Attribute() as func, args=[], keywords=[]):
            return bool(dotted_name(func))
        case ast.Subscript(value=inner):
            return _is_enumeration(inner)
        case _:
            return isinstance(node, ast.Constant) or bool(dotted_name(node))


def _what_is_written(program: Program, statement: ast.stmt) -> str:
    target = written_by(program, statement)
    while isinstance(target, ast.Subscript):
        target = target.value
    return "" if target is None else ast.unparse(target)


def _what_is_set(program: Program, statement: ast.stmt) -> str:
    """Return what a statement writes or binds, ``p.grad`` of ``p.grad.zero_()`` and of ``p.grad = None``."""
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Attribute):
        return ast.unparse(statement.targets[0])
    return _what_is_written(program, statement)


def is_step(span: Span) -> bool:
    """Whether a write is a step along a gradient: it reads ``p.grad`` of what it writes, or what `autograd.grad` gave.

    Where that was asked for a gradient with a graph of its own, the step may be a part of the computation.
    """
    found = locate(span)
    statement = None if found is None else found[0].statement_of(found[1])
    target = None if found is None else written_by(found[0], found[1])
    if found is None or statement is None or target is None or not dotted_name(target):
        return False
    gradient = f"{dotted_name(target)}.grad"
    read = {dotted_name(n) for n in ast.walk(statement) if isinstance(n, (ast.Attribute, ast.Name))}
    scope = found[0].function_of(statement) or found[0].tree
    return gradient in read or not read.isdisjoint(_gradients_in(scope))


def _gradients_in(scope: ast.AST) -> set[str]:
    """Return the names that a function binds to gradients, one by one in a loop over them too."""
    names: set[str] = set()
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and any(map(_asks_for_gradients, ast.walk(node.value))):
            names |= {dotted_name(n) for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    for node in ast.walk(scope):
        match node:
            case ast.For(target=ast.Tuple(elts=each), iter=ast.Call(func=ast.Name(id="zip"), args=given)):
                pairs = zip(map(dotted_name, each), map(dotted_name, given), strict=False)
                names |= {name for name, source in pairs if source in names}
    return names


def _asks_for_gradients(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute() as func, keywords=keywords):
            has_graph = any(keyword.arg == "create_graph" for keyword in keywords)
            return dotted_name(func).endswith("autograd.grad") and not has_graph
        case _:
            return False


def _holds_long_text(statement: ast.stmt) -> bool:
    """Whether a literal text runs over several lines: indenting would mutate it."""
    return any(
        isinstance(node, (ast.Constant, ast.JoinedStr)) and (node.end_lineno or node.lineno) > node.lineno
        for node in ast.walk(statement)
        if not isinstance(node, ast.Constant) or isinstance(node.value, (str, bytes))
    )


__all__ = ["TITLE", "is_step", "propose"]
