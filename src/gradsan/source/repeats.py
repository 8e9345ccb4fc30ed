"""What runs again: a value that is saved in one round is overwritten in the next."""

from __future__ import annotations

import ast

from gradsan.source.flow.graph import Conflict
from gradsan.source.index import ModuleInfo
from gradsan.source.spans import line_of
from gradsan.source.walking import walk


def what_ran_again(conflict: Conflict) -> str:
    """Return what ran again between a save and a write that stands above it: a loop, or the function."""
    save, write = conflict.save.place, conflict.write.place
    if save.function != write.function or line_of(save.node) <= line_of(write.node):
        return ""
    first, last = line_of(write.node), line_of(save.node)
    is_loop = any(start <= first and last <= end for start, end in _loops_of(write.module))
    function = write.function.rpartition(".")[2]
    return "iteration of the loop" if is_loop else f"call of `{function}`"


def _loops_of(module: ModuleInfo) -> tuple[tuple[int, int], ...]:
    """Return the first and the last line of each loop of a module; remembered with it."""
    known = module.remembered.get(_loops_of)
    if not isinstance(known, tuple):
        loops = (node for node in walk(module.tree) if isinstance(node, (ast.For, ast.AsyncFor, ast.While)))
        known = tuple((loop.lineno, loop.end_lineno or loop.lineno) for loop in loops)
        module.remembered[_loops_of] = known
    return known
