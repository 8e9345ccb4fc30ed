"""What a tensor's gradient hung on before it was switched on or off, or cut: to go back to that."""

from __future__ import annotations

from dataclasses import dataclass

from gradsan.source.flow.graph import Grad, Node
from gradsan.source.flow.values import Tensor


@dataclass(slots=True, eq=False, repr=False)
class Regrad:
    """A tensor and, at some point, all that tells its gradient; what was written into its storage included."""

    tensor: Tensor
    grad: Grad
    roots: frozenset[str]
    node: Node | None
    is_leaf: bool
    is_detached: bool
    written: tuple[Grad, frozenset[str], list[Node]]

    def restore(self) -> None:
        """Make the tensor what it was."""
        tensor, storage = self.tensor, self.tensor.storage
        tensor.grad, tensor.roots, tensor.node = self.grad, self.roots, self.node
        tensor.is_leaf, tensor.is_detached = self.is_leaf, self.is_detached
        storage.grad, storage.roots, storage.nodes = self.written


def regrad_of(tensor: Tensor) -> Regrad:
    """Return what a tensor's gradient hangs on now."""
    storage = tensor.storage
    written = storage.grad, storage.roots, storage.nodes
    return Regrad(tensor, tensor.grad, tensor.roots, tensor.node, tensor.is_leaf, tensor.is_detached, written)
