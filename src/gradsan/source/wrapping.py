"""Functions that a decorator of the project stands around."""

from __future__ import annotations

import ast

from gradsan.source.index import FunctionInfo, dotted_name
from gradsan.source.project import Project
from gradsan.source.walking import walk
from gradsan.source.writing import may_write, spells_write


def wraps_and_writes(project: Project, info: FunctionInfo) -> bool:
    """Return whether a decorator of the project may mutate what a function takes or returns."""
    for node in getattr(info.node, "decorator_list", ()):
        name = dotted_name(node.func if isinstance(node, ast.Call) else node)
        found = project.lookup(info.module, name) if name else None
        if isinstance(found, FunctionInfo) and found is not info:
            lines = found.module.lines[found.node.lineno - 1 : found.node.end_lineno]
            if spells_write("\n".join(lines)) and may_write(walk(found.node), has_backward=False):
                return True
    return False
