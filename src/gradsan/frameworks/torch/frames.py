"""What the stack tells: the user's frame, the module that runs."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FrameType
from typing import TypeAlias

import torch

from gradsan.frameworks.torch.modules import module_of_frame
from gradsan.record.frames import UserCode

_APPLY: CodeType = torch.autograd.Function.apply.__func__.__code__  # type: ignore[attr-defined]

UserFrame: TypeAlias = tuple[CodeType | None, int, Callable[[], object] | None]
"""The user's code and offset, and a weak reference to the framework's module that wrote for it."""


def user_frame(user_code: UserCode, frame: FrameType | None) -> UserFrame:
    """Return the innermost frame of user code, and the framework's module that ran for it."""
    answers = user_code.answers
    agent = None
    while frame is not None:
        code = frame.f_code
        is_user = answers.get(code.co_filename)
        if is_user or (is_user is None and user_code(code)):
            return code, frame.f_lasti, agent
        if agent is None and code.co_name == "forward":
            agent = module_of_frame(frame)
        frame = frame.f_back
    return None, -1, agent


def is_in_apply(frame: FrameType | None) -> bool:
    """Return whether a custom Function is being applied: its forward is on the stack."""
    while frame is not None:
        if frame.f_code is _APPLY:
            return True
        frame = frame.f_back
    return False


def module_near(frame: FrameType | None) -> Callable[[], object] | None:
    """Return the framework's module in whose ``forward``, or one call below it, a frame runs."""
    for _ in range(3):
        if frame is None:
            break
        if frame.f_code.co_name == "forward":
            return module_of_frame(frame)
        frame = frame.f_back
    return None


def is_in_forward(frame: FrameType | None) -> bool:
    """Return whether a module's forward is on the stack."""
    while frame is not None:
        if frame.f_code.co_name == "_call_impl" and "nn" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False
