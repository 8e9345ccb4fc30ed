"""The lines of a source file, for showing them."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from typing import TypeAlias

LinesOf: TypeAlias = Callable[[str], Sequence[str]]
"""Returns the lines of a path, none where it can't be read."""


def read_lines(path: str) -> Sequence[str]:
    """Return the lines of a file, a notebook cell or a doctest; none where there is no such source.

    Effect: reads the file, in the encoding that it declares.
    """
    linecache.checkcache(path)
    try:
        return linecache.getlines(path)
    except (OSError, ValueError, MemoryError):
        return ()
