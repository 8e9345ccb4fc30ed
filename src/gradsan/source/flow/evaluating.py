"""Expressions: names, attributes, operators, displays, comprehensions."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from gradsan.source.flow.absent import ask, or_default
from gradsan.source.flow.binding import bind
from gradsan.source.flow.branches import decide, truth_of
from gradsan.source.flow.deleting import present
from gradsan.source.flow.formatting import formatted
from gradsan.source.flow.graph import EVERYWHERE, Guard, contradicts
from gradsan.source.flow.machine import MEMBER_CALLERS, Arguments, Frame, call, evaluate, evaluates, get_attribute
from gradsan.source.flow.names import closure, find_name
from gradsan.source.flow.operations import apply
from gradsan.source.flow.subscripts import subscript
from gradsan.source.flow.tensors import fresh, nodes_and_grad
from gradsan.source.flow.user_operators import operate
from gradsan.source.flow.values import (
    FALSE,
    HOLE,
    TRUE,
    Choice,
    Const,
    External,
    Instance,
    Layer,
    Mapping,
    Opaque,
    Sequence,
    Tensor,
    Value,
    is_number,
    join,
    options_of,
)

_BINARY: dict[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("add", operator.add),
    ast.Sub: ("sub", operator.sub),
    ast.Mult: ("mul", operator.mul),
    ast.Div: ("div", operator.truediv),
    ast.MatMult: ("matmul", operator.matmul),
    ast.Pow: ("pow", operator.pow),
    ast.Mod: ("remainder", operator.mod),
    ast.FloorDiv: ("floor_divide", operator.floordiv),
    ast.BitAnd: ("bitwise_and", operator.and_),
    ast.BitOr: ("bitwise_or", operator.or_),
    ast.BitXor: ("bitwise_xor", operator.xor),
    ast.LShift: ("bitwise_left_shift", operator.lshift),
    ast.RShift: ("bitwise_right_shift", operator.rshift),
}
"""What Python's operators call.  Source: torch/_tensor.py, 2.13.0."""

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_MAX_LITERAL = 10_000


@evaluates(ast.Name)
def _name(frame: Frame, node: ast.Name) -> Value:
    value = frame.local.get(node.id)
    return value if value is not None else find_name(frame, node.id)


@evaluates(ast.Constant)
def _constant(_frame: Frame, node: ast.Constant) -> Value:
    return Const(node.value)


@evaluates(ast.Attribute)
def _attribute(frame: Frame, node: ast.Attribute) -> Value:
    return get_attribute(frame, ask(frame, evaluate(frame, node.value)), node.attr, node)


@evaluates(ast.Subscript)
def _subscript(frame: Frame, node: ast.Subscript) -> Value:
    return subscript(frame, ask(frame, evaluate(frame, node.value)), node.slice, node)


@evaluates(ast.Call)
def _call(frame: Frame, node: ast.Call) -> Value:
    function = node.func
    if isinstance(function, ast.Attribute):
        receiver = ask(frame, evaluate(frame, function.value))
        arguments = _arguments(frame, node)
        if frame.machine.probe is not None:
            frame.machine.probe(frame, node, receiver, arguments)
        return call_member(frame, receiver, function.attr, arguments, node)
    callee = evaluate(frame, function)
    arguments = _arguments(frame, node)
    if frame.machine.probe is not None:
        frame.machine.probe(frame, node, None, arguments)
    return call(frame, callee, arguments, node)


def call_member(frame: Frame, receiver: Value, name: str, arguments: Arguments, node: ast.Call) -> Value:
    """Call a method by name."""
    if type(receiver) is Opaque and name not in receiver.attributes:
        result = MEMBER_CALLERS[Opaque](frame, receiver, name, arguments, node)
    elif type(receiver) is Choice:
        machine = frame.machine
        before = machine.guard
        results: list[tuple[Value, Guard]] = []
        for option, guard in receiver.options:
            if contradicts(before, guard):
                continue
            machine.guard = before | guard
            results.append((call_member(frame, option, name, arguments, node), guard))
        machine.guard = before
        return join(results) if results else Opaque()
    else:
        result = call(frame, get_attribute(frame, receiver, name, node.func), arguments, node)
    return or_default(frame, result, arguments, node) if name == "get" else result


