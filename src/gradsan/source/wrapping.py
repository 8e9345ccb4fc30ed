"""Functions that a decorator of the project stands around."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradsan.source.index import FunctionInfo, dotted_name
from gradsan.source.project import Project
from gradsan.source.walking import walk
from gradsan.source.writing import may_write, spells_write


def wraps_and_writes(project: Project, info: FunctionInfo) -> bool:
    """Return whether a decorator of the project may mutate what a function takes or returns."""
    return any(
        spells_write(text) and may_write(walk(found.node), has_backward=False) for found, text in _own(project, info)
    )


def wraps_and_switches(project: Project, info: FunctionInfo) -> bool:
    """Return whether a decorator of the project sets the gradient mode of a function, as those of optimizers do."""
    return any("set_grad_enabled(" in text or "no_grad(" in text for _, text in _own(project, info))


def _own(project: Project, info: FunctionInfo) -> Iterator[tuple[FunctionInfo, str]]:
    """Yield the decorators of a function that the project defines, and their text."""
    for node in getattr(info.node, "decorator_list", ()):
        name = dotted_name(node.func if isinstance(node, ast.Call) else node)
        found = project.lookup(info.module, name) if name else None
        if isinstance(found, FunctionInfo) and found is not info:
            yield found, "\n".join(found.module.lines[found.node.lineno - 1 : found.node.end_lineno])
