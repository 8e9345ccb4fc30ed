"""Names that only borrow a tensor: a new tensor under such a name does not reach whoever holds the old one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradsan.model.span import Span
from gradsan.source.program import Program, arguments_of, dotted_name
from gradsan.source.rewrites.editing import locate
from gradsan.source.targets import written_by


def is_borrowed(span: Span) -> bool:
    """Whether what is written has a name that its function binds to an attribute of something, and to nothing else.

    ``mean = getattr(module, "mean")`` and ``mean = self.mean`` read what the module goes on holding.
    """
    found = _name_of(span)
    if found is None:
        return False
    _, function, name = found
    bound = [each for each in _bindings(function, name) if not isinstance(each, ast.AugAssign)]
    values = [each.value for each in bound if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name)]
    is_all = bool(values) and len(values) == len(bound) and name not in arguments_of(function)
    return is_all and all(_is_attribute(value) for value in values)


def is_lost_argument(span: Span) -> bool:
    """Whether what is written is an argument of its function that nothing reads afterwards, but to write it further."""
    found = _name_of(span)
    if found is None:
        return False
    program, function, name = found
    if name not in arguments_of(function) or any(not isinstance(n, ast.AugAssign) for n in _bindings(function, name)):
        return False
    statement = next((n for n in ast.walk(function) if isinstance(n, ast.stmt) and n.lineno == span.line), function)
    again = {id(node) for loop in program.loops_around(statement) for node in ast.walk(loop)}
    reads = [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == name]
    after = [node for node in reads if node.lineno >= span.line or id(node) in again]
    return all(_is_written_there(program, node, name) for node in after)


def _name_of(span: Span) -> tuple[Program, ast.FunctionDef, str] | None:
    found = locate(span)
    target = None if found is None else written_by(*found)
    function = None if found is None else found[0].function_of(found[1])
    if found is None or not isinstance(target, ast.Name) or not isinstance(function, ast.FunctionDef):
        return None
    return found[0], function, target.id


def _bindings(function: ast.FunctionDef, name: str) -> Iterator[ast.AST]:
    """Yield the statements and other places that bind a name."""
    for node in ast.walk(function):
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.NamedExpr, ast.comprehension)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(n, ast.Name) and n.id == name for each in targets for n in _unpacked(each)):
                yield node
        elif isinstance(node, ast.withitem) and name in map(dotted_name, ast.walk(node.optional_vars or node)):
            yield node


def _unpacked(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, (ast.Tuple, ast.List)):
        for each in target.elts:
            yield from _unpacked(each)
    else:
        yield target.value if isinstance(target, ast.Starred) else target


def _is_attribute(value: ast.expr) -> bool:
    match value:
        case ast.Call(func=ast.Name(id="getattr")):
            return True
        case ast.Attribute():
            return bool(dotted_name(value))
        case _:
            return False


def _is_written_there(program: Program, node: ast.Name, name: str) -> bool:
    """Whether a name stands where a statement does nothing but write it."""
    statement = program.statement_of(node)
    if not isinstance(statement, (ast.Expr, ast.AugAssign)):
        return False
    target = written_by(program, statement)
    named = [each for each in ast.walk(statement) if isinstance(each, ast.Name) and each.id == name]
    return isinstance(target, ast.Name) and target.id == name and len(named) == 1
