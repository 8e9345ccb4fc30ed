"""Warnings raised below a wrapper: told at the program's line, as often as without us.

# NOTE [Places of warnings] The engine warns on behalf of the innermost Python frame.  Below a wrapper that is ours: the
warning would name our file, and would be shown once for all of the program's lines.  What is about to be shown for a
frame of ours is therefore raised again for the frame that called us, whose filters and registry decide.
Source: torch/csrc/Exceptions.cpp (`PyErr_WarnEx`, stack level 1), torch 2.13.0; Python/_warnings.c, 3.10 to 3.14.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from gradsan.record.frames import is_ours

if TYPE_CHECKING:
    from gradsan.frameworks.torch.doors import Patches

Show = Callable[[Any], None]


def place_warnings(patches: Patches) -> None:
    """Let warnings be told where they are told without us; see NOTE [Places of warnings].

    Effect: until the patches are restored.
    """
    if hasattr(warnings, "_showwarnmsg"):  # Python 3.6 to 3.14
        patches.set(warnings, "_showwarnmsg", _placed(warnings._showwarnmsg))


def _placed(original: Show) -> Show:
    @functools.wraps(original)
    def show(message: Any) -> None:
        frame = _caller_of_ours(sys._getframe(1), message.filename) if is_ours(message.filename) else None
        if frame is None:
            original(message)
        else:
            _warn_again(message, frame)

    return show


def _caller_of_ours(frame: FrameType | None, filename: str) -> FrameType | None:
    while frame is not None and frame.f_code.co_filename != filename:
        frame = frame.f_back
    if frame is not None:
        frame.f_globals.get("__warningregistry__", {}).clear()  # our frame stands for many of the program's
    while frame is not None and is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def _warn_again(message: Any, frame: FrameType) -> None:
    names = frame.f_globals
    warnings.warn_explicit(
        message.message,
        message.category,
        frame.f_code.co_filename,
        frame.f_lineno,
        names.get("__name__"),
        names.setdefault("__warningregistry__", {}),
        names,
        message.source,
    )
