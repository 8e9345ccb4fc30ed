"""Inputs that a custom forward gives to ``save_for_backward`` and overwrites after that.

# NOTE [Saved at the end] ``save_for_backward`` keeps a list; the engine saves what is in it when forward has ended,
with the version of then.  An input that forward overwrites in between reaches backward overwritten, and no version
tells.
What is announced with ``mark_dirty`` is left alone: backward may be written for the result.
Source: torch/csrc/autograd/python_function.cpp (_save_variables); checked on torch 2.13.0.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import FunctionCtx

from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.fingerprints import fingerprint
from gradsan.frameworks.torch.marked import Marked

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit


class SavedInputs:
    """What each context was given to save and to mark, until its forward has ended."""

    def __init__(self, audit: Audit, is_users: Callable[[Any], bool]) -> None:
        self._audit = audit
        self._is_users = is_users
        self._given: weakref.WeakKeyDictionary[Any, list[Marked]] = weakref.WeakKeyDictionary()
        self._announced: weakref.WeakKeyDictionary[Any, tuple[Any, ...]] = weakref.WeakKeyDictionary()

    def wrap(self, patches: Patches) -> None:
        """Wrap what a forward calls on its context.

        Effect: until the patches are restored.
        """
        for name, note in (("save_for_backward", self._save), ("mark_dirty", self._mark)):
            patches.set(FunctionCtx, name, self._noting(getattr(FunctionCtx, name), note))

    def overwritten(self, context: Any, inputs: Sequence[Marked]) -> list[Marked]:
        """Return the inputs that were overwritten after they were given to be saved, as they were then.

        Effect: forgets what the context was given.
        """
        given, announced = self._given.pop(context, ()), self._announced.pop(context, ())
        return [
            each
            for each in given
            if each.tensor._version != each.version
            and any(each.tensor is one.tensor for one in inputs)
            and not any(each.tensor is one for one in announced)
            and each.differs(is_full=self._audit.is_full)
        ]

    def _noting(self, original: Callable[..., None], note: Callable[[Any, Any], None]) -> Callable[..., None]:
        @functools.wraps(original)
        def noted(context: Any, *tensors: Any) -> None:
            original(context, *tensors)
            if not torch.compiler.is_compiling() and self._is_users(getattr(context, "_forward_cls", None)):
                with self._audit.recorder.border():
                    note(context, tensors)

        return noted

    def _save(self, context: Any, tensors: tuple[Any, ...]) -> None:
        is_full, given = self._audit.is_full, []
        for each in tensors:
            mark = fingerprint(each, is_full=is_full) if isinstance(each, torch.Tensor) else None
            if mark is not None:
                given.append(Marked("input", each, mark))
        self._given[context] = given

    def _mark(self, context: Any, tensors: tuple[Any, ...]) -> None:
        self._announced[context] = tensors
