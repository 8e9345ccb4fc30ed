"""Custom Functions in a run that serves as a reference: what they save, and marks that the engine refuses.

# NOTE [Saved before written] The engine saves what `save_for_backward` was given when ``forward`` has returned.
Of what is marked dirty or returned, that is what backward wants.  Of anything else that ``forward`` wrote after it had
saved it, nobody knows which value backward was written for: nothing can be proven then.

# NOTE [Refused marks] A mark on a leaf, or on a tensor that is not returned, makes `apply` raise when ``forward`` has
already written.  A Function that marks gets a clone of each leaf, and marks of what is not returned are dropped.
"values" lets every alias see what was written; "replaced" lets none, see NOTE [Refused writes] in `witness`.  Any other
Function gets the leaves themselves: its backward may ask for the gradient of what it has saved (`torch.autograd.grad`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.regions import tensors_in
from gradsan.model.event import Refusal
from gradsan.record.observations import Observations, Refused

_Context = torch.autograd.function.FunctionCtx
SAVED_TOO_EARLY = "a custom Function overwrites what it has saved: which value its backward means can't be told"
_SETUP = torch.autograd.Function.setup_context


@dataclass(slots=True)
class Given:
    """The tensors of one call of a Function."""

    clones: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)
    """The leaves, and what stands in for each."""
    before: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)
    """The others, and what they held."""
    unreturned: list[torch.Tensor] = field(default_factory=list)
    marked: list[torch.Tensor] = field(default_factory=list)


class OwnFunctions:
    """Lets custom Functions run whose marks the engine refuses.

    Args:
        patches: What holds the wrapped attributes.
        observations: Where a refused mark is noted.
        is_seen: Whether aliases see what a refused mark stands for.
    """

    def __init__(self, patches: Patches, observations: Observations, *, is_seen: bool) -> None:
        self._patches = patches
        self._observations = observations
        self._is_seen = is_seen
        self._wrapped: set[Any] = set()
        self._calls: list[Given] = []
        self._saved: list[list[tuple[torch.Tensor, int]]] = []

    def wrap(self) -> None:
        """Wrap the entrances of Functions.

        Effect: until the patches are restored.
        """
        apply = torch.autograd.Function.__dict__["apply"].__func__
        self._patches.set(torch.autograd.Function, "apply", classmethod(self._applied(apply)))
        self._patches.set(_Context, "save_for_backward", self._saving(_Context.save_for_backward))

    def _applied(self, apply: Callable[..., Any]) -> Callable[..., Any]:
        def apply_to_own(cls: Any, *args: Any, **kwargs: Any) -> Any:
            if cls.__module__.partition(".")[0] == "torch" or cls.setup_context is not _SETUP:
                return apply(cls, *args, **kwargs)
            self._wrap_forward(cls)
            given = Given()
            with torch.no_grad():
                given.before = [(each, each.clone()) for each in args if _is_step(each)]
            own = [self._own(each, given) for each in args] if _marks(cls.forward) else args
            self._calls.append(given)
            try:
                result = apply(cls, *own, **kwargs)
            finally:
                self._calls.pop()
            self._settle(given)
            return result

        return apply_to_own

    def _own(self, value: Any, given: Given) -> Any:
        if not (isinstance(value, torch.Tensor) and value.is_leaf and value.requires_grad and torch.is_grad_enabled()):
            return value
        clone = value.clone()
        given.clones.append((value, clone))
        return clone

    def _settle(self, given: Given) -> None:
        """Note what was refused, and let aliases see it or not."""
        leaves = [leaf for leaf, clone in given.clones if any(clone is each for each in given.marked)]
        for tensor in (*leaves, *given.unreturned):
            is_parameter = isinstance(tensor, torch.nn.Parameter)
            self._observations.refused.append(
                Refused(Refusal.DIRTY_MARK.value, is_on_leaf=tensor.is_leaf, is_on_parameter=is_parameter, cuts=False)
            )
        with torch.no_grad():
            for leaf, clone in given.clones:
                if self._is_seen and clone._version:
                    leaf.data.copy_(clone)
            for tensor, before in given.before:
                if not self._is_seen and any(tensor is each for each in given.unreturned):
                    tensor.data.copy_(before)

    def _wrap_forward(self, cls: Any) -> None:
        if cls in self._wrapped:
            return
        self._wrapped.add(cls)
        forward = cls.forward

        @functools.wraps(forward)
        def run(ctx: Any, *args: Any, **kwargs: Any) -> Any:
            self._saved.append([])
            try:
                result = forward(ctx, *args, **kwargs)
            finally:
                saved = self._saved.pop()
            self._look(ctx, saved, result)
            return result

        self._patches.set(cls, "forward", staticmethod(run))

    def _look(self, ctx: Any, saved: list[tuple[torch.Tensor, int]], result: Any) -> None:
        given = self._calls[-1]
        returned = list(tensors_in(result))
        marked = [each for each in ctx.dirty_tensors or () if isinstance(each, torch.Tensor)]
        given.marked = marked
        given.unreturned = [each for each in marked if not any(each is other for other in returned)]
        if given.unreturned:
            ctx.dirty_tensors = tuple(each for each in marked if any(each is other for other in returned))
        meant = {id(each) for each in (*marked, *returned)}
        if any(tensor._version != version and id(tensor) not in meant for tensor, version in saved):
            self._observations.problems.append(SAVED_TOO_EARLY)  # NOTE [Saved before written]
        written = {id(tensor) for tensor in given.unreturned}
        if ctx.to_save and written:
            with torch.no_grad():
                ctx.to_save = tuple(each.clone() if id(each) in written else each for each in ctx.to_save)

    def _saving(self, save_for_backward: Callable[..., None]) -> Callable[..., None]:
        def save(ctx: Any, *tensors: Any) -> None:
            save_for_backward(ctx, *tensors)
            if self._saved:
                self._saved[-1] += [(each, each._version) for each in tensors if isinstance(each, torch.Tensor)]

        return save


def _marks(forward: Callable[..., Any]) -> bool:
    """Whether a ``forward`` may mark what it was given: it names `mark_dirty`, or nobody can read it."""
    code = getattr(inspect.unwrap(forward), "__code__", None)
    return code is None or "mark_dirty" in code.co_names


def _is_step(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and not (value.is_leaf and value.requires_grad)
