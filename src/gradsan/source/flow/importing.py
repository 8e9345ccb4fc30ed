"""Imports inside functions and in a module's body."""

from __future__ import annotations

import ast

from gradsan.source.flow.machine import Frame
from gradsan.source.flow.names import canonical, find_global
from gradsan.source.flow.values import External, Namespace, Value
from gradsan.source.index import ModuleInfo, import_home


def import_into(frame: Frame, node: ast.Import | ast.ImportFrom) -> None:
    """Bind what an import statement binds."""
    module, journal = frame.module, frame.machine.journal
    if isinstance(node, ast.Import):
        for alias in node.names:
            dotted = alias.name if alias.asname else alias.name.partition(".")[0]
            journal.set(frame.local, alias.asname or dotted, _resolve(frame, module, dotted))
        return
    home = import_home(module, node)
    for alias in node.names:
        if alias.name == "*":
            continue
        name = alias.asname or alias.name
        journal.set(frame.local, name, _resolve(frame, module, f"{home}.{alias.name}" if home else alias.name))


def _resolve(frame: Frame, module: ModuleInfo, dotted: str) -> Value:
    project = frame.machine.project
    whole = project.find_module(module, dotted)
    if whole is not None:
        return Namespace(whole)
    home_name, _, name = dotted.rpartition(".")
    home = project.find_module(module, home_name) if home_name else None
    return find_global(frame, home, name) if home is not None else External(canonical(dotted))