def _arguments(frame: Frame, node: ast.Call) -> Arguments:
    positional: list[Value] = []
    keywords: dict[str, Value] = {}
    is_exact = True
    for argument in node.args:
        if argument.__class__ is not ast.Starred:
            positional.append(evaluate(frame, argument))
            continue
        spread = evaluate(frame, argument.value)
        if isinstance(spread, (Instance, Layer)) and spread.children is not None:
            spread = spread.children
        if isinstance(spread, Sequence):
            positional += spread.items
            is_exact = is_exact and spread.is_exact
        else:
            is_exact = False
    for keyword in node.keywords:
        value = evaluate(frame, keyword.value)
        if keyword.arg is not None:
            keywords[keyword.arg] = value
        elif isinstance(value, Mapping):
            keywords.update({k: v for k, v in present(value).items() if isinstance(k, str)})
            is_exact = is_exact and value.is_exact
        else:
            is_exact = False
    return Arguments(positional, keywords, is_exact)


@evaluates(ast.BinOp)
def _binary(frame: Frame, node: ast.BinOp) -> Value:
    return binary(frame, evaluate(frame, node.left), evaluate(frame, node.right), node.op, node)


def binary(frame: Frame, left: Value, right: Value, op: ast.operator, node: ast.AST) -> Value:
    """Return what an operator between two values gives."""
    name, compute = _BINARY[type(op)]
    if type(left) is Const and isinstance(left.value, str) and isinstance(op, ast.Mod):
        return formatted(left.value, right)
    if type(left) is Const and type(right) is Const:
        return _fold(compute, left.value, right.value)
    if type(left) is Sequence or type(right) is Sequence:
        return _lists(left, right, op)
    if _is_tensor(left):
        return _operate(frame, name, [left, right], node)
    if _is_tensor(right):
        if type(left) is not Const:
            return _operate(frame, name, [left, right], node)
        if name == "sub":
            return _operate(frame, "rsub", [right, left], node)
        if name == "div":
            # Source: torch/_tensor.py, __rdiv__ (2.13.0): the reciprocal, times the number.
            inner = _operate(frame, "reciprocal", [right], node)
            return _operate(frame, "mul", [inner, left], node)
        if name in ("add", "mul"):
            return _operate(frame, name, [right, left], node)
        return _operate(frame, name, [left, right], node)
    known = operate(frame, left, right, op, node)
    return known if known is not None else _computed(frame, [left, right], node, proves_all=name in ("add", "sub"))


def _computed(frame: Frame, values: list[Value], node: ast.AST, *, proves_all: bool = True) -> Opaque:
    """Return what an operator makes of something unknown: where that turns out to be a tensor, the operand is one.

    Of two operands of a product either may be a number; what is added is alike.
    """
    result = derived(frame, values)
    for value in values:
        if type(value) is Opaque and value.roots and (proves_all or len(result.roots) == 1):
            frame.machine.kept.append(node)
            value.attributes["computed", id(node)] = result
    return result


def derived(frame: Frame, values: list[Value], *, name: str = "") -> Opaque:
    """Return something unknown that was computed from values."""
    if not values:
        return Opaque(name)
    nodes, _, roots = nodes_and_grad(frame, values)
    return Opaque(name, roots, node=nodes, is_number=all(map(is_number, values)), is_flag=all(map(_is_flag, values)))


def _is_flag(value: Value) -> bool:
    return type(value) is Opaque and value.is_flag


def _is_tensor(value: Value) -> bool:
    if type(value) is Tensor:
        return True
    if type(value) is Opaque:
        return value.tensor is not None or value.grad is not None
    if type(value) is Choice:
        return any(_is_tensor(option) for option, _ in value.options)
    return False


