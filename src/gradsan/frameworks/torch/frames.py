"""What the stack tells: the user's frame, the module that runs."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from threading import get_ident
from types import CodeType, FrameType
from typing import TYPE_CHECKING, TypeAlias

import torch

from gradsan.frameworks.torch.modules import module_of_frame
from gradsan.record.frames import Site, UserCode, site_in_program
from gradsan.record.writes import WrittenAt

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

_APPLY: CodeType = torch.autograd.Function.apply.__func__.__code__  # type: ignore[attr-defined]

UserFrame: TypeAlias = tuple[CodeType | None, int, Callable[[], object] | None]
"""The user's code and offset, and a weak reference to the framework's module that wrote for it."""


def user_frame(user_code: UserCode, frame: FrameType | None) -> UserFrame:
    """Return the innermost frame of user code, and the framework's module that ran for it."""
    answers = user_code.answers
    agent = None
    while frame is not None:
        code = frame.f_code
        if answers.get(code.co_filename) is not False and user_code.is_followed(code):
            return code, frame.f_lasti, agent
        if agent is None and code.co_name == "forward":
            agent = module_of_frame(frame)
        frame = frame.f_back
    return None, -1, agent


def written_at(user_code: UserCode, frame: FrameType | None) -> WrittenAt:
    """Return for whom a frame writes: as `user_frame`, the position as in the clock, and the program's own line."""
    code, offset, agent = user_frame(user_code, frame)
    in_program = None if code is None else site_in_program(user_code, Site(code, offset))
    return code, -1 - offset, agent, in_program


def place_on(recorder: Recorder) -> Callable[[FrameType], UserFrame]:
    """Return what tells for whom a frame of the framework writes: the code, the position in it, the module near.

    A position is a line number or ``-1 - offset``, as in the line clock, which knows the user's line already; without
    it, or where it does not follow, the stack is walked.
    """
    user_code, clock, paused = recorder.user_code, recorder.clock.local, recorder.clock.paused
    users, get_trace, in_reach = user_code.users, sys.gettrace, recorder.clock.idle.in_reach

    def place(frame: FrameType) -> UserFrame:
        # NOTE [Hot path] in `wrappers`
        timeline, thread = clock.timeline, get_ident()
        code, position = (None, 0) if timeline is None else timeline.entries[-1][1:]
        # NOTE [Idle with values in reach]: such a function may write, and the clock does not know its lines.
        if code is None or in_reach or not (thread in paused or clock.tracer is None or clock.tracer is get_trace()):
            recorder.clock.regain()
            code, offset, agent = user_frame(user_code, frame)
            return code, -1 - offset, agent
        near: FrameType | None = frame
        for _ in range(3):
            if near is None:
                break
            if near.f_code.co_filename in users:
                return near.f_code, -1 - near.f_lasti, None
            if near.f_code.co_name == "forward":
                module = paused.get(thread)  # the youngest one that passed a gate; another may run
                if getattr(getattr(module, "forward", None), "__code__", None) is not near.f_code:
                    return code, position, module_of_frame(near)
                return code, position, weakref.ref(module)
            near = near.f_back
        return code, position, None

    return place


def is_in_apply(frame: FrameType | None) -> bool:
    """Return whether a custom Function is being applied: its forward is on the stack."""
    return is_running(_APPLY, frame)


def is_running(code: CodeType, frame: FrameType | None) -> bool:
    """Return whether code runs at or above a frame."""
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False


def is_in_forward(frame: FrameType | None) -> bool:
    """Return whether a module's forward is on the stack."""
    return _call_of_module(frame) is not None


def is_in_training(frame: FrameType | None) -> bool:
    """Return whether the innermost module whose forward is on the stack is in training mode."""
    call = _call_of_module(frame)
    return call is not None and bool(getattr(call.f_locals.get("self"), "training", False))


def _call_of_module(frame: FrameType | None) -> FrameType | None:
    while frame is not None:
        if frame.f_code.co_name == "_call_impl" and "nn" in frame.f_code.co_filename:
            return frame
        frame = frame.f_back
    return None
