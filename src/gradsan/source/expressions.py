"""What stands at a place of a program: the statement, the expression that did it, the tensor it wrote.

Every function answers for odd input too: an unreadable or unparsable file gives the span unchanged, an empty text,
or False.  Where the source leaves a choice, the answer is the wider one: never wrong rather than precise.
"""

from __future__ import annotations

import ast

from gradsan import knowledge
from gradsan.model.span import Span
from gradsan.source import program as parsed
from gradsan.source.performers import normalised, performers
from gradsan.source.program import Located, Program, Region, dotted_name, last_name
from gradsan.source.targets import is_module_name, written_by

_LONGEST = 48
"""Characters of source quoted in a sentence."""

_LOOSE = (ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Lambda, ast.NamedExpr, ast.Await, ast.Tuple)
"""Expressions that need parentheses beside an operator."""

_PRODUCTS = frozenset({"", "@", "matmul", "mm", "bmm", "mv", "dot", "addmm", "baddbmm", "einsum"})
"""What people call a product of matrices; any other name is that of a layer."""


def statement_at(path: str, line: int) -> Span | None:
    """Return the innermost simple statement, or compound statement's header, that covers a line.

    Several statements on one line are taken together.
    """
    program = parsed.load(path)
    return None if program is None else _statement_at(program, path, line)


def narrow(span: Span, operation: str) -> Span:
    """Return the smallest expression on a span's line that performs an operation.

    Args:
        span: Its end equals its start where only the line is known; any other span is returned as it is.
        operation: The framework's name: ``sigmoid``, ``mul``, ``add_``, ``__setitem__``; empty for the statement.

    Returns:
        The one expression that can be meant, else the statement.
    """
    if not is_line_only(span):
        return span
    program = parsed.load(span.path)
    statement = None if program is None else _statement_at(program, span.path, span.line)
    if program is None or statement is None:
        return span
    found = performers(program.roots_at(span.line), operation, span.line)
    region = program.region(found[0]) if len(found) == 1 else region_of(statement)
    return _placed(span.path, region, span.function)


def is_line_only(span: Span) -> bool:
    """Whether only the line of a span is known."""
    return (span.end_line, span.end_column) <= (span.line, span.column)


def region_of(span: Span) -> Region:
    """Return the four numbers of a span."""
    return span.line, span.column, span.end_line, span.end_column


def target_of(span: Span) -> str:
    """Return the source text of the tensor that is written at a span; empty where the source does not tell."""
    program = parsed.load(span.path)
    node = None if program is None else node_of(program, span)
    if program is None or node is None:
        return ""
    target = written_by(program, node)
    return "" if target is None else _quotable(program, target)


def called_at(span: Span, operation: str = "") -> str:
    """Return the last name of what the expression at a span calls, ``@`` for that operator; empty for anything else.

    Where several expressions of a statement may perform ``operation``, a name that speaks for all of them.
    """
    program = parsed.load(span.path)
    node = None if program is None else node_of(program, span)
    name = _name_of_call(node)
    if name or program is None or not operation:
        return name
    names = {_name_of_call(found) for found in performers(program.roots_at(span.line), operation, span.line)}
    return min(names, default="") if len(names) == 1 or not names & _PRODUCTS else ""


def arguments_at(span: Span) -> list[str]:
    """Return the names that the call at a span is given as positional arguments."""
    program = parsed.load(span.path)
    node = None if program is None else node_of(program, span)
    return [dotted_name(each) for each in node.args if dotted_name(each)] if isinstance(node, ast.Call) else []


def differentiated_at(span: Span) -> str:
    """Return the name of what a call of ``backward`` at a span differentiates; empty where it has none."""
    program = parsed.load(span.path)
    node = None if program is None else node_of(program, span)
    call = node.value if isinstance(node, ast.Expr) else node
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr != "backward":
        return ""
    return "" if program is None or is_module_name(program, call.func.value) else dotted_name(call.func.value)


