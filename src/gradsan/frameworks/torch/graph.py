"""The graph: its nodes, what each saved, and which of that has been overwritten.

What a node holds is read as `held` says; hooks are the user's, and are never run by us.
"""

from __future__ import annotations

import ctypes
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from gradsan.frameworks.torch.held import held_by, see_through, tensor_in
from gradsan.knowledge.error_texts import ErrorText, recognise
from gradsan.model.event import SequenceNumber

VIEWS = frozenset(
    f"{name}Backward0"
    for name in (
        *("View", "UnsafeView", "ReshapeAlias", "Alias", "Select", "Slice", "Narrow", "T", "Transpose", "Permute"),
        *("Unsqueeze", "Squeeze", "Expand", "AsStrided", "Unbind", "Split", "SplitWithSizes", "Diagonal", "Unfold"),
    )
)
"""Nodes whose result lives in the memory of their input."""

_SCALES = frozenset({"MulBackward0", "DivBackward0", "NegBackward0", "ToCopyBackward0"})
"""Nodes by which a loss is scaled, where only one operand leads on into the graph."""
_MAX_SCALES = 8


@dataclass(frozen=True, slots=True)
class Slot:
    """One tensor that one node saved."""

    node: Any
    attribute: str
    """``_saved_result``, ``saved_tensors`` of a custom Function."""
    tensor: torch.Tensor
    """As it is now; shape and storage are those that were saved."""
    is_hooked: bool = False
    """Saved through hooks: the engine does not compare versions."""

    @property
    def number(self) -> int:
        """Sequence number of the node."""
        return int(self.node._sequence_nr())


@dataclass(frozen=True, slots=True)
class Conflict:
    """A saved tensor that was overwritten, and what the engine says or would say about it."""

    slot: Slot
    text: ErrorText

    @property
    def is_of_own_result(self) -> bool:
        """Whether a custom Function saved its own result, and not what the same Function made before."""
        name = type(self.slot.node).__name__
        is_one = len(self.slot.node._input_metadata) == 1
        made_before = any(type(parent).__name__ == name for parent, _ in self.slot.node.next_functions)
        return is_one and self.text.operation == name.removesuffix("Backward") and not made_before


# NOTE [Deep graphs] The engine frees a graph of any depth, but nodes that Python has seen it frees one inside the
# other, and some 30,000 of them exhaust the stack.  What we have walked of a deep graph is therefore kept until the
# program has let go of it, and freed by us, roots first; at exit it is not freed at all.
# Source: measured on torch 2.13.0 (`THPCppFunction_dealloc` below `~Node`).

_DEEP = 10_000
"""Nodes, from which on a graph may be deep."""
_walked: list[tuple[list[Any], list[Any]]] = []
"""Of each deep graph its roots, and all its nodes, roots last."""
_REFERENCES_OF_OURS = 4
"""To a root that only we hold, while it is asked for its references."""


def nodes_of(roots: Any) -> Iterator[Any]:
    """Yield every node reachable from tensors or gradient edges, each once."""
    stack = [node for node in (_node_of(root) for root in _flatten(roots)) if node is not None]
    tops, seen = list(stack), set(stack)
    try:
        while stack:
            node = stack.pop()
            yield node
            for child, _ in node.next_functions:
                if child is not None and child not in seen:
                    seen.add(child)
                    stack.append(child)
    finally:
        if len(seen) > _DEEP:
            _keep(tops, seen)


def _keep(tops: list[Any], nodes: set[Any]) -> None:
    """Keep the nodes of a deep graph, and free those that only we hold; see NOTE [Deep graphs]."""
    for kept in list(_walked):
        if all(sys.getrefcount(top) <= _REFERENCES_OF_OURS for top in kept[0]):
            _walked.remove(kept)
            kept[0].clear()
            while kept[1]:
                kept[1].pop()
            ctypes.pythonapi.Py_DecRef(ctypes.py_object(kept[1]))
    if not any(kept[0] == tops for kept in _walked):
        _walked.append((tops, sorted(nodes, key=_age)))
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(_walked[-1][1]))


def _age(node: Any) -> float:
    """Return a number that is higher for a node than for those that it leads to."""
    return -1 if not node.next_functions else float(node._sequence_nr())


