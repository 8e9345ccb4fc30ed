"""How wide characters are on a terminal, so that an underline stands below what it underlines."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

TAB = "    "
"""A tab is drawn as four blanks, wherever it stands."""

_UNPRINTABLE = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
_WIDTHLESS = {"Mn", "Me", "Cf"}


def cell_width(character: str) -> int:
    """Return how many terminal cells a character takes: 0 for combining ones, 2 for wide ones."""
    if character < "\x7f":
        return 1
    if unicodedata.category(character) in _WIDTHLESS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def text_width(text: str) -> int:
    """Return how many terminal cells a text takes."""
    return sum(map(cell_width, text))


@dataclass(frozen=True, slots=True)
class Drawn:
    """A source line as it is drawn.

    ``pieces`` holds what is drawn for each character, ``starts`` the cell at which it begins; ``starts`` has one entry
    more, the width of the whole line.
    """

    pieces: tuple[str, ...]
    starts: tuple[int, ...]

    @property
    def width(self) -> int:
        """The width of the whole line, in cells."""
        return self.starts[-1]

    def cell(self, offset: int) -> int:
        """Return the cell at which the character of an offset begins; past the end, cells go on."""
        if offset < len(self.starts):
            return self.starts[max(offset, 0)]
        return self.width + offset - len(self.pieces)

    def between(self, start: int, end: int) -> str:
        """Return what is drawn from one cell to another; a wide character that is cut becomes blanks."""
        out = []
        for piece, at, after in zip(self.pieces, self.starts, self.starts[1:], strict=False):
            if at >= start and after <= end:
                out.append(piece)
            elif at < end and after > start:
                out.append(" " * (min(after, end) - max(at, start)))
        return "".join(out)


def draw(line: str, encoding: str = "utf-8") -> Drawn:
    """Return a source line as it is drawn in an encoding: tabs as blanks, what can't be shown as ``?``."""
    pieces = [_piece(character, encoding) for character in line.rstrip("\r\n")]
    starts = [0]
    for piece in pieces:
        starts.append(starts[-1] + text_width(piece))
    return Drawn(tuple(pieces), tuple(starts))


def printable(text: str, encoding: str = "utf-8") -> str:
    """Return a text with every character that can't be shown in an encoding replaced."""
    return "".join(_piece(character, encoding) for character in text)


def ellipsis(encoding: str = "utf-8") -> str:
    """Return the sign for text left out."""
    return "…" if is_utf8(encoding) else "..."


def is_utf8(encoding: str) -> bool:
    """Whether an encoding is UTF-8, by whatever spelling."""
    return encoding.lower().replace("-", "").replace("_", "") in {"utf8", "utf8sig", "cp65001"}


def _piece(character: str, encoding: str) -> str:
    if character == "\t":
        return TAB
    if unicodedata.category(character) in _UNPRINTABLE:
        return "?"
    if character > "\x7e" and not is_utf8(encoding):
        try:
            character.encode(encoding)
        except (UnicodeEncodeError, LookupError):
            return "?" * cell_width(character)
    return character
