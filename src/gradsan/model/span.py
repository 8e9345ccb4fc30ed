"""Where in the source something stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of source code.

    Lines and columns count from 1; ``end_column`` is exclusive; columns count characters, not bytes.
    ``path`` is absolute where the file exists, else the name the interpreter gave it (``<stdin>``, a notebook cell).
    ``function`` is the qualified name of the enclosing function, ``<module>`` at top level.
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    function: str = "<module>"
