"""What a notebook shows of an object: IPython calls ``_repr_pretty_`` where there is one, also inside of tuples."""

from __future__ import annotations

from typing import Protocol


class Printer(Protocol):
    """The part of `IPython.lib.pretty.RepresentationPrinter` that we use."""

    def text(self, text: str) -> None:
        """Add text to what is shown."""