def stepped_after(span: Span) -> str:
    """Return the name of the optimizer that steps next after a backward, in the same block; empty where none does."""
    program = parsed.load(span.path)
    node = None if program is None else node_of(program, span)
    statement = None if program is None or node is None else program.statement_of(node)
    if program is None or statement is None:
        return ""
    block = next((block for block in program.blocks_around(statement) if statement in block), [])
    for each in block[block.index(statement) + 1 :] if block else ():
        call = each.value if isinstance(each, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "step":
            return dotted_name(call.func.value)
    return ""


def only_reads(span: Span, operation: str) -> bool:
    """Whether the expression at a span performs an operation by a form that writes nothing: ``h * 2``, ``h.mul(2)``."""
    program = parsed.load(span.path)
    node = None if program is None else node_of(program, span)
    match node:
        case ast.BinOp() | ast.UnaryOp() | ast.Compare():
            return True
        case ast.Call():
            name = last_name(node.func)
            return normalised(name) == normalised(operation) and not knowledge.load().mutates(name)
        case _:
            return False


def _name_of_call(node: ast.AST | None) -> str:
    match node:
        case ast.Call():
            return last_name(node.func)
        case ast.BinOp(op=ast.MatMult()):
            return "@"
        case _:
            return ""


def given_at(span: Span, operation: str) -> str | None:
    """Return the source of what the write at a span is given: ``1`` in ``h += 1``, ``x, 2`` in ``h.clamp_(x, 2)``.

    None where the source does not tell, or where it is too long to quote.
    """
    program = parsed.load(span.path)
    node = None if program is None else node_of(program, span)
    if isinstance(node, ast.Expr):
        node = node.value
    if isinstance(node, ast.AugAssign):
        text = ast.unparse(node.value)
        text = f"({text})" if isinstance(node.value, _LOOSE) else text
    elif isinstance(node, ast.Call) and last_name(node.func) == operation and program is not None:
        is_function = not isinstance(node.func, ast.Attribute) or is_module_name(program, node.func.value)
        if not is_function and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call):
            return None  # a chain of writes
        text = ", ".join(map(ast.unparse, (*node.args[is_function:], *node.keywords)))
    else:
        return None
    return text if len(text) <= _LONGEST else None


def loop_around(path: str, line: int, other_line: int) -> bool:
    """Whether two lines stand in one loop of the same function."""
    program = parsed.load(path)
    if program is None:
        return False
    first, second = (_loops_at(program, number) for number in (line, other_line))
    return any(loop in second for loop in first)


def is_heading(span: Span) -> bool:
    """Whether only the line of a span is known, and a function begins there whose body stands below."""
    program = parsed.load(span.path) if is_line_only(span) else None
    return program is not None and any(
        min([node.lineno, *(each.lineno for each in node.decorator_list)]) <= span.line < node.body[0].lineno
        for node in ast.walk(program.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )


def function_of(path: str, line: int) -> str:
    """Return the qualified name of the function around a line, as Python spells it; ``<module>`` outside of any."""
    program = parsed.load(path)
    if program is None:
        return ""
    names: list[str] = []
    _name_scopes(program.tree.body, line, names)
    return "".join(names).removesuffix(".<locals>.").removesuffix(".") or "<module>"


def node_of(program: Program, span: Span) -> Located | None:
    """Return the node that stands at a span; for a span of which only the line is known, the line's one statement."""
    if not is_line_only(span):
        return program.node_at(span)
    roots = program.roots_at(span.line)
    return roots[0] if len(roots) == 1 and isinstance(roots[0], (ast.stmt, ast.expr)) else None


def _statement_at(program: Program, path: str, line: int) -> Span | None:
    regions = [program.region(root) for root in program.roots_at(line) if isinstance(root, (ast.stmt, ast.expr))]
    if not regions:
        return None
    start = min(region[:2] for region in regions)
    end = max(region[2:] for region in regions)
    return _placed(path, (*start, *end), function_of(path, line))


def _placed(path: str, region: Region, function: str) -> Span:
    return Span(path, *region, function)


def _loops_at(program: Program, line: int) -> list[ast.AST]:
    roots = program.roots_at(line)
    if not roots:
        return []
    loops = list(program.loops_around(roots[0]))
    # The `else` of a loop runs once, after it.
    return [loop for loop in loops if line <= _last_line_of_body(loop)]


def _last_line_of_body(loop: ast.AST) -> int:
    body = getattr(loop, "body", None)
    last = body[-1] if isinstance(body, list) else loop
    return getattr(last, "end_lineno", None) or 0


def _name_scopes(body: list[ast.stmt], line: int, names: list[str]) -> None:
    for statement in body:
        if not statement.lineno <= line <= (statement.end_lineno or statement.lineno):
            continue
        if isinstance(statement, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if line < statement.body[0].lineno:
                return
            is_class = isinstance(statement, ast.ClassDef)
            names.append(f"{statement.name}." if is_class else f"{statement.name}.<locals>.")
        for block in parsed.blocks_of(statement):
            _name_scopes(block, line, names)


def _quotable(program: Program, node: Located) -> str:
    text = program.source(node)
    if "\n" in text:
        text = ast.unparse(node)
    text = " ".join(text.split())
    if len(text) > _LONGEST and isinstance(node, ast.Subscript):
        text = f"{_quotable(program, node.value)}[...]"
    if len(text) > _LONGEST and isinstance(node, ast.Call):
        text = f"{_quotable(program, node.func)}(...)"
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3].rstrip() + "..."


__all__ = [
    "arguments_at",
    "called_at",
    "differentiated_at",
    "function_of",
    "given_at",
    "is_line_only",
    "loop_around",
    "narrow",
    "node_of",
    "only_reads",
    "statement_at",
    "stepped_after",
    "target_of",
]
