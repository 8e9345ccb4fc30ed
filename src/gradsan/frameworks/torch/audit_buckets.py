"""Gradients that were views of one buffer: what is left of it when they are dropped.

# NOTE [Views of a buffer] ``p.grad = bucket[a:b].view_as(p)`` lets backward fill a buffer that is then reduced, clipped
or stepped as a whole.  `zero_grad` drops the views (``set_to_none`` is the default since torch 2.0), the next backward
makes gradients of their own, and the buffer keeps what it had.  It is told at an optimizer's step for a leaf that has
such a gradient and that no optimizer owns, while nothing has been filled into the buffer: what is stepped can only be
made of that.  A program that fills it (``view.copy_(p.grad)``), or gives the views anew, has taken care of it.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.modules import subject_of
from gradsan.frameworks.torch.optimizers import owners_of, parameters_of
from gradsan.frameworks.torch.regions import key_of
from gradsan.frameworks.torch.silent_history import needed_at
from gradsan.model.history import History, TensorKind, Witness
from gradsan.record.frames import Site, current_site

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit

MAX_VIEWS = 4096
_SCALES = frozenset({"mul_", "div_", "__imul__", "__itruediv__", "zero_"})
"""What does not fill a buffer that holds nothing new."""


class View:
    """A leaf whose gradient was a view of a buffer."""

    __slots__ = ("buffer", "leaf", "order", "site")

    def __init__(self, leaf: Any, buffer: Any) -> None:
        self.leaf, self.buffer = weakref.ref(leaf), weakref.ref(buffer)
        self.site: Site | None = None
        self.order = -1
        """When the view was dropped; -1 while it is the gradient."""


class BucketAudit:
    """Follows gradients that the program made views of a buffer."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._views: dict[int, View] = {}
        """By identity of a leaf."""
        self._patches = Patches()
        self._remove: Callable[[], None] = _remove_nothing

    def note(self, leaf: Any) -> None:
        """Note that a leaf was given a gradient.

        Effect: the first view of a buffer hooks steps and wraps both `zero_grad`, until `unwrap`.
        """
        buffer = leaf.grad._base
        if buffer is None or buffer.numel() <= leaf.numel() or len(self._views) >= MAX_VIEWS:
            self._views.pop(id(leaf), None)
            return
        if not self._views:
            self.unwrap()
            for owner in (torch.nn.Module, Optimizer):
                self._patches.set(owner, "zero_grad", self._zeroing(owner.zero_grad, owner is Optimizer))
            self._remove = register_optimizer_step_pre_hook(self._before_step).remove
        self._views[id(leaf)] = View(leaf, buffer)

    def unwrap(self) -> None:
        """Undo what the first view led to."""
        self._patches.restore()
        self._remove()
        self._remove = _remove_nothing

    def _zeroing(self, original: Callable[..., None], is_optimizer: bool) -> Callable[..., None]:
        @functools.wraps(original)
        def zero_grad(owner: Any, *args: Any, **kwargs: Any) -> None:
            original(owner, *args, **kwargs)
            if not torch.compiler.is_compiling():
                with self._audit.recorder.border():
                    self._note_dropped(parameters_of(owner) if is_optimizer else owner.parameters())

        return zero_grad

    def _note_dropped(self, leaves: Iterable[Any]) -> None:
        for leaf in leaves:
            view = self._views.get(id(leaf))
            if view is not None and view.order < 0 and leaf.grad is None and view.leaf() is leaf:
                view.order = self._audit.recorder.writes.next_order()
                view.site = current_site(self._audit.recorder.user_code)

    def _before_step(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        dropped = [view for view in self._views.values() if view.order >= 0]
        if not dropped or torch.compiler.is_compiling():
            return
        with self._audit.recorder.border():
            stale = next((view for view in dropped if self._is_stale(view)), None)
            if stale is not None:
                self._views.clear()
                self._tell(stale, optimizer)

    def _is_stale(self, view: View) -> bool:
        leaf, buffer = view.leaf(), view.buffer()
        if leaf is None or buffer is None or leaf.grad is None or key_of(leaf.grad) == (key := key_of(buffer)):
            return False
        log = None if key is None else self._audit.recorder.writes.find(key)
        since = [run for run in log.runs if run.last_order > view.order] if log is not None else []
        if any(run.operation not in _SCALES for run in since):
            return False
        return not any(True for _ in owners_of(leaf))

    def _tell(self, view: View, optimizer: Optimizer) -> None:
        recorder = self._audit.recorder
        needed = needed_at(recorder, current_site(recorder.user_code), f"{type(optimizer).__name__}.step")
        leaf: Any = view.leaf()
        subject = subject_of(leaf, kind=TensorKind.PARAMETER)
        events = (self._audit.written(view.site, "zero_grad"), needed)
        self._audit.tell(History(subject=subject, events=events, witness=Witness.DROPPED_VIEW))


def _remove_nothing() -> None:
    """Stand in for what removes a hook."""