def _operate(frame: Frame, name: str, values: list[Value], node: ast.AST, *, label: str = "") -> Value:
    operation = frame.machine.operation(f"torch.{name}")
    if operation is None:
        return derived(frame, values)
    return apply(frame, operation, bind(operation, Arguments(values)), node, label=label)


def _fold(compute: Callable[[Any, Any], Any], left: object, right: object) -> Value:
    numbers = (int, float, complex)
    texts = isinstance(left, str) and isinstance(right, str)
    if not texts and not (isinstance(left, numbers) and isinstance(right, numbers)):
        return Opaque()
    if any(isinstance(side, (int, float)) and abs(side) > _MAX_LITERAL for side in (left, right)):
        return Opaque(is_number=True)
    try:
        return Const(compute(left, right))
    except (ArithmeticError, TypeError, ValueError, MemoryError):
        return Opaque(is_number=not texts)


def _lists(left: Value, right: Value, op: ast.operator) -> Value:
    if isinstance(left, Sequence) and isinstance(right, Sequence) and isinstance(op, ast.Add):
        return Sequence([*left.items, *right.items], is_exact=left.is_exact and right.is_exact, is_tuple=left.is_tuple)
    pair = (left, right) if isinstance(left, Sequence) else (right, left)
    if isinstance(op, ast.Mult) and isinstance(pair[0], Sequence):
        if isinstance(pair[1], Const) and isinstance(pair[1].value, int) and 0 <= pair[1].value <= 8:
            return Sequence(pair[0].items * pair[1].value, is_exact=pair[0].is_exact, is_tuple=pair[0].is_tuple)
        return Sequence(pair[0].items * 2, is_exact=False, is_tuple=pair[0].is_tuple)
    if isinstance(op, ast.Add) and isinstance(pair[0], Sequence):
        return Sequence(list(pair[0].items), is_exact=False, is_tuple=pair[0].is_tuple)
    return Opaque()


@evaluates(ast.UnaryOp)
def _unary(frame: Frame, node: ast.UnaryOp) -> Value:
    if isinstance(node.op, ast.Not):
        truth = truth_of(evaluate(frame, node.operand))
        return Opaque(is_number=True) if truth is None else (FALSE if truth else TRUE)
    value = evaluate(frame, node.operand)
    if type(value) is Const and isinstance(value.value, (int, float)):
        try:
            return Const(-value.value if isinstance(node.op, ast.USub) else +value.value)
        except TypeError:
            return Opaque()
    if _is_tensor(value):
        name = {ast.USub: "neg", ast.UAdd: "positive", ast.Invert: "bitwise_not"}[type(node.op)]
        return _operate(frame, name, [value], node)
    return _computed(frame, [value], node)


@evaluates(ast.BoolOp)
def _bool(frame: Frame, node: ast.BoolOp) -> Value:
    values: list[tuple[Value, Guard]] = []
    before = frame.machine.guard
    for part in node.values:
        value = evaluate(frame, part)
        frame.machine.guard = before  # what comes after it may not be evaluated at all
        truth = truth_of(value)
        if truth is not None and truth is isinstance(node.op, ast.Or):
            values.append((value, EVERYWHERE))
            break
        if truth is None:
            values.append((value, EVERYWHERE))
    if not values:
        return value
    return join(values)


