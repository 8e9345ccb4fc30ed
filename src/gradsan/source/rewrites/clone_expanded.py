"""``ones.expand_as(g)`` -> ``ones.expand_as(g).clone()``: each element has memory of its own, and may be written.

Where the name that is written is bound to it, once for all the writes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradsan.model.rewrite import Applicability, Fix
from gradsan.model.span import Span
from gradsan.source import program as parsed
from gradsan.source.program import Program, dotted_name, last_name
from gradsan.source.rewrites.clone_before_write import written_name
from gradsan.source.rewrites.editing import end_of, insert, locate

TITLE = "clone what is expanded"
_EXPANDS = frozenset({"expand", "expand_as", "broadcast_to"})


def propose_for(span: Span) -> Iterator[Fix]:
    """Yield the fix that clones what is expanded where the written name is bound to it.

    Args:
        span: The write, into ``rows`` where there is ``rows = ones.expand(3, 2)``; or into ``self.rows`` that the class
            binds so, as a buffer too.
    """
    found = locate(span)
    if found is None:
        return
    program, node = found
    name = written_name(program, node)
    scope = program.class_of(node) if name.startswith("self.") else program.function_of(node) or program.tree
    bound = [each for each in ast.walk(scope) if _is_bound_to(each, name)] if name and scope is not None else []
    made = [each for each in map(_value_of, bound) if isinstance(each, ast.Call) and last_name(each.func) in _EXPANDS]
    if len(made) == 1 == len(bound):
        yield Fix(TITLE, Applicability.UNSAFE, (insert(span.path, *end_of(program, made[0]), ".clone()"),))


def _is_bound_to(node: ast.AST, name: str) -> bool:
    """Whether a name is bound by an assignment to it alone, or by ``self.register_buffer``."""
    match node:
        case ast.Assign(targets=[target]):
            return dotted_name(target) == name
        case ast.Call(func=ast.Attribute(attr="register_buffer") as func, args=[ast.Constant(value=str(key)), *_]):
            return f"{dotted_name(func.value)}.{key}" == name
        case _:
            return False


def _value_of(node: ast.AST) -> ast.expr | None:
    match node:
        case ast.Assign(value=value) | ast.Call(args=[_, value, *_]):
            return value
        case _:
            return None


def propose(paths: Sequence[str]) -> Iterator[Fix]:
    """Yield a fix for each call that expands a tensor, which clones what it returns; which one it is has to be tried.

    Args:
        paths: Source files of the program, the likeliest first.
    """
    for path, program in parsed.load_all(paths):
        for node in ast.walk(program.tree):
            if isinstance(node, ast.Call) and last_name(node.func) in _EXPANDS and _is_kept(program, node):
                yield Fix(TITLE, Applicability.UNSAFE, (insert(path, *end_of(program, node), ".clone()"),))


def _is_kept(program: Program, call: ast.Call) -> bool:
    """Whether something may keep the result: no arithmetic, nor a copy, uses it up at once."""
    used_by = program.parent(call)
    if isinstance(used_by, ast.Attribute):
        return used_by.attr not in ("clone", "contiguous", "copy", "repeat")
    return not isinstance(used_by, (ast.BinOp, ast.Compare, ast.UnaryOp))


__all__ = ["TITLE", "propose", "propose_for"]
