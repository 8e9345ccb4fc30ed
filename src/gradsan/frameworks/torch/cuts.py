"""Where a gradient ends: a value with history that went into a leaf.

# NOTE [Meant as a value] Inside a module's forward such a copy is a mistake.  Elsewhere it may be an initialisation or
an average.  It is told there, as a warning, only where nothing says that it was meant: what computed the value takes no
part in the backward pass and has no gradient, no optimizer owns the leaf, and the gradient of the leaf was not asked
for by name.  What the same line wrote is not counted among what computed the value: parameters that are moved by their
own gradients (``p.data -= rate * grad``) were moved on purpose, the rate was not cut on purpose.

# NOTE [Awaited] Adapters are merged into a frozen weight for evaluation, at the end of their training, or for good.  A
merge outside of a module's forward is told only while their training waits for gradients: an optimizer owns them, or
the program has none, and no step has moved them yet.  They have other shapes than the weight: a weight that is averaged
or followed is no adapter.

# NOTE [Merged and not seen again] A layer whose weight is frozen and whose input has no history makes no node: no graph
tells that it computed with what was merged.  What adapters are merged into is told where the value is still there, and
is awaited.

# NOTE [Stored without its history] ``outputs.data[t] = h``, or ``cache[t] = h`` under ``no_grad``, in a forward of
training stores values in a constant, a cache or a buffer.  Running statistics are stored so, and what computed them
learns by another way.  It is told where the graph computes with what was stored, while the gradient of a parameter that
computed it is awaited, and no other way leads to that parameter.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from gradsan.frameworks.torch.graph import VIEWS, has_node, node_of, nodes_of
from gradsan.frameworks.torch.optimizers import StepLog, every_optimizer, owners_of, parameters_of
from gradsan.frameworks.torch.storages import storage_key

MAX_NODES = 32
STORES = frozenset({"copy_", "__setitem__", "index_copy_", "index_put_", "scatter_", "masked_scatter_"})
"""What puts given values in place of those that were there; see `stores`."""
MAX_DEPTH = 3


def stores(operation: str, args: tuple[Any, ...]) -> bool:
    """Return whether an operation puts given or computed values in place of those that were there.

    What is given ``out=`` does so: `Wrappers.writing_out` hands on None as its first argument.
    """
    return operation in STORES or (bool(args) and args[0] is None)


@dataclass(frozen=True, slots=True)
class Upstream:
    """What a value was computed from, as far as `MAX_NODES` nodes tell."""

    numbers: frozenset[int]
    leaves: tuple[weakref.ref[Any], ...]


def values_with_history(value: object, depth: int = MAX_DEPTH) -> Iterator[torch.Tensor]:
    """Yield the tensors with history in a value: itself, or in lists and tuples."""
    if isinstance(value, torch.Tensor):
        if has_node(value):
            yield value
    elif isinstance(value, (list, tuple)) and depth > 0:
        for each in value:
            yield from values_with_history(each, depth - 1)


def upstream_of(values: Iterable[torch.Tensor]) -> Upstream | None:
    """Return what values were computed from; None for mere views of leaves, which are copied for their value."""
    queue = deque(node for value in values if (node := node_of(value)) is not None)
    seen, is_computed = set(queue), False
    numbers: set[int] = set()
    leaves: list[weakref.ref[Any]] = []
    while queue and len(seen) <= MAX_NODES:
        node = queue.popleft()
        variable = getattr(node, "variable", None)
        if variable is not None:
            leaves.append(weakref.ref(variable))
            continue
        numbers.add(int(node._sequence_nr()))
        is_computed = is_computed or type(node).__name__ not in VIEWS
        for child, _ in node.next_functions:
            if child is not None and child not in seen:
                seen.add(child)
                queue.append(child)
    return Upstream(frozenset(numbers), tuple(leaves)) if is_computed and leaves else None


def is_meant(upstream: Upstream, leaf: torch.Tensor, roots: Any, written: frozenset[int]) -> bool:
    """Return whether a copy outside of a module's forward can be meant as it is; see NOTE [Meant as a value].

    Args:
        upstream: What the value was computed from.
        leaf: What it was copied into.
        roots: What backward starts from.
        written: Keys of the storages that the same line wrote.
    """
    leaves = [each for each in (each() for each in upstream.leaves) if each is None or storage_key(each) not in written]
    if not leaves or any(each is None or each.grad is not None for each in leaves):
        return True
    for node in nodes_of(roots):
        variable = getattr(node, "variable", None)
        if any(variable is each for each in leaves) if variable is not None else _is_of(node, upstream):
            return True
    return any(True for _ in owners_of(leaf))


def is_awaited(upstream: Upstream, steps: StepLog) -> bool:
    """Return whether gradients are still to come for what computed a value; see NOTE [Awaited]."""
    leaves = [each() for each in upstream.leaves]
    if any(leaf is None or _is_stepped(leaf, steps) for leaf in leaves):
        return False
    optimizers = list(every_optimizer())
    owned = {id(each) for optimizer in optimizers for each in parameters_of(optimizer)}
    return not optimizers or any(id(leaf) in owned for leaf in leaves)


def lacks_gradient(upstream: Upstream, roots: Any, steps: StepLog) -> bool:
    """Return whether a parameter that computed a value is not reached; see NOTE [Stored without its history]."""
    leaves = [leaf for each in upstream.leaves if (leaf := each()) is not None and leaf.grad is None]
    reached = {id(variable) for node in nodes_of(roots) if (variable := getattr(node, "variable", None)) is not None}
    unreached = [each for each in leaves if isinstance(each, torch.nn.Parameter) and id(each) not in reached]
    return any(is_awaited(Upstream(frozenset(), (weakref.ref(each),)), steps) for each in unreached)


def is_made_of_others(weight: torch.Tensor, upstream: Upstream) -> bool:
    """Return whether a value was computed of leaves that have other shapes than the weight into which it went."""
    leaves = [each() for each in upstream.leaves]
    return all(leaf is not None and leaf.shape != weight.shape for leaf in leaves)


def _is_stepped(leaf: Any, steps: StepLog) -> bool:
    key = storage_key(leaf)
    return key is None or any(True for _ in steps.writes_to(key))


def _is_of(node: Any, upstream: Upstream) -> bool:
    return int(node._sequence_nr()) in upstream.numbers