def nodes_between(roots: Any, inputs: Any) -> Iterator[Any]:
    """Yield the nodes that a backward pass from ``roots`` will run; without ``inputs``, all."""
    ends = {_end_of(each) for each in inputs or ()} - {None}
    if not ends:
        yield from nodes_of(roots)
        return
    nodes = list(nodes_of(roots))
    needed = leading_to(nodes, ends)
    yield from (node for node in nodes if node in needed and node not in ends)


def leaves_of(roots: Any, inputs: Any = ()) -> Iterator[torch.Tensor]:
    """Yield the leaves into which a backward pass from ``roots`` accumulates; only ``inputs``, where there are any.

    Each is yielded once, in an order that depends on the graph alone.
    """
    chosen = {id(each) for each in inputs or ()}
    for node in nodes_of(roots):
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, torch.Tensor) and not node.next_functions and (not chosen or id(leaf) in chosen):
            yield leaf


def leading_to(nodes: Iterable[Any], ends: Iterable[Any]) -> set[Any]:
    """Return the nodes of a graph from which a backward reaches one of ``ends``, these included."""
    users: dict[Any, list[Any]] = {}
    for node in nodes:
        for used, _ in node.next_functions:
            if used is not None:
                users.setdefault(used, []).append(node)
    found = set(ends)
    stack = list(found)
    while stack:
        for user in users.get(stack.pop(), ()):
            if user not in found:
                found.add(user)
                stack.append(user)
    return found


def _end_of(input_: Any) -> Any:
    if isinstance(input_, torch.Tensor) and input_.is_leaf:
        try:
            return torch.autograd.graph.get_gradient_edge(input_).node
        except RuntimeError:  # a layout without views (sparse rows or columns, oneDNN)
            with torch.enable_grad():
                copy = input_.clone().grad_fn
                return None if copy is None else copy.next_functions[0][0]
    return _node_of(input_)


def roots_of(roots: Any) -> Iterator[Any]:
    """Yield each root."""
    yield from _flatten(roots)


def _flatten(roots: Any) -> Iterator[Any]:
    yield from roots if isinstance(roots, (list, tuple)) and not hasattr(roots, "node") else (roots,)


def _node_of(root: Any) -> Any:
    if isinstance(root, torch.Tensor):
        with torch._C.DisableTorchFunction():
            return root.grad_fn
    return getattr(root, "node", None)


def has_node(tensor: torch.Tensor) -> bool:
    """Return whether a tensor has history, as `number_of` tells; no node is shown to Python, see NOTE [Deep graphs]."""
    with torch._C.DisableTorchFunction():
        try:
            if not tensor.is_leaf:
                return True
        except RuntimeError:  # a view that refuses to tell, as in `node_of`
            pass
        return tensor._is_view() and tensor._base is not None and not tensor._base.is_leaf


def node_of(tensor: Any) -> Any:
    """Return the node of a tensor; None for a leaf, and for a view that refuses to tell (made under no_grad)."""
    try:
        return _node_of(tensor)
    except RuntimeError:
        return None


def base_of(tensor: Any) -> Any:
    """Return the base of a view; another tensor itself."""
    return tensor._base if tensor._is_view() and tensor._base is not None else tensor


def number_of(tensor: Any) -> int:
    """Return the number of the node that made a tensor, through its base for a view without history; else -1."""
    if not isinstance(tensor, torch.Tensor):
        return -1
    with torch._C.DisableTorchFunction():
        node = node_of(tensor)
        if node is None and tensor._is_view() and tensor._base is not None:
            node = node_of(tensor._base)
    return -1 if node is None else int(node._sequence_nr())


def producers_of(tensor: Any) -> tuple[int, ...]:
    """Return the numbers of the nodes whose result a tensor shows: its own and, through views, that of its base.

    Empty where it shows a leaf: a leaf that is mutated is differentiated at its new value.
    """
    with torch._C.DisableTorchFunction():
        base = tensor._base if tensor._is_view() else None
        ends = [node for node in (node_of(tensor), None if base is None else node_of(base)) if node is not None]
    numbers: dict[int, None] = {}
    for end in ends:
        node = end
        while node is not None:
            numbers[int(node._sequence_nr())] = None
            if type(node).__name__ not in VIEWS:
                break
            node = node.next_functions[0][0]
            if node is not None and not node.next_functions:
                return ()
    return tuple(numbers)


