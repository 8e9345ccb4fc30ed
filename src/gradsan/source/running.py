"""Running one function on its own, with arguments of which nothing is known but what their names and defaults tell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gradsan.model.history import TensorKind
from gradsan.source.findings import Inference, settle
from gradsan.source.flow.calling import construct_apart, constructor_of, run_function
from gradsan.source.flow.feeding import fed_back
from gradsan.source.flow.graph import Node, Place
from gradsan.source.flow.interpreter import Frame, Machine
from gradsan.source.flow.modes import MODE_UNKNOWN
from gradsan.source.flow.values import (
    Choice,
    Class,
    Function,
    Instance,
    Layer,
    Opaque,
    Partial,
    Sequence,
    Tensor,
    Value,
    nodes_of,
)
from gradsan.source.handed import run_handed
from gradsan.source.hierarchy import (
    assigned_elsewhere,
    fields_of,
    find_member,
    is_made_of_fields,
    is_module_class,
    linearize_known,
)
from gradsan.source.index import ClassInfo, FunctionInfo
from gradsan.source.parameters import bind_unknown, unknown_parameter
from gradsan.source.plausible import runs_without_by_name
from gradsan.source.wrapping import wraps_and_switches

FUEL = 700
"""Statements that one entry may run; calls are no longer followed when it is used up."""
FUEL_OF_PROGRAM = 1400
"""Of a module's body that trains: that stands behind all that it sets up."""
FUEL_OF_CALLER = 300
"""Of a function that writes nothing itself, and stands beside no training.

What it calls is run on its own as well; what it passes on breaks near.  What a step breaks was saved far from it.
"""
FUEL_WITHOUT = 150
"""Of an entry that runs without gradients by convention: what breaks one there stands in its own text, or near it."""


@dataclass(slots=True)
class Outcome:
    """What running one function on its own gave; see NOTE [Open functions]."""

    found: list[Inference] = field(default_factory=list)
    is_open: bool = False
    problems: list[str] = field(default_factory=list)


def settled(machine: Machine, roots: list[Node], **options: Any) -> Outcome:
    """Return what an entry came to."""
    found = settle(machine, roots, **options)
    broken = [*(c.write for c in machine.conflicts), *(r.write for r in machine.refusals)]
    told = {inference.at for inference in found if inference.is_sure}
    is_open = machine.is_open or any(id(write.place.node) not in told for write in broken)
    return Outcome(found, is_open)


