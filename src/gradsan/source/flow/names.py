"""What a name stands for."""

from __future__ import annotations

import ast
import builtins
from functools import cache

from gradsan.source.flow.machine import Frame, evaluate
from gradsan.source.flow.values import Class, External, Function, Namespace, Opaque, Value
from gradsan.source.index import ClassInfo, FunctionInfo, FunctionNode, ModuleInfo, describe_class, describe_function
from gradsan.source.project import Definition

_BUILTINS = frozenset(dir(builtins))


def find_name(frame: Frame, name: str) -> Value:
    """Return the value of a name that isn't local."""
    scope = frame.scope
    while scope is not None:
        value = scope.local.get(name)
        if value is not None:
            return value
        scope = scope.scope
    return find_global(frame, frame.module, name)


def find_global(frame: Frame, module: ModuleInfo, name: str) -> Value:
    """Return the value of a name at a module's top level."""
    machine = frame.machine
    body = machine.module_frames.get(id(module))
    if body is not None and name in body.local:
        return body.local[name]
    key = (id(module), name)
    value = machine.constants.get(key)
    if value is None:
        machine.constants[key] = Opaque(name=name)
        value = machine.constants[key] = _define(frame, module, name, machine.project.lookup(module, name))
        machine.kept.append(module)
    return value


def _define(frame: Frame, module: ModuleInfo, name: str, found: Definition | None) -> Value:
    match found:
        case FunctionInfo():
            return Function(found)
        case ClassInfo():
            return Class(found)
        case ModuleInfo():
            return Namespace(found)
        case (home, expression):
            return evaluate(Frame(frame.machine, home, "<module>"), expression)
    if name in module.imports:
        return External(canonical(module.imports[name]))
    if name in _BUILTINS:
        return External(f"builtins.{name}")
    return Opaque(name=name)


@cache
def canonical(dotted: str) -> str:
    """Return the usual spelling of an external name."""
    for long, short in _SPELLINGS:
        if dotted.startswith(long):
            return short + dotted[len(long) :]
    return dotted


_SPELLINGS = (
    ("torch.nn.modules.activation.", "torch.nn."),
    ("torch.nn.modules.module.", "torch.nn."),
    ("torch.nn.modules.utils.", "torch.nn.modules.utils."),
    ("torch.nn.modules.", "torch.nn."),
    ("torch.nn.parameter.", "torch.nn."),
    ("torch.autograd.function.", "torch.autograd."),
    ("torch.autograd.grad_mode.", "torch."),
    ("torch.autograd.variable.", "torch.autograd."),
    ("torch.functional.", "torch."),
)


def function_of(frame: Frame, node: FunctionNode) -> FunctionInfo:
    """Describe a function that is defined inside another one."""
    known = frame.machine.functions.get(id(node))
    if known is None:
        name = f"{frame.name}.<locals>.{getattr(node, 'name', '<lambda>')}"
        known = describe_function(frame.module, node, name.removeprefix("<module>.<locals>."))
        frame.machine.functions[id(node)] = known
    return known


def closure(frame: Frame, node: FunctionNode) -> Function:
    """Return a function that is defined inside another one, and sees its names."""
    frame.machine.scopes.append(frame)
    function = frame.machine.closures[id(node)] = Function(function_of(frame, node), frame)
    return function


def class_of(frame: Frame, node: ast.ClassDef) -> ClassInfo:
    """Describe a class that is defined inside a function."""
    known = frame.machine.classes.get(id(node))
    if known is None:
        known = frame.machine.classes[id(node)] = describe_class(frame.module, node, f"{frame.name}.<locals>.")
    return known
