"""The text of a program's files, whatever they are: files in any declared encoding, notebook cells, doctests, stdin."""

from __future__ import annotations

import linecache


def lines_of(path: str) -> list[str]:
    """Return the lines of a source, each with its line end; none where it can't be read.

    Effect: reads the file when it is new or was edited since.  What the interpreter was given without a file (a
    notebook cell, a doctest, code typed in) is found where Python itself looks when it prints a traceback.
    """
    try:
        linecache.checkcache(path)
        return linecache.getlines(path)
    except (OSError, ValueError, MemoryError):
        return []


def text_of(path: str) -> str:
    """Return the text of a source; empty where it can't be read."""
    return "".join(lines_of(path))
