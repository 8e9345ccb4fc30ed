"""Gradients in memory of the program: what a custom backward returned is a leaf's gradient as it is.

# NOTE [Taken as it is] The engine makes a gradient the leaf's `.grad` without a copy where nobody else holds it.
Nobody holds a tensor that was made over an array or a pointer, but its memory is the program's: filled anew by the
next call, it is what that call's gradient is added to.  A write that moves the version counter is the program's way to
change a gradient (clipping, zeroing), and is taken for what was meant.
Source: torch/csrc/autograd/functions/accumulate_grad.h (``accumulateGrad``, case 1.1), torch 2.13.0.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.fingerprints import fingerprint, same
from gradsan.frameworks.torch.regions import REFUSALS

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit

MAX_TAKEN = 256


class Taken:
    """A leaf's gradient in memory of the program, and what it contained; something to watch by."""

    __slots__ = ("__weakref__", "gradient", "leaf", "mark", "name", "tensor", "version")

    def __init__(self, leaf: Any, gradient: Any, name: str) -> None:
        self.leaf = weakref.ref(leaf)
        self.gradient = weakref.ref(gradient)
        self.tensor = gradient.detach()
        self.name = name
        """Of the custom Function."""
        self.version = -1
        self.mark: object = None


class TakenGradients:
    """Compares the gradients that lie in memory of the program with what they were."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._returned: list[tuple[weakref.ref[Any], int, str]] = []
        """Leaves of this pass to whom a tensor over memory of the program was handed, and its address."""
        self._taken: list[Taken] = []

    def note(self, node: Any, result: Any, name: str) -> None:
        """Note what a custom backward returned for leaves."""
        returned = result if isinstance(result, tuple) else (result,)
        for (child, _), gradient in zip(node.next_functions, returned, strict=False):
            leaf = getattr(child, "variable", None)
            if leaf is not None and (address := _foreign_address(gradient)):
                self._returned.append((weakref.ref(leaf), address, name))

    def after_pass(self) -> None:
        """Find what has become a gradient as it is.

        Effect: compares it after each line from now on.
        """
        for reference, address, name in self._returned:
            leaf = reference()
            if leaf is None or _foreign_address(leaf.grad) != address or len(self._taken) >= MAX_TAKEN:
                continue
            if all(each.gradient() is not leaf.grad for each in self._taken):
                self._taken.append(Taken(leaf, leaf.grad, name))
        self._returned.clear()
        self.refresh()

    def refresh(self) -> None:
        """Forget gradients that were replaced, and take counted writes for what was meant."""
        for each in list(self._taken):
            leaf, gradient = each.leaf(), each.gradient()
            if leaf is None or gradient is None or leaf.grad is not gradient:
                self._forget(each)
            elif gradient._version != each.version:
                self._audit.unwatch(each)
                each.version = gradient._version
                each.mark = fingerprint(each.tensor, is_full=self._audit.is_full)
                self._audit.watch(each, each.tensor, each.mark)

    def overwritten(self) -> Iterator[Taken]:
        """Yield, once, the gradients that are other than they were although their version is the same."""
        for each in list(self._taken):
            gradient, now = each.gradient(), fingerprint(each.tensor, is_full=self._audit.is_full)
            if gradient is not None and gradient._version == each.version and not same(now, each.mark):
                yield each
                self._forget(each)

    def __bool__(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self._taken or self._returned)

    def _forget(self, taken: Taken) -> None:
        self._audit.unwatch(taken)
        self._taken.remove(taken)


def _foreign_address(gradient: Any) -> int:
    """Return where a tensor's memory lies if PyTorch did not allocate it; else 0."""
    if type(gradient) is not torch.Tensor:
        return 0
    try:
        storage = gradient.untyped_storage()
        return 0 if storage.resizable() else int(storage.data_ptr())
    except REFUSALS:
        return 0
