"""One row of characters, written to in any order."""

from __future__ import annotations

from gradsan.report.cells import cell_width
from gradsan.report.styled import Line, Segment, Style


class Canvas:
    """A row of cells.  What is put later stands on top."""

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        self._cells: dict[int, tuple[str, Style]] = {}

    def put(self, at: int, text: str, style: Style) -> None:
        """Write a text from a cell on."""
        for character in text:
            width = cell_width(character)
            if width == 0 and at - 1 in self._cells:
                before, before_style = self._cells[at - 1]
                self._cells[at - 1] = (before + character, before_style)
                continue
            self._cells[at] = (character, style)
            for extra in range(1, width):
                self._cells[at + extra] = ("", style)
            at += width

    def put_below(self, at: int, text: str, style: Style) -> None:
        """Write a text of narrow characters only where nothing stands yet."""
        for offset, character in enumerate(text):
            self._cells.setdefault(at + offset, (character, style))

    def segments(self, width: int = 0) -> Line:
        """Return the row, at least ``width`` cells wide."""
        out: list[Segment] = []
        for at in range(max(width, max(self._cells, default=-1) + 1)):
            text, style = self._cells.get(at, (" ", Style.PLAIN))
            if out and out[-1].style is style:
                out[-1] = Segment(out[-1].text + text, style)
            else:
                out.append(Segment(text, style))
        return tuple(out)