def run_entry(machine: Machine, info: FunctionInfo, receiver: Value | None, *, fuel: int = FUEL) -> Outcome:
    """Run a function with unknown arguments."""
    entry = machine.entry = Place(info.module, info.node, info.qualified_name)
    is_without = machine.probe is None and runs_without_by_name(entry)
    machine.fuel = fuel = FUEL_WITHOUT if is_without else fuel
    if info.decorators and wraps_and_switches(machine.project, info):
        machine.mode_caveats = MODE_UNKNOWN
    outer = Frame(machine, info.module, info.qualified_name)
    frame = Frame(machine, info.module, info.qualified_name, owner=info.owner, info=info, receiver=receiver)
    bind_unknown(frame, info.node, receiver)
    parameters = dict(frame.local)
    result = run_function(outer, frame, info)
    roots = [*nodes_of(result)]
    again = fed_back(frame, info, parameters, result)
    if again is not None:
        machine.fed_back = again, machine.tick()
        machine.fuel = max(machine.fuel, fuel // 2)
        second = Frame(machine, info.module, info.qualified_name, owner=info.owner, info=info, receiver=receiver)
        bind_unknown(second, info.node, receiver)
        second.local[again[0]] = again[1]
        roots += nodes_of(run_function(outer, second, info))
    if machine.probe is None and not is_without:
        more, theirs = run_handed(machine, outer)
        roots += more
        parameters = theirs | parameters
    unproven = frozenset(name for name, value in parameters.items() if not is_proven(value))
    return settled(machine, roots, unproven=unproven, entry=entry)


def is_proven(value: Value, depth: int = 3) -> bool:
    """Return whether a parameter was used as a tensor, or holds what was."""
    if isinstance(value, Tensor):
        return value.storage.is_tensor
    if isinstance(value, Opaque):
        if value.tensor is not None and value.tensor.storage.is_tensor:
            return True
        return depth > 0 and any(is_proven(part, depth - 1) for part in value.attributes.values())
    if isinstance(value, Sequence):
        return any(is_proven(item, depth - 1) for item in value.items)
    return False


def receiver_of(info: ClassInfo, method: FunctionInfo, instance: Instance) -> Value | None:
    """Return what a method that is run on its own is bound to."""
    if method.name == "__init__":
        return Instance(info, is_self=True)
    if method.is_static:
        return None
    return Class(info) if method.is_class_method else instance


def construct_unknown(machine: Machine, info: ClassInfo) -> Instance:
    """Return an object as its constructor leaves it, given unknown arguments; it is run when it is looked into."""
    instance = Instance(info, is_self=True)

    def run() -> None:
        made = constructor_of(Frame(machine, info.module, info.name), instance, None, info.node)
        if made is not None:
            _run_constructor(machine, instance, made)
        elif is_made_of_fields(machine.project, info):
            _bind_fields(machine, instance)
        for name in _volatile(machine, info):
            value = instance.attributes.get(name)
            is_known = value is not None or _is_constant(machine, info, name)
            if is_known and not (value is not None and _is_registered(machine, value)):
                instance.attributes[name] = Opaque(name=f"self.{name}")
        for value in instance.attributes.values():
            if isinstance(value, Tensor):  # the next call meets it as this one leaves it
                value.storage.is_own = False

    instance.pending = lambda _made: construct_apart(Frame(machine, info.module, info.name), run)
    machine.unfinished.append(instance)
    return instance


def _run_constructor(machine: Machine, instance: Instance, made: Function | Partial) -> None:
    method = made.function if isinstance(made, Partial) else made
    if not isinstance(method, Function):
        return
    frame, called = Frame(machine, instance.info.module, instance.info.name), method.info
    inner = Frame(machine, called.module, called.qualified_name, owner=called.owner, info=called, receiver=instance)
    bind_unknown(inner, called.node, instance)
    if isinstance(made, Partial):
        inner.local.update(made.keywords)
    run_function(frame, inner, called)


def _bind_fields(machine: Machine, instance: Instance) -> None:
    """Give an object what its class says of its fields, as a constructor that is generated from them would."""
    for name, (owner, field_) in fields_of(machine.project, instance.info).items():
        frame = Frame(machine, owner.module, owner.name)
        parameter = ast.arg(arg=name, annotation=field_.annotation)
        instance.attributes[name] = unknown_parameter(frame, parameter, field_.value)


def _is_constant(machine: Machine, info: ClassInfo, name: str) -> bool:
    """Return whether a class gives an attribute a value that its methods replace."""
    found = find_member(machine.project, info, name)
    return found is not None and not isinstance(found[1], FunctionInfo)


def _is_registered(machine: Machine, value: Value) -> bool:
    """Return whether a constructor registers something with its module, that methods replace at most on demand."""
    match value:
        case Tensor(storage=storage):
            return storage.kind in (TensorKind.PARAMETER, TensorKind.BUFFER)
        case Instance(info=info):
            return is_module_class(machine.project, info)
        case Choice(options=options):
            return all(_is_registered(machine, option) for option, _ in options)
    return isinstance(value, Layer)


def _volatile(machine: Machine, info: ClassInfo) -> Iterator[str]:
    """Yield the attributes that methods other than the constructor assign."""
    for owner in linearize_known(machine.project, info)[0]:
        yield from assigned_elsewhere(owner)
