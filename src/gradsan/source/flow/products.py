"""Contractions of several tensors."""

from __future__ import annotations

from gradsan.source.flow.graph import Grad, Guard, Node, Place
from gradsan.source.flow.machine import Frame
from gradsan.source.flow.tensors import grad_of, record_save, roots_of
from gradsan.source.flow.values import Tensor

PRODUCTS = frozenset({"einsum", "tensordot", "matmul"})
"""Contractions of several tensors: each factor is saved for the gradient of the others.

Source: einsum is made of ``bmm``; derivatives.yaml, 2.13.0.
"""


def save_factors(frame: Frame, inputs: list[tuple[str, Tensor, Guard]], graph: Node, place: Place, label: str) -> None:
    """Record that a contraction saved its factors."""
    for index, (_, tensor, guard) in enumerate(inputs):
        others = [other for position, (_, other, _) in enumerate(inputs) if position != index]
        record_save(
            frame,
            tensor,
            node=graph,
            place=place,
            operation=label,
            operand="operand",
            grad=max((grad_of(other) for other in others), default=Grad.NO),
            roots=frozenset().union(*(roots_of(other) for other in others)) if others else frozenset(),
            guard=guard,
            backward="BmmBackward0",
            name=tensor.storage.name,
        )
