"""Which expression names the tensor that a statement or a call mutates."""

from __future__ import annotations

import ast
import sys

from gradsan import knowledge
from gradsan.source.program import Located, Program, dotted_name, last_name

_CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")


def written_by(program: Program, node: Located) -> ast.expr | None:
    """Return the expression whose tensor a node mutates; None where the source does not tell."""
    match node:
        case ast.AugAssign():
            return node.target
        case ast.Assign() if len(node.targets) == 1:
            return _stored(node.targets[0]) or written_by(program, node.value)
        case ast.AnnAssign(value=ast.expr() as value) | ast.Return(value=ast.expr() as value):
            return written_by(program, value)
        case ast.Expr() | ast.Await() | ast.NamedExpr():
            return written_by(program, node.value)
        case ast.Subscript(ctx=ast.Store()) | ast.Attribute(ctx=ast.Store()):
            return _stored(node)
        case ast.Call():
            return written_by_call(program, node)
        case _:
            return None


def written_by_call(program: Program, call: ast.Call) -> ast.expr | None:
    """Return the expression whose tensor a call mutates."""
    out = keyword_of(call, "out")
    if out is not None:
        return out
    name = last_name(call.func)
    if _is_of_standard_library(program, call.func):  # `functools.reduce` is no collective
        return None
    if knowledge.load().mutates(name) or name == "detach_":
        if isinstance(call.func, ast.Attribute) and not is_module_name(program, call.func.value):
            return receiver(program, call.func.value)
        return first_argument(call)
    inplace = keyword_of(call, "inplace")
    if inplace is not None:
        return first_argument(call) if not _is_false(inplace) else None
    if _is_inplace_module(program, call.func):
        return first_argument(call)
    return None


def receiver(program: Program, node: ast.expr) -> ast.expr:
    """Return what a chain of in-place calls began with: ``x`` of ``x.mul_(a).add_(b)``."""
    if isinstance(node, ast.Call):
        inner = written_by_call(program, node)
        if inner is not None:
            return inner
    return node


def keyword_of(call: ast.Call, name: str) -> ast.expr | None:
    """Return the value of a keyword argument."""
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def first_argument(call: ast.Call) -> ast.expr | None:
    """Return a call's first argument, by position or by the names that the framework gives it."""
    if call.args:
        return None if isinstance(call.args[0], ast.Starred) else call.args[0]
    return keyword_of(call, "input") or keyword_of(call, "self") or keyword_of(call, "tensor")


def is_module_name(program: Program, node: ast.expr) -> bool:
    """Whether an expression names an imported module, ``torch.nn.init``, rather than a value."""
    name = dotted_name(node)
    return bool(name) and name.partition(".")[0] in program.imports


def _is_of_standard_library(program: Program, func: ast.expr) -> bool:
    name = dotted_name(func)
    origin = program.imports.get(name.partition(".")[0], "")
    return origin.partition(".")[0] in sys.stdlib_module_names


def assigned_modules(program: Program, attribute: ast.Attribute) -> list[ast.Call]:
    """Return the calls whose results the enclosing class assigns to ``self.NAME``."""
    owner = program.class_of(attribute)
    if owner is None or dotted_name(attribute.value) != "self":
        return []
    return [
        node.value
        for node in ast.walk(owner)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and any(dotted_name(target) == f"self.{attribute.attr}" for target in node.targets)
    ]


def _is_inplace_module(program: Program, func: ast.expr) -> bool:
    """Whether what is called is one module that works in place, seen where it is constructed."""
    if isinstance(func, ast.Call):
        made = [func]
    elif isinstance(func, ast.Attribute):
        made = assigned_modules(program, func)
    else:
        made = []
    return len(made) == 1 and _is_one_layer(program, made[0]) and _constructs_inplace(made[0])


def _is_one_layer(program: Program, constructor: ast.Call) -> bool:
    """Whether a call constructs one layer of the framework; what a container or a user's module writes is unknown."""
    return is_module_name(program, constructor.func) and last_name(constructor.func) not in _CONTAINERS


def _constructs_inplace(call: ast.Call) -> bool:
    flag = keyword_of(call, "inplace")
    if flag is not None:
        return not _is_false(flag)
    return any(isinstance(argument, ast.Constant) and argument.value is True for argument in call.args)


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _stored(target: ast.expr) -> ast.expr | None:
    match target:
        case ast.Subscript():
            return target.value
        case ast.Attribute(attr="data"):
            return target.value
        case _:
            return None