@evaluates(ast.Compare)
def _compare(frame: Frame, node: ast.Compare) -> Value:
    left = evaluate(frame, node.left)
    right = evaluate(frame, node.comparators[0])
    if len(node.ops) > 1:
        for comparator in node.comparators[1:]:
            evaluate(frame, comparator)
        return Opaque(is_number=True, is_flag=True)
    op = node.ops[0]
    if isinstance(op, (ast.Is, ast.IsNot)):
        return _identity(left, right, negated=isinstance(op, ast.IsNot))
    if isinstance(op, (ast.In, ast.NotIn)):
        return _membership(left, right, negated=isinstance(op, ast.NotIn))
    if type(left) is Const and type(right) is Const:
        try:
            return Const(bool(_COMPARE[type(op)](left.value, right.value)))
        except TypeError:
            return Opaque(is_number=True)
    if isinstance(left, External) and isinstance(right, External) and isinstance(op, (ast.Eq, ast.NotEq)):
        return Const((left.dotted == right.dotted) is isinstance(op, ast.Eq))
    if _is_tensor(left) or _is_tensor(right):
        result = fresh(frame)
        result.is_integer = True
        return result
    return Opaque(is_number=True, is_flag=True)


def _identity(left: Value, right: Value, *, negated: bool) -> Value:
    if type(right) is Const and type(left) is Const:
        return Const((left.value is right.value) is not negated)
    if type(right) is Const and right.value is None and type(left) not in (Opaque, Choice):
        return Const(negated)
    if type(right) is Const and right.value is None and type(left) is Opaque and left.tensor is not None:
        return Const(negated) if left.tensor.storage.is_tensor and left.default is None else Opaque(is_number=True)
    if isinstance(left, External) and isinstance(right, External):
        return Const((left.dotted == right.dotted) is not negated)
    return Opaque(is_number=True)


def _membership(left: Value, right: Value, *, negated: bool) -> Value:
    if type(left) is Const and isinstance(right, Sequence) and right.is_exact:
        if all(type(item) is Const for item in right.items):
            return Const(any(i.value == left.value for i in right.items if type(i) is Const) is not negated)
    elif type(left) is Const and isinstance(right, Mapping) and right.is_exact:
        return Const((left.value in present(right)) is not negated)
    elif type(left) is Const and type(right) is Const and isinstance(left.value, str) and isinstance(right.value, str):
        return Const((left.value in right.value) is not negated)
    return Opaque(is_number=True)


@evaluates(ast.IfExp)
def _if_expression(frame: Frame, node: ast.IfExp) -> Value:
    verdict, when_true, when_false = decide(frame, node.test)
    if verdict is not None:
        return evaluate(frame, node.body if verdict else node.orelse)
    machine = frame.machine
    before = machine.guard
    machine.guard = before | when_true
    body = evaluate(frame, node.body)
    machine.guard = before | when_false
    orelse = evaluate(frame, node.orelse)
    machine.guard = before
    return join([(body, when_true), (orelse, when_false)])


@evaluates(ast.Lambda)
def _lambda(frame: Frame, node: ast.Lambda) -> Value:
    return closure(frame, node)


@evaluates(ast.JoinedStr)
def _text(frame: Frame, node: ast.JoinedStr) -> Value:
    parts: list[str] = []
    is_known = True
    for part in node.values:
        value = evaluate(frame, part.value if isinstance(part, ast.FormattedValue) else part)
        is_spelled = isinstance(value, Const) and not (isinstance(part, ast.FormattedValue) and part.format_spec)
        parts.append(str(value.value) if isinstance(value, Const) and is_spelled else HOLE)
        is_known = is_known and is_spelled
    return Const("".join(parts)) if is_known else Opaque(name="".join(parts))


@evaluates(ast.NamedExpr)
def _named(frame: Frame, node: ast.NamedExpr) -> Value:
    value = evaluate(frame, node.value)
    frame.machine.journal.set(frame.local, node.target.id, value)
    return value


@evaluates(ast.Await, ast.Starred)
def _inner(frame: Frame, node: ast.Await | ast.Starred) -> Value:
    return evaluate(frame, node.value)


@evaluates(ast.Yield, ast.YieldFrom)
def _yield(frame: Frame, node: ast.Yield | ast.YieldFrom) -> Value:
    if node.value is not None:
        frame.yields.append(evaluate(frame, node.value))
    return Opaque()


__all__ = ["binary", "derived", "options_of"]
