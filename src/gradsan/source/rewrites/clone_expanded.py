"""``ones.expand_as(g)`` -> ``ones.expand_as(g).clone()``: each element has memory of its own, and may be written."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradsan.model.rewrite import Applicability, Fix
from gradsan.source import program as parsed
from gradsan.source.program import Program, last_name
from gradsan.source.rewrites.editing import end_of, insert

TITLE = "clone what is expanded"
_EXPANDS = frozenset({"expand", "expand_as", "broadcast_to"})


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


__all__ = ["TITLE", "propose"]
