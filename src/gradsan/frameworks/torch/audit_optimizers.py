"""Optimizers and gradients: state that is the gradient's own buffer, and gradients that are stepped with twice.

# NOTE [Kept by reference] ``state["previous"] = p.grad`` keeps the buffer, not the value: zeroing and accumulating the
next gradient overwrites it.  State that shares memory with a gradient is remembered after each step, and told when the
gradient is next written.

# NOTE [Stale gradients] ``other.grad = p.grad`` shares one tensor.  When `zero_grad` drops it from one of the leaves,
the next backward makes a new one for that leaf only, and an optimizer of the other steps with the old gradient again.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.modules import subject_of
from gradsan.frameworks.torch.optimizers import parameters_of
from gradsan.frameworks.torch.regions import key_of
from gradsan.frameworks.torch.silent_history import needed_at
from gradsan.model.history import History, TensorKind, Witness
from gradsan.record.frames import Site, current_site

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit

N_STEPS_LOOKED_AT = 3
"""Steps of an optimizer after which its state is looked at: what it keeps, it keeps from the first."""


class OptimizerAudit:
    """Follows gradients from step to step."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._n_steps: weakref.WeakKeyDictionary[Optimizer, int] = weakref.WeakKeyDictionary()
        self._kept: dict[int, tuple[weakref.ref[Any], str, str]] = {}
        """By key of a gradient's storage: the state tensor, its name, the optimizer."""
        self._stepped: dict[int, tuple[weakref.ref[Any], weakref.ref[Any], int]] = {}
        """By identity of a parameter: itself, its gradient at the last step, the gradient's version."""
        self._dropped: dict[int, tuple[weakref.ref[Any], Site | None]] = {}
        """By identity of a gradient: itself, and where one of its leaves dropped it."""
        self._handles: tuple[Any, ...] = ()

    def wrap(self, patches: Patches) -> None:
        """Hook steps, guard writes, wrap both `zero_grad`.

        Effect: until the patches are restored.
        """
        for owner in (torch.nn.Module, Optimizer):
            patches.set(owner, "zero_grad", self._zeroing(owner.zero_grad, owner is Optimizer))
        self._handles = (
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        )

    def unwrap(self) -> None:
        """Undo the hooks and the guard."""
        for handle in self._handles:
            handle.remove()
        self._audit.recorder.remove_guard(self._guard)

    def _after_step(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        if torch.compiler.is_compiling():
            return
        with self._audit.recorder.border():
            n_steps = self._n_steps[optimizer] = self._n_steps.get(optimizer, 0) + 1
            for parameter in parameters_of(optimizer):
                gradient = parameter.grad
                if gradient is None:
                    continue
                if n_steps <= N_STEPS_LOOKED_AT:
                    self._look_into_state(optimizer, parameter, gradient)
                self._stepped[id(parameter)] = weakref.ref(parameter), weakref.ref(gradient), gradient._version

    def _look_into_state(self, optimizer: Optimizer, parameter: Any, gradient: Any) -> None:
        key = None
        for name, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, torch.Tensor):
                key = key_of(gradient) if key is None else key
                if key is not None and key_of(value) == key:
                    self._kept[key] = weakref.ref(value), str(name), type(optimizer).__name__
                    self._audit.recorder.add_guard(self._guard)

    def _guard(self, tensor: Any, operation: str) -> None:
        if not self._kept:
            return
        kept = self._kept.pop(key_of(tensor) or 0, None)
        value = None if kept is None else kept[0]()
        if kept is None or value is None or operation.endswith(".step"):
            return
        with self._audit.recorder.border():
            site = current_site(self._audit.recorder.user_code)
            subject = subject_of(value, name=f"{kept[2]}.state[...]['{kept[1]}']")
            events = (self._audit.written(site, operation),)
            self._audit.tell(History(subject=subject, events=events, witness=Witness.KEPT_GRADIENT))

    def _zeroing(self, original: Callable[..., None], is_optimizer: bool) -> Callable[..., None]:
        @functools.wraps(original)
        def zero_grad(owner: Any, *args: Any, **kwargs: Any) -> None:
            if self._stepped and not torch.compiler.is_compiling():
                with self._audit.recorder.border():
                    self._note_dropped(parameters_of(owner) if is_optimizer else owner.parameters())
            original(owner, *args, **kwargs)

        return zero_grad

    def _note_dropped(self, parameters: Iterable[Any]) -> None:
        held = {id(gradient): entry for entry in self._stepped.values() if (gradient := entry[1]()) is not None}
        for parameter in parameters:
            gradient = parameter.grad
            entry = None if gradient is None else held.get(id(gradient))
            if entry is not None and entry[0]() is not parameter:
                site = current_site(self._audit.recorder.user_code)
                self._dropped[id(gradient)] = weakref.ref(gradient), site

    def _before_step(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        if not self._dropped or torch.compiler.is_compiling():
            return
        with self._audit.recorder.border():
            for parameter in parameters_of(optimizer):
                before, gradient = self._stepped.get(id(parameter)), parameter.grad
                dropped = self._dropped.get(id(gradient))
                if before is None or dropped is None or dropped[0]() is not before[1]():
                    continue
                is_same = gradient is before[1]()
                if gradient is not None and is_same and gradient._version == before[2]:
                    self._tell_stale(optimizer, parameter, dropped[1])

    def _tell_stale(self, optimizer: Optimizer, parameter: Any, site: Site | None) -> None:
        recorder = self._audit.recorder
        needed = needed_at(recorder, current_site(recorder.user_code), f"{type(optimizer).__name__}.step")
        subject = subject_of(parameter, kind=TensorKind.PARAMETER)
        events = (self._audit.written(site, "zero_grad"), needed)
        self._audit.tell(History(subject=subject, events=events, witness=Witness.STALE_GRADIENT))
