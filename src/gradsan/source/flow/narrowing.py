"""What a test tells of the values that it asks about, inside the branch that it opens."""

from __future__ import annotations

import ast
from collections.abc import Callable

from gradsan.source.flow.graph import Grad
from gradsan.source.flow.literals import text_of
from gradsan.source.flow.machine import Frame, evaluate
from gradsan.source.flow.tensors import as_tensor
from gradsan.source.flow.values import Opaque, Tensor
from gradsan.source.program import last_name
from gradsan.source.walking import walk

_TELLING = frozenset({"requires_grad", "is_grad_enabled", "isinstance"})
"""The last names of what a test asks when it tells of gradients or types."""


def tells(frame: Frame, test: ast.expr) -> bool:
    """Return whether a test tells anything of gradients or types: few do."""
    known = frame.machine.telling.get(id(test))
    if known is None:
        known = any(last_name(node) in _TELLING for node in walk(test))
        frame.machine.telling[id(test)] = known
    return known


def narrowed(frame: Frame, test: ast.expr, *, holds: bool) -> Callable[[], None] | None:
    """Return what undoes the knowledge that a test gives inside its branch; None where it gives none."""
    negated = not holds
    while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, negated = test.operand, not negated
    if isinstance(test, ast.BoolOp):
        if isinstance(test.op, ast.And) is negated:
            return None
        undos = [undo for part in test.values if (undo := narrowed(frame, part, holds=not negated))]
        if not undos:
            return None

        def undo_all() -> None:
            for undo in undos:
                undo()

        return undo_all
    machine = frame.machine
    if negated and isinstance(test, ast.Call) and text_of(frame, test).endswith("is_grad_enabled()"):
        was = machine.grad_enabled
        machine.grad_enabled = False
        return lambda: setattr(machine, "grad_enabled", was)
    if isinstance(test, ast.Attribute) and test.attr == "requires_grad":
        return _narrow_grad(frame, test.value, requires_grad=not negated)
    return None


def _narrow_grad(frame: Frame, node: ast.expr, *, requires_grad: bool) -> Callable[[], None] | None:
    value = evaluate(frame, node)
    tensor = value.tensor if isinstance(value, Opaque) else value
    if isinstance(value, Opaque) and tensor is None:
        tensor = as_tensor(frame, value)
    if not isinstance(tensor, Tensor) or tensor.grad is Grad.YES:
        return None
    was = tensor.grad
    tensor.grad = Grad.FLOWS if requires_grad and tensor.roots else Grad.YES if requires_grad else Grad.NO
    held = tensor
    return lambda: setattr(held, "grad", was)
