"""Which names carry a value from one iteration to the next: what is used before it is bound again.

# NOTE [Carried names] A name carries a value where the statement that uses it stands before the one that binds it, or
is that statement: in a loop for a variable, in a function that is called again for an attribute.  A name that is bound
above holds what this iteration computed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradsan.model.span import Span
from gradsan.source import program as parsed
from gradsan.source.program import Program, dotted_name


def carried_names(used: Span, made: Span | None, backward: Span | None = None) -> tuple[str, ...]:
    """Return the names by which a statement uses what an earlier iteration computed; none where that can't be told.

    Args:
        used: Where it is used.
        made: Where it was computed; None where that is not known.
        backward: Where the loss is differentiated: the loop there may hand the value to a function that uses it.
    """
    program = parsed.load(used.path)
    statement = None if program is None else _statement_at(program, used.line)
    if program is None or statement is None:
        return ()
    loop = _outermost_loop(program, statement)
    scope = loop or program.function_of(statement)
    bound = [] if scope is None else list(_bindings(scope))
    maker = _statement_at(program, made.line) if made is not None and made.path == used.path else None
    given = _given(maker, bound)
    names = [name for name in _read_by(statement) if name in given]
    names = [name for name in names if _is_carried(name, statement, bound, has_loop=loop is not None)]
    return tuple(names) or (() if backward is None else _handed_on(backward))


def _handed_on(backward: Span) -> tuple[str, ...]:
    """Return what the loop around a backward gives to a call that gives it back: ``out, state = net(x, state)``."""
    program = parsed.load(backward.path)
    statement = None if program is None else _statement_at(program, backward.line)
    loop = None if program is None or statement is None else _outermost_loop(program, statement)
    if loop is None:
        return ()
    bound = list(_bindings(loop))
    found = []
    for each in dict.fromkeys(each for _, each in bound):
        value = getattr(each, "value", None)
        given = [] if not isinstance(value, ast.Call) else [name for part in value.args for name in _read_by(part)]
        own = [name for name in given if (name, each) in bound]
        found.append(tuple(name for name in own if _is_carried(name, each, bound, has_loop=True)))
    told = [names for names in found if names]
    return told[0] if len(told) == 1 else ()


def _outermost_loop(program: Program, statement: ast.stmt) -> ast.AST | None:
    loops = list(program.loops_around(statement))
    return loops[-1] if loops else None


def _statement_at(program: Program, line: int) -> ast.stmt | None:
    roots = program.roots_at(line)
    return program.statement_of(roots[0]) if len(roots) == 1 else None


def _is_carried(name: str, user: ast.stmt, bound: list[tuple[str, ast.stmt]], *, has_loop: bool) -> bool:
    """Whether a name holds an earlier value where it is used; see NOTE [Carried names]."""
    if not has_loop and "." not in name:
        return False
    lines = [statement.lineno for each, statement in bound if each == name]
    return bool(lines) and min(lines) >= user.lineno


def _given(maker: ast.stmt | None, bound: list[tuple[str, ast.stmt]]) -> set[str]:
    """Return the names that a statement binds, and those that are bound to these in turn."""
    found = {name for name, statement in bound if statement is maker}
    for name, statement in bound:
        value = getattr(statement, "value", None)
        if value is not None and not isinstance(value, ast.Call) and found & set(_read_by(value)):
            found.add(name)
    return found


def _bindings(scope: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Yield each name that is bound in a scope, with the statement, in the order of lines."""
    for node in sorted((each for each in ast.walk(scope) if isinstance(each, ast.stmt)), key=lambda each: each.lineno):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            for each in ast.walk(target) if target is not None else ():
                if isinstance(each, (ast.Name, ast.Attribute)) and isinstance(each.ctx, ast.Store):
                    yield dotted_name(each), node


def _read_by(node: ast.AST) -> list[str]:
    """Return the names whose value a node reads, ``self.state`` and not ``self``; what is called is not meant."""
    name = dotted_name(node)
    if name:
        return [] if isinstance(getattr(node, "ctx", None), ast.Store) else [name]
    parts = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call):  # a method reads its owner: `self.state.mean()`
        owner = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        parts = [*owner, *node.args, *(keyword.value for keyword in node.keywords)]
    own = [dotted_name(node.target)] if isinstance(node, ast.AugAssign) else []
    return list(dict.fromkeys(filter(None, [*own, *(each for part in parts for each in _read_by(part))])))
