"""Decorators of the project: what they put in the place of the function that they decorate."""

from __future__ import annotations

import ast

from gradsan.source.flow.machine import Arguments, Frame, call, evaluate
from gradsan.source.flow.values import Function, Value
from gradsan.source.index import FunctionInfo
from gradsan.source.wrapping import wraps_and_writes


def decorated(frame: Frame, function: Function) -> Value | None:
    """Return what the decorators of the project made of a function; None where nothing new comes of it."""
    machine, info = frame.machine, function.info
    key = id(info), id(function.scope)
    if key not in machine.decorated:
        machine.decorated[key] = None
        machine.kept += [info, function.scope]
        if wraps_and_writes(machine.project, info):
            machine.decorated[key] = _decorate(frame, function)
    return machine.decorated[key]


def _decorate(frame: Frame, function: Function) -> Value | None:
    info = function.info
    home = Frame(frame.machine, info.module, "<module>", scope=function.scope)
    value: Value = Function(info, function.scope, is_bare=True)
    for node in reversed(getattr(info.node, "decorator_list", [])):
        target = node.func if isinstance(node, ast.Call) else node
        found = evaluate(home, target)
        if not isinstance(found, Function):
            continue
        decorator = evaluate(home, node) if isinstance(node, ast.Call) else found
        made = call(home, decorator, Arguments([value]), node)
        if isinstance(made, Function) and isinstance(made.info, FunctionInfo):
            value = made
    return value if isinstance(value, Function) and value.info is not info else None
