"""Gradients in tensors of the program: what a custom backward returned is a leaf's gradient, and is written again.

# NOTE [Adopted views] The engine makes a gradient the leaf's `.grad` without a copy where nobody else holds the tensor.
A view or a detached alias of a buffer is held by nobody, but its memory is the program's.  A custom backward that
writes there once more, and returns that memory again, has overwritten the gradient that its own is added to.
What is written without being returned was added to the gradient by hand, and what is returned unwritten is a dummy.
Source: torch/csrc/autograd/functions/accumulate_grad.h (``accumulateGrad``, case 1.1), torch 2.13.0.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.fingerprints import fingerprint
from gradsan.frameworks.torch.marked import Marked
from gradsan.frameworks.torch.overlap import overlaps
from gradsan.frameworks.torch.regions import REFUSALS
from gradsan.frameworks.torch.storages import WITH_OBJECT, n_holders
from gradsan.frameworks.torch.suspicion import region_of

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit

MAX_ADOPTED = 32
_CALM_RETURNS = 8
"""So many returns of a gradient's memory without a write; later ones are not looked at."""


class Adopted:
    """A leaf's gradient in a tensor of the program."""

    __slots__ = ("gradient", "leaf", "n_calm", "name")

    def __init__(self, leaf: Any, name: str) -> None:
        self.leaf = weakref.ref(leaf)
        self.gradient = weakref.ref(leaf.grad)
        self.name = name
        """Of the custom Function."""
        self.n_calm = 0

    def is_current(self) -> bool:
        """Return whether the leaf still has this gradient."""
        leaf, gradient = self.leaf(), self.gradient()
        return leaf is not None and gradient is not None and leaf.grad is gradient


class AdoptedGradients:
    """Compares, around each custom backward, the gradients that lie in tensors of the program."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._returned: list[tuple[weakref.ref[Any], int, str]] = []
        """Leaves to whom an alias of memory of the program was handed, and its storage."""
        self._adopted: list[Adopted] = []

    def before(self) -> list[tuple[Adopted, Marked]]:
        """Return the gradients that the next custom backward may overwrite, as they are."""
        if not (self._returned or self._adopted):
            return []
        self._adopt()
        found = []
        for each in self._adopted:
            gradient = each.gradient()
            alias = None if gradient is None else gradient.detach()
            mark = None if alias is None else fingerprint(alias, is_full=self._audit.is_full)
            if mark is not None:
                found.append((each, Marked("gradient", alias, mark)))
        return found

    def overwritten(self, before: list[tuple[Adopted, Marked]], result: Any) -> Iterator[tuple[str, Marked]]:
        """Yield, once, the gradients that a custom backward has overwritten with what it returned."""
        for each, marked in before:
            if not _is_returned(marked.tensor, result):
                continue
            if marked.differs(is_full=self._audit.is_full):
                yield each.name, marked
                each.n_calm = _CALM_RETURNS
            each.n_calm += 1

    def note(self, node: Any, result: Any, name: str) -> None:
        """Note what a custom backward returned for leaves."""
        returned = result if isinstance(result, tuple) else (result,)
        for (child, _), gradient in zip(node.next_functions, returned, strict=False):
            leaf = getattr(child, "variable", None)
            if leaf is not None and (storage := _shared_storage(gradient)):
                self._returned.append((weakref.ref(leaf), storage, name))

    def _adopt(self) -> None:
        self._adopted = [each for each in self._adopted if each.n_calm < _CALM_RETURNS and each.is_current()]
        for reference, storage, name in self._returned:
            leaf = reference()
            if leaf is None or len(self._adopted) >= MAX_ADOPTED or _shared_storage(leaf.grad) != storage:
                continue
            if all(each.gradient() is not leaf.grad for each in self._adopted):
                self._adopted.append(Adopted(leaf, name))
        self._returned.clear()


def _shared_storage(gradient: Any) -> int:
    """Return the storage of a tensor if PyTorch allocated it and other tensors have it too; else 0."""
    if type(gradient) is not torch.Tensor:
        return 0
    try:
        storage = gradient.untyped_storage()
        is_shared = storage.resizable() and n_holders(storage._cdata) > WITH_OBJECT
        return int(storage._cdata) if is_shared else 0
    except REFUSALS:
        return 0


def _is_returned(gradient: Any, result: Any) -> bool:
    """Return whether one of the returned tensors shows elements of a gradient."""
    region, storage = region_of(gradient), gradient.untyped_storage()._cdata
    for each in result if isinstance(result, tuple) else (result,):
        if type(each) is torch.Tensor and _shared_storage(each) == storage:
            other = region_of(each)
            if region is not None and other is not None and overlaps(region, other):
                return True
    return False
