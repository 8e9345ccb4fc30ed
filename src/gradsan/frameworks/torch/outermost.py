"""The function that a program hands itself over to, and the names that it leaves behind.

# NOTE [Programs in a function] Most programs end in ``main()``: no global name leads to what they compute.  A frame
that somebody holds keeps its names when its function has returned.  The one that is held is the outermost of the
program's functions that was on the stack of the latest backward pass or step: ``main``, or what a loop of the script
called last.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from types import FrameType
from typing import Any


class Outermost:
    """Holds the frame of the outermost function of a program.

    Args:
        files: The program's source files, by absolute path.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self._files = frozenset(files)
        self._frame: FrameType | None = None

    def note(self, frame: FrameType | None) -> None:
        """Hold the outermost function on a stack; see NOTE [Programs in a function].

        Args:
            frame: The innermost frame of the stack.
        """
        found = None
        while frame is not None:
            code = frame.f_code
            if not code.co_name.startswith("<") and _absolute(code.co_filename) in self._files:  # no module, no lambda
                found = frame
            frame = frame.f_back
        self._frame = found or self._frame

    def names(self) -> dict[str, Any]:
        """Return the names of the function that is held, told as ``main().model``."""
        if self._frame is None:
            return {}
        function = self._frame.f_code.co_name
        own = {name: value for name, value in self._frame.f_locals.items() if not name.startswith("__")}
        return {f"{function}().{name}": value for name, value in own.items()}


@cache
def _absolute(filename: str) -> str:
    return os.path.abspath(filename)
