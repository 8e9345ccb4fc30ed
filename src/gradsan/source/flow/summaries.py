"""What stands for more values than are told apart."""

from __future__ import annotations

from gradsan.source.flow.graph import Grad, Guard, Node
from gradsan.source.flow.values import MAX_OPTIONS, Choice, Opaque, Tensor, Value, nodes_of, tensors_in


def fewer(options: list[tuple[Value, Guard]]) -> Value:
    """Return one value for more options than are kept apart: what tells the least is summed up.

    New tensors that nothing is known of tell nothing; of the others, those on the fewest conditions are kept.
    """
    plain = [pair for pair in options if _is_plain(pair[0])]
    telling = [pair for pair in options if not _is_plain(pair[0])]
    if len(telling) >= MAX_OPTIONS - 1:
        kept = sorted(telling, key=lambda pair: len(pair[1]))[: MAX_OPTIONS - 2]
        plain = [pair for pair in options if not any(pair is one for one in kept)]
        telling = kept
    ways = (*telling, *_summarised(plain))
    return ways[0][0] if len(ways) == 1 else Choice(ways)


def _is_plain(value: Value) -> bool:
    """Return whether a value is a tensor that an operation made and none saved so far, or nothing is known of it."""
    if type(value) is Opaque:
        return value.tensor is None and not value.name and (not value.roots or value.grad is not None)
    return type(value) is Tensor and value.view is None and value.storage.is_own and not value.storage.saves


def _summarised(options: list[tuple[Value, Guard]]) -> list[tuple[Value, Guard]]:
    """Return what stands for several values: for those that require a gradient, and for the others."""
    sides: dict[bool, list[tuple[Value, Guard]]] = {}
    for option in options:
        sides.setdefault(_grad_of(option[0]) >= Grad.FLOWS, []).append(option)
    return [(_one_for(values), frozenset.intersection(*(guard for _, guard in values))) for values in sides.values()]


def _grad_of(value: Value) -> Grad:
    """Return how surely one of several values requires a gradient."""
    tensor = value.tensor if type(value) is Opaque and value.tensor is not None else value
    if type(tensor) is Tensor:
        is_outside = tensor.is_detached or tensor.is_integer
        return Grad.NO if is_outside else max(tensor.grad, tensor.storage.grad)
    if type(tensor) is Opaque and not tensor.is_number and tensor.node is not None:
        known = Grad.FLOWS if tensor.roots else Grad.UNKNOWN
        return known if tensor.grad is None else tensor.grad
    return Grad.NO


def _one_for(options: list[tuple[Value, Guard]]) -> Opaque:
    """Return what stands for several values that all require a gradient, or that all may not."""
    nodes = tuple(node for value, _ in options for node in nodes_of(value))
    grad = min(_grad_of(value) for value, _ in options)
    if not nodes or grad < Grad.FLOWS:
        return Opaque(node=Node(nodes) if nodes else None)
    roots = frozenset[str]()
    for value, _ in options:
        for tensor in tensors_in(value):
            roots |= tensor.roots | tensor.storage.roots
        roots |= value.roots if type(value) is Opaque else frozenset()
    return Opaque(roots=roots, node=Node(nodes), grad=grad)
