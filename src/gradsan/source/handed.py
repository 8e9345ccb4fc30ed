"""Functions that are defined inside others and handed on: to what isn't known, or to the caller.

Whoever is given one may call it, so each that nothing called, and that may write, is run at the end of the entry that
defines it, with arguments of which nothing is known.  When that happens can't be told, so what the entry saved before
is left out.
"""

from __future__ import annotations

from gradsan.source.flow.calling import run_function
from gradsan.source.flow.graph import EVERYWHERE, Node
from gradsan.source.flow.interpreter import Frame, Machine
from gradsan.source.flow.values import Value, nodes_of
from gradsan.source.parameters import bind_unknown
from gradsan.source.reach import source_of
from gradsan.source.writing import spells_write

MAX_HANDED = 6
"""Functions of one entry that are run so."""
FUEL_HANDED = 150


def run_handed(machine: Machine, outer: Frame) -> tuple[list[Node], dict[str, Value]]:
    """Run the functions that an entry handed on; return what they hand back, and their parameters."""
    roots: list[Node] = []
    parameters: dict[str, Value] = {}
    if not machine.closures:
        return roots, parameters
    was_open, machine.late_from = machine.is_open, machine.tick()
    n_run = 0
    while n_run < MAX_HANDED:
        function = next((found for key, found in machine.closures.items() if key not in machine.called), None)
        if function is None:
            break
        info, scope = function.info, function.scope
        machine.called.add(id(info.node))
        if not spells_write(source_of(info)):
            continue
        n_run += 1
        machine.fuel, machine.guard, machine.grad_enabled = FUEL_HANDED, EVERYWHERE, True
        frame = Frame(machine, info.module, info.qualified_name, scope=scope, info=info)
        if scope is not None:
            frame.owner, frame.receiver = scope.owner, scope.receiver
        bind_unknown(frame, info.node, None)
        parameters |= frame.local
        roots += nodes_of(run_function(outer, frame, info))
    machine.is_open = was_open
    return roots, parameters
