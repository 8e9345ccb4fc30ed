"""Augmented assignment: in place for a tensor, a new value for a number."""

from __future__ import annotations

import ast

from gradsan.source.flow.binding import bind
from gradsan.source.flow.evaluating import binary, derived
from gradsan.source.flow.machine import Arguments, Frame
from gradsan.source.flow.operations import apply
from gradsan.source.flow.tensors import as_tensor, tensors_of
from gradsan.source.flow.user_operators import operate_in_place
from gradsan.source.flow.values import Choice, Const, Opaque, Tensor, Value, is_number, join
from gradsan.source.flow.writes import write

_METHODS: dict[type[ast.operator], str] = {
    ast.Add: "add_",
    ast.Sub: "sub_",
    ast.Mult: "mul_",
    ast.Div: "div_",
    ast.Pow: "pow_",
    ast.Mod: "remainder_",
    ast.FloorDiv: "floor_divide_",
    ast.BitAnd: "bitwise_and_",
    ast.BitOr: "bitwise_or_",
    ast.BitXor: "bitwise_xor_",
    ast.LShift: "bitwise_left_shift_",
    ast.RShift: "bitwise_right_shift_",
}
"""What augmented assignment calls; ``@=`` has no in-place form.  Source: torch/_tensor.py, 2.13.0."""

_NAMES: dict[type[ast.operator], str] = {
    ast.Add: "__iadd__",
    ast.Sub: "__isub__",
    ast.Mult: "__imul__",
    ast.Div: "__itruediv__",
    ast.Pow: "__ipow__",
    ast.Mod: "__imod__",
    ast.FloorDiv: "__ifloordiv__",
    ast.BitAnd: "__iand__",
    ast.BitOr: "__ior__",
    ast.BitXor: "__ixor__",
    ast.LShift: "__ilshift__",
    ast.RShift: "__irshift__",
}


_LOGICAL = (ast.BitAnd, ast.BitOr, ast.BitXor)
"""With a truth value of Python's own, they update what is one as well."""


def update_in_place(frame: Frame, before: Value, change: Value, op: ast.operator, node: ast.AST, target: str) -> Value:
    """Return what the target holds after ``target op= change``."""
    name = _METHODS.get(type(op))
    if name is None:
        return binary(frame, before, change, op, node)
    if isinstance(before, Choice):
        return join(
            [
                (update_one(frame, option, change, op, node, target, guard, name), guard)
                for option, guard in before.options
            ]
        )
    return update_one(frame, before, change, op, node, target, frozenset(), name)


def update_one(
    frame: Frame,
    before: Value,
    change: Value,
    op: ast.operator,
    node: ast.AST,
    target: str,
    guard: frozenset[int],
    name: str,
) -> Value:
    """Return what one of the values that a target may hold becomes."""
    machine = frame.machine
    if isinstance(before, Opaque):
        if before.is_number:
            return derived(frame, [before, change])
        if before.tensor is None:
            if not isinstance(change, Tensor) and not before.roots:
                is_flag = isinstance(op, _LOGICAL) and is_number(change)
                machine.is_open = machine.is_open or (target.startswith("self.") and not is_flag)
                return derived(frame, [before, change])
            as_tensor(frame, before, is_sure=False)
    tensor = before if isinstance(before, Tensor) else before.tensor if isinstance(before, Opaque) else None
    if tensor is None:
        known = operate_in_place(frame, before, change, op, node)
        return known if known is not None else binary(frame, before, change, op, node)
    was = machine.guard
    machine.guard = was | guard
    operation = machine.operation(f"torch.Tensor.{name}")
    label = _NAMES[type(op)]
    if operation is None or not tensor.storage.is_tensor:
        sources = (change,) if not isinstance(change, Const) else ()
        write(frame, tensor, operation=label, node=node, target=target, sources=sources)
    else:
        apply(frame, operation, bind(operation, Arguments([tensor, change])), node, target=target, label=label)
    machine.guard = was
    return before


OPERATORS: dict[str, tuple[type[ast.operator], bool]] = {
    prefix + name: (kind, prefix == "i")
    for name, kind in {
        "add": ast.Add,
        "sub": ast.Sub,
        "mul": ast.Mult,
        "truediv": ast.Div,
        "floordiv": ast.FloorDiv,
        "mod": ast.Mod,
        "pow": ast.Pow,
        "matmul": ast.MatMult,
    }.items()
    for prefix in ("", "i")
}
"""The functions of the module `operator` that have two operands, and whether they update the first."""


def call_operator(frame: Frame, name: str, operands: list[Value], node: ast.AST) -> Value:
    """``operator.add(a, b)``, ``operator.iadd(a, b)`` and their like."""
    kind, is_in_place = OPERATORS[name]
    left, right = operands
    if is_in_place:
        return update_in_place(frame, left, right, kind(), node, "")
    return binary(frame, left, right, kind(), node)


__all__ = ["tensors_of", "update_in_place"]
