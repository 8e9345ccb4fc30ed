"""Gradients that are written in place while others wait for them.

# NOTE [Waiting gradients] The engine hands one buffer to several consumers of a sum.  A hook or a custom backward that
writes it in place mutates what the others get.  How many hold the buffer tells whether there are others: of what a
custom backward is given only its own handle does, of what a hook is given the engine too.  Hooks of modules are called
with buffers that the framework holds as well, which nothing tells apart; they are left to the audit.
Source: checked on torch 2.13.0.
"""

from __future__ import annotations

import inspect
import os
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import BackwardCFunction

from gradsan.frameworks.torch.modules import subject_of
from gradsan.frameworks.torch.restored import content_of
from gradsan.model.event import Needed, SequenceNumber, Version, Writer, Written
from gradsan.model.history import History, Witness
from gradsan.record.frames import UserCode, current_site, span_of

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

MAX_FRAMES = 8
IN_BACKWARD, IN_HOOK = 1, 2
"""How many hold a gradient for which nobody else waits."""

_MODULE_HOOKS = os.path.join("torch", "utils", "hooks.py")


class Waiting:
    """A gradient that is about to be written although others wait for it."""

    __slots__ = ("_before", "_code", "_tensor", "_version")

    def __init__(self, tensor: Any, code: CodeType) -> None:
        self._tensor = tensor
        self._code = code
        self._version = Version(tensor._version)
        self._before = content_of(tensor.untyped_storage())

    def tell(self, recorder: Recorder, operation: str) -> None:
        """Tell that it was written, if that is known to have mutated it or can't be read.

        Effect: tells the sessions.
        """
        with recorder.border():
            if self._before is not None and content_of(self._tensor.untyped_storage()) == self._before:
                return
            site, number = current_site(recorder.user_code), SequenceNumber(recorder.next_number())
            running = recorder.running[-1].site if recorder.running else None
            version = Version(self._tensor._version)
            written = Written(
                span=span_of(site),
                operation=operation,
                version_before=self._version,
                version=version,
                sequence=number,
                writer=Writer.BACKWARD,
            )
            span = span_of(running)
            needed = Needed(span=span, operation=self._code.co_name, version=version, sequence=number)
            note = (f"in `{self._code.co_name}`",)
            subject = subject_of(self._tensor)
            history = History(subject=subject, events=(written, needed), witness=Witness.GRADIENT, notes=note)
        recorder.tell(history)


def waiting_for(recorder: Recorder, tensor: Any, frame: FrameType) -> Waiting | None:
    """Return what is to be told of a write in a backward pass; None where nobody else waits for the tensor."""
    if type(tensor) is not torch.Tensor or tensor.requires_grad or tensor._use_count() <= IN_BACKWARD:  # type: ignore[attr-defined]
        return None
    found: Waiting | None = None
    with recorder.border():
        given = given_to(tensor, frame, recorder.user_code)
        if given is not None and tensor._use_count() > given[1]:  # type: ignore[attr-defined]
            found = Waiting(tensor, given[0])
    return found


def given_to(tensor: Any, frame: FrameType | None, user_code: UserCode) -> tuple[CodeType, int] | None:
    """Return the code of the user's function that the engine called with a tensor, alone or in a sequence.

    Beside it stands how many hold the tensor where nobody else waits for it.
    """
    for _ in range(MAX_FRAMES):
        if frame is None:
            return None
        caller = frame.f_back
        if user_code(frame.f_code) and caller is not None and not user_code(caller.f_code):
            names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
            given = [frame.f_locals.get(name) for name in names]
            if frame.f_code.co_flags & inspect.CO_VARARGS:
                given.append(frame.f_locals.get(frame.f_code.co_varnames[_at_varargs(frame.f_code)]))
            held = [each for value in given if isinstance(value, (tuple, list)) for each in value]
            if caller.f_code.co_filename.endswith(_MODULE_HOOKS) or not any(each is tensor for each in (*given, *held)):
                return None
            is_function = bool(given) and isinstance(given[0], BackwardCFunction)
            return frame.f_code, IN_BACKWARD if is_function else IN_HOOK
        frame = caller
    return None


def _at_varargs(code: CodeType) -> int:
    return code.co_argcount + code.co_kwonlyargcount
