"""``for h in state: h.detach_()`` -> ``state = state.detach()``: the parts can't be cut in place, the whole can."""

from __future__ import annotations

import ast

from gradsan.model.rewrite import Applicability, Fix
from gradsan.model.span import Span
from gradsan.source.rewrites.editing import is_repeatable, locate, replace

TITLE = "cut the tensor that the views are parts of"


def propose(span: Span) -> Fix | None:
    """Return the fix that detaches what a loop takes apart.

    Args:
        span: The call of `detach_` in the loop.

    Returns:
        None where the loop does anything else, or where what it runs over can't be assigned to.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    loop = next((each for each in program.loops_around(node) if isinstance(each, ast.For)), None)
    if loop is None or loop.orelse or not _only_detaches(loop) or not is_repeatable(loop.iter):
        return None
    text = program.source(loop.iter)
    return Fix(TITLE, Applicability.UNSAFE, (replace(span.path, program.region(loop), f"{text} = {text}.detach()"),))


def _only_detaches(loop: ast.For) -> bool:
    match loop:
        case ast.For(
            target=ast.Name(id=part),
            body=[ast.Expr(value=ast.Call(func=ast.Attribute(attr="detach_", value=ast.Name(id=cut))))],
        ):
            return part == cut
        case _:
            return False


__all__ = ["TITLE", "propose"]
