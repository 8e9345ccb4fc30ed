"""What each backward pass computes: its roots, and the leaves that it reaches with their gradients.

# NOTE [Leaves of regions] A reentrant region is differentiated by a backward of its own, inside the one that reaches
# it: the leaves that it meets belong to the outer pass, and its inputs, cut off for it, are no leaves.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from threading import get_ident
from typing import Any

import torch
import torch.utils.checkpoint
from torch.utils.weak import WeakTensorKeyDictionary

from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.graph import leaves_of
from gradsan.frameworks.torch.outermost import Outermost
from gradsan.frameworks.torch.state import sample_of, walk
from gradsan.record.observations import BackwardPass, Leaf, Observations, Sample

MAX_PASSES_WITH_LEAVES = 200
_SEEN = "gradsan has seen a backward from here"


class Passes:
    """Notes each backward pass of a program.

    Args:
        observations: Where it is noted.
        read: Whose ``.grad`` somebody has asked for since the last pass.
        outermost: Told of the stack of each pass.
    """

    def __init__(self, observations: Observations, read: Any, outermost: Outermost) -> None:
        self._observations = observations
        self._read = read
        self._outermost = outermost
        self._depths: dict[int, int] = {}
        self._inner: dict[int, list[tuple[torch.Tensor, Sample | None]]] = {}
        self._cut_off: Any = WeakTensorKeyDictionary()
        """The inputs of reentrant regions, as these are run again."""
        self._reached: list[tuple[BackwardPass, list[weakref.ref[torch.Tensor]]]] = []
        """The leaves of each pass; they are named at the end."""

    def wrap(self, patches: Patches) -> None:
        """Wrap the entrance of the engine.

        Effect: until the patches are restored.
        """
        engine: Any = torch.autograd
        regions: Any = torch.utils.checkpoint
        patches.set(regions, "detach_variable", self._cutting(regions.detach_variable))
        patches.set(engine, "_engine_run_backward", self._backward(engine._engine_run_backward))

    def _backward(self, engine: Callable[..., Any]) -> Callable[..., Any]:
        def run_backward(roots: Any, *args: Any, **kwargs: Any) -> Any:
            thread = get_ident()
            depth = self._depths.get(thread, 0)
            if torch._guards.TracingContext.try_get() is not None:  # a compiler differentiates what it compiles
                return engine(roots, *args, **kwargs)
            if depth:
                self._note_inner(roots)
                return engine(roots, *args, **kwargs)
            self._depths[thread] = depth + 1
            try:
                return self._noted(engine, roots, args, kwargs)
            finally:
                self._depths[thread] = depth

        return run_backward

    def _noted(self, engine: Callable[..., Any], roots: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        passes = self._observations.passes
        self._outermost.note(sys._getframe(1))
        noted = BackwardPass(tuple(sample_of(root) for root in roots), is_again=_are_again(roots))
        passes.append(noted)
        leaves = list(leaves_of(roots)) if len(passes) <= MAX_PASSES_WITH_LEAVES else []
        unread = [leaf for leaf in leaves if leaf not in self._read]
        values = [sample_of(leaf) for leaf in leaves]
        result = engine(roots, *args, **kwargs)
        for leaf, value in self._inner.pop(get_ident(), ()):  # NOTE [Leaves of regions]
            if not any(leaf is each for each in leaves):
                leaves.append(leaf)
                values.append(value)
        noted.leaves = tuple(Leaf(value, sample_of(leaf.grad)) for leaf, value in zip(leaves, values, strict=True))
        self._reached.append((noted, [weakref.ref(leaf) for leaf in leaves]))
        for leaf in unread:
            self._read.pop(leaf, None)
        if isinstance(result, (tuple, list)):
            noted.returned = tuple(sample_of(grad) for grad in result)
        noted.is_complete = True
        return result

    def name_leaves(self, names: dict[str, Any]) -> None:
        """Name the leaves of all passes by the paths that lead to them now."""
        paths = {id(tensor): path for path, tensor in walk(names) if isinstance(tensor, torch.Tensor)}
        for noted, leaves in self._reached:
            living = [leaf() for leaf in leaves]
            named = [paths.get(id(leaf), "") if leaf is not None else "" for leaf in living]
            noted.leaves = tuple(replace(leaf, name=name) for leaf, name in zip(noted.leaves, named, strict=True))

    def _note_inner(self, roots: Any) -> None:
        """See NOTE [Leaves of regions]."""
        if len(self._observations.passes) > MAX_PASSES_WITH_LEAVES:
            return
        found = self._inner.setdefault(get_ident(), [])
        found += [(leaf, sample_of(leaf)) for leaf in leaves_of(roots) if leaf not in self._cut_off]

    def _cutting(self, detach_variable: Callable[..., Any]) -> Callable[..., Any]:
        def detach(inputs: Any) -> Any:
            given = detach_variable(inputs)
            for each in given:
                if isinstance(each, torch.Tensor):
                    self._cut_off[each] = True
            return given

        return detach


def _are_again(roots: Any) -> bool:
    """Whether one of the roots has been here before; all of them have, from now on."""
    nodes: list[Any] = [root.grad_fn for root in roots if isinstance(root, torch.Tensor) and root.grad_fn is not None]
    found = any(_SEEN in node.metadata for node in nodes)
    for node in nodes:
        node.metadata[_SEEN] = True
    return found
