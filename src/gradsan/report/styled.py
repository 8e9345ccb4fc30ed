"""Lines of styled text: plain, or with terminal escapes; the SVG picture is made from the same lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum


class Style(Enum):
    """What a stretch of text is; the colour follows from it.  The value is the terminal's SGR parameter."""

    PLAIN = ""
    STRONG = "1"
    ERROR = "1;31"
    WARNING = "1;33"
    NOTE = "1;36"
    HELP = "1;32"
    GUTTER = "1;34"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of one line in one style."""

    text: str
    style: Style = Style.PLAIN


Line = tuple[Segment, ...]


def plain(line: Iterable[Segment]) -> str:
    """Return the text of a line without its styles."""
    return "".join(segment.text for segment in line).rstrip()


def ansi(line: Sequence[Segment]) -> str:
    """Return the text of a line with escape sequences."""
    return "".join(_escaped(segment) for segment in trimmed(line))


def trimmed(line: Sequence[Segment]) -> Line:
    """Return a line without blanks at its end."""
    kept = list(line)
    while kept and not kept[-1].text.rstrip():
        kept.pop()
    if kept:
        kept[-1] = Segment(kept[-1].text.rstrip(), kept[-1].style)
    return tuple(kept)


def _escaped(segment: Segment) -> str:
    if segment.style is Style.PLAIN or not segment.text:
        return segment.text
    return f"\x1b[{segment.style.value}m{segment.text}\x1b[0m"
