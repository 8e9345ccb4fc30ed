"""The lines of a source file, for showing them."""

from __future__ import annotations

import linecache
import sys
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


def cell_name(path: str) -> str | None:
    """Return what IPython calls a cell in its tracebacks, ``Cell In[3]``; None for what is no cell of this process.

    Source: `IPython.core.compilerop.CachingCompiler.format_code_name`, IPython 8 and 9.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    names = getattr(getattr(shell, "compile", None), "format_code_name", None)
    name = names(path) if names is not None else None
    return None if name is None else " ".join(name)
