"""What is none has no attributes and no items: where one of them is asked for, it is something."""

from __future__ import annotations

import ast

from gradsan.source.flow.graph import EVERYWHERE, Guard, contradicts
from gradsan.source.flow.machine import Arguments, Condition, Frame, Machine
from gradsan.source.flow.values import Choice, Class, Const, Function, Opaque, Partial, Value
from gradsan.source.spelling import spelled


def is_none(machine: Machine, value: Value, guard: Guard) -> bool:
    """Return whether a value is none on the paths of a guard."""
    if type(value) is Opaque:
        literal = none_literal(machine, value)
        return literal is not None and literal in guard
    return type(value) is Const and value.value is None


def none_literal(machine: Machine, value: Opaque) -> int | None:
    """Return the literal that says that something is none; None where nothing has asked."""
    return machine.conditions.get((id(value), ast.Is, type(None), None))


def given_guards(frame: Frame, value: Value, guard: Guard) -> tuple[Guard | None, Guard | None]:
    """Return on which of some paths an argument is given, and on which it is none; None where there are none."""
    if type(value) is Const and value.value is None:
        return None, EVERYWHERE
    if type(value) is not Opaque or value.default is None or value.default.value is not None:
        return EVERYWHERE, None
    machine = frame.machine
    machine.kept.append(value)
    literal = machine.literal((id(value), ast.Is, type(None), None), Condition(f"{value.name} is None"))
    known = machine.guard | guard
    if literal in known or -literal in known:
        return (None, EVERYWHERE) if literal in known else (EVERYWHERE, None)
    return frozenset({-literal}), frozenset({literal})


def or_default(frame: Frame, result: Value, arguments: Arguments, node: ast.Call) -> Value:
    """Return what ``get`` gives out of something unknown: the default too, where that is a function or a class."""
    if type(result) is not Opaque or len(arguments.positional) != 2 or len(node.args) != 2:
        return result
    default = arguments.positional[1]
    if not isinstance(default, (Function, Class, Partial)) or not isinstance(node.func, ast.Attribute):
        return result
    text = f"{spelled(node.args[0])} in {spelled(node.func.value)}"
    literal = frame.machine.literal((text, id(node), frame.machine.clock), Condition(text))
    return Choice(((default, frozenset({-literal})), (result, frozenset({literal}))))


def ask(frame: Frame, value: Value) -> Value:
    """Return what an attribute, a method or an item is asked of: on the paths that go on, that isn't none."""
    machine = frame.machine
    if type(value) is Opaque:
        literal = none_literal(machine, value)
        if literal is not None and literal not in machine.guard:
            _presume(machine, -literal)
        return value
    if type(value) is not Choice:
        return value
    dead: list[Guard] = []
    alive: list[tuple[Value, Guard]] = []
    for option, guard in value.options:
        if is_none(machine, option, guard | machine.guard):
            dead.append(guard)
        else:
            alive.append((option, guard))
    if not dead or not alive:
        return value
    for guard in dead:
        more = guard - machine.guard
        if len(more) == 1 and all(contradicts(guard, other) for _, other in alive):
            _presume(machine, -next(iter(more)))
    return alive[0][0] if len(alive) == 1 else Choice(tuple(alive))


def _presume(machine: Machine, literal: int) -> None:
    if -literal not in machine.guard:
        machine.guard |= {literal}
        machine.presumed.add(literal)