def root_number(roots: Any) -> SequenceNumber | None:
    """Return when the youngest root was computed; None where it can't be told.

    A loss that is only scaled (`GradScaler.scale(loss)`, ``loss / n_accumulated``) is as old as the loss.
    """
    numbers = [_unscaled(node)._sequence_nr() for root in _flatten(roots) if (node := node_of(root)) is not None]
    return SequenceNumber(max(numbers)) if numbers else None


def _unscaled(node: Any) -> Any:
    for _ in range(_MAX_SCALES):
        if node.name() not in _SCALES:
            break
        parents = [parent for parent, _ in node.next_functions if parent is not None]
        if len(parents) != 1 or not parents[0].next_functions:  # a leaf has no number
            return node
        node = parents[0]
    return node


def first_view_node(view: torch.Tensor) -> Any:
    """Return the node of the first view in a chain of views that begins at a leaf."""
    node = node_of(view)
    while node is not None:
        parents = [parent for parent, _ in node.next_functions if parent is not None]
        if len(parents) != 1 or not parents[0].next_functions:
            return node
        node = parents[0]
    return None


def several_views_node(view: torch.Tensor) -> Any:
    """Return the node in a chain of views that returned several; the nearest one where none tells that it did.

    Source: `Node::input_metadata` has an entry for each output of the forward operation; checked on torch 2.13.0.
    """
    nearest = node = node_of(view)
    while node is not None and len(node._input_metadata) < 2:
        parents = [parent for parent, _ in node.next_functions if parent is not None]
        node = parents[0] if len(parents) == 1 and type(node).__name__ in VIEWS else None
    return nearest if node is None else node


MAX_NODES_AROUND = 48


def nearest_leaves(node: Any) -> Iterator[torch.Tensor]:
    """Yield the leaves that a node's inputs were computed from, the nearest first, up to `MAX_NODES_AROUND` nodes."""
    queue, seen = deque([node]), {node}
    while queue and len(seen) < MAX_NODES_AROUND:
        for child, _ in queue.popleft().next_functions:
            if child is not None and child not in seen:
                seen.add(child)
                queue.append(child)
                variable = getattr(child, "variable", None)
                if variable is not None:
                    yield variable


def slots_of(node: Any, *, with_hooked: bool = False) -> Iterator[Slot]:
    """Yield what a node saved and still holds, without the version check and without running hooks.

    ``with_hooked`` adds what saved-tensor hooks packed as the tensor itself, alone or in a tuple (``save_on_cpu``).
    """
    for attribute, entry in held_by(node):
        tensor, is_hooked = tensor_in(entry)
        if tensor is not None and (with_hooked or not is_hooked):
            yield Slot(node, attribute, tensor, is_hooked)


def slot_of(node: Any, kept: object, tensor: torch.Tensor, *, is_hooked: bool) -> Slot | None:
    """Return the slot in which a node holds what hooks packed for a tensor; None where it holds it no more."""
    attribute = next((name for name, (data, _) in held_by(node) if data is kept), None)
    return None if attribute is None else Slot(node, attribute, tensor, is_hooked)


def packed_of(node: Any) -> Iterator[tuple[str, object]]:
    """Yield what saved-tensor hooks packed in place of tensors, by attribute."""
    for attribute, entry in held_by(node):
        packed, is_hooked = see_through(entry)
        if is_hooked:
            yield attribute, packed


def conflict_of(slot: Slot) -> Conflict | None:
    """Return the conflict of a slot, in the engine's own words; None where the engine would accept it."""
    try:
        getattr(slot.node, slot.attribute)
    except RuntimeError as error:
        text = recognise(str(error))
        if text is not None and _speaks_of(text, slot):
            return Conflict(slot, text)
    return None


def _speaks_of(text: ErrorText, slot: Slot) -> bool:
    # A list of saved tensors raises for its first stale element: match it to the slot by version and shape.
    tensor = slot.tensor
    with torch._C.DisableTorchFunction():
        is_of_shape = text.shape is None or tensor.is_nested or text.shape == tuple(tensor.shape)
        return text.version_found == tensor._version and is_of_shape


def conflicts_of(roots: Any) -> list[Conflict]:
    """Return every saved tensor of a graph that has been overwritten, in the order in which backward meets them."""
    found = []
    for node in nodes_of(roots):
        slots = list(slots_of(node))
        found += [conflict for slot in slots if (conflict := conflict_of(slot)) is not None]
    return sorted(found, key=lambda conflict: -conflict.slot.number)
