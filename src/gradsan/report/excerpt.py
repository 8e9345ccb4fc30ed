"""An excerpt of one source file with labelled underlines, in the shape that rustc made familiar."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gradsan.report.brackets import Bracket, assign_columns
from gradsan.report.canvas import Canvas
from gradsan.report.cells import Drawn, draw, ellipsis, printable, text_width
from gradsan.report.styled import Line, Segment, Style

_ROOM = 24
"""Cells that a label below its underline wants to its right before the source line is cropped for it."""
_CONTEXT = 4
"""Cells of source kept before an underline in a cropped line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A stretch to underline and what to say about it; lines from 1, offsets in characters from 0, end exclusive."""

    line: int
    start: int
    end_line: int
    end: int
    text: str
    style: Style
    sign: str = "-"

    @property
    def is_multiline(self) -> bool:
        """Whether the stretch spans several lines."""
        return self.end_line > self.line


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What an excerpt is drawn on.

    ``gutter`` is the width of the line numbers, ``width`` that of the whole paper, in cells.
    """

    gutter: int
    width: int = 80
    encoding: str = "utf-8"

    @property
    def room(self) -> int:
        """Cells right of the gutter and its bar."""
        return max(self.width - self.gutter - 3, 30)

    def numbered(self, number: int | None, segments: Iterable[Segment]) -> Line:
        """Return a line with its number, or none, in the gutter."""
        left = "" if number is None else str(number)
        return (Segment(f"{left:>{self.gutter}} | ", Style.GUTTER), *segments)


def draw_excerpt(lines: Sequence[str], marks: Sequence[Mark], paper: Paper) -> list[Line]:
    """Return the marked lines of a file, in the file's order, with their underlines and labels."""
    brackets = assign_columns([mark for mark in marks if mark.is_multiline])
    out: list[Line] = []
    last = None
    for number in _shown_numbers(marks, len(lines)):
        if last is not None and number > last + 1:
            out.append(_gap(last, brackets, paper))
        last = number
        out += _draw_line(number, lines[number - 1], marks, brackets, paper)
    return out


def _shown_numbers(marks: Sequence[Mark], n_lines: int) -> list[int]:
    wanted: set[int] = set()
    for mark in marks:
        inside = range(mark.line, mark.end_line + 1)
        wanted.update(inside if len(inside) <= 6 else [*inside[:3], *inside[-2:]])
    numbers = sorted(wanted)
    bridged = {a + 1 for a, b in itertools.pairwise(numbers) if b == a + 2}
    return [number for number in sorted(wanted | bridged) if number <= n_lines]


def _gap(after: int, brackets: Sequence[Bracket[Mark]], paper: Paper) -> Line:
    bars = _bars([b for b in brackets if b.mark.line <= after < b.mark.end_line])
    return (Segment(f"{'...':{paper.gutter + 3}}", Style.GUTTER), *bars.segments())


def _draw_line(
    number: int, source: str, marks: Sequence[Mark], brackets: Sequence[Bracket[Mark]], paper: Paper
) -> list[Line]:
    here = [mark for mark in marks if mark.line == number and not mark.is_multiline]
    paper = replace(paper, width=paper.width - 2 * _n_columns(brackets))
    indent = len(source) - len(source.lstrip())
    window = _crop(draw(source, paper.encoding), here, paper)
    head = Canvas()
    slashes = []
    for bracket in brackets:
        if bracket.mark.line == number and bracket.mark.start <= indent:
            slashes.append(bracket)
            head.put(2 * bracket.column, "/", bracket.mark.style)
        elif bracket.mark.line < number <= bracket.mark.end_line:
            head.put(2 * bracket.column, "|", bracket.mark.style)
    margin = 2 * _n_columns(brackets)
    out = [paper.numbered(number, (*head.segments(margin), Segment(window.text)))]
    open_now = [b for b in brackets if b in slashes or b.mark.line < number <= b.mark.end_line]
    out += [_under(row, open_now, margin, paper) for row in _underlines(here, window, paper)]
    for bracket in brackets:
        if bracket.mark.line == number and bracket not in slashes:
            out.append(_opening(bracket, open_now, window, margin, paper))
            open_now.append(bracket)
    for bracket in brackets:
        if bracket.mark.end_line == number:
            open_now.remove(bracket)
            out += _closing(bracket, open_now, window, margin, paper)
    return out


def _n_columns(brackets: Sequence[Bracket[Mark]]) -> int:
    return max((bracket.column + 1 for bracket in brackets), default=0)


@dataclass(frozen=True, slots=True)
class _Window:
    """The part of a line that is shown, and how far it was moved to the left, in cells."""

    text: str
    shift: int
    drawn: Drawn
    room: int

    def cell(self, offset: int) -> int:
        return min(max(self.drawn.cell(offset) - self.shift, 0), self.room)

    def cells(self, mark: Mark) -> tuple[int, int]:
        start = min(self.cell(mark.start), self.room - 1)
        return start, max(self.cell(mark.end), start + 1)


def _crop(drawn: Drawn, marks: Sequence[Mark], paper: Paper) -> _Window:
    room = paper.room
    first = min((drawn.cell(mark.start) for mark in marks), default=0)
    last = max((drawn.cell(mark.end) for mark in marks), default=0)
    label = max((text_width(mark.text) for mark in marks), default=0)
    furthest = max((drawn.cell(mark.start) + min(text_width(mark.text), _ROOM) for mark in marks), default=0)
    is_cut_left = last > room or furthest > room
    shift = min(max(last + 1 + label - room, 0), max(first - _CONTEXT, 0)) if is_cut_left else 0
    sign = ellipsis(paper.encoding)
    # Nothing but indentation left out needs no sign.
    is_blank = not drawn.between(0, shift + len(sign)).strip()
    left = "" if not shift else " " * len(sign) if is_blank else sign
    right = sign if drawn.width - shift > room else ""
    shown = drawn.between(shift + len(left), min(shift + room, drawn.width) - len(right))
    return _Window(left + shown + right, shift, drawn, room)


def _underlines(marks: Sequence[Mark], window: _Window, paper: Paper) -> list[Canvas]:
    """Return the rows below a line: signs, the last label beside them where it fits, the others hanging."""
    if not marks:
        return []
    signs = Canvas()
    for mark in sorted(marks, key=lambda mark: mark.sign == "^"):
        start, end = window.cells(mark)
        signs.put(start, mark.sign * (end - start), mark.style)
    hanging = [mark for mark in marks if mark.text]
    beside = _label_beside(hanging, window, paper)
    if beside is not None:
        hanging.remove(beside)
        signs.put(window.cells(beside)[1] + 1, printable(beside.text, paper.encoding), beside.style)
    rows = [signs]
    if hanging:
        rows.append(_stems(hanging, window))
    for mark in sorted(hanging, key=lambda mark: -window.cells(mark)[0]):
        rows += _hang(mark, hanging, window, paper)
    return rows


def _label_beside(marks: Sequence[Mark], window: _Window, paper: Paper) -> Mark | None:
    if not marks:
        return None
    last = max(marks, key=lambda mark: window.cells(mark)[0])
    start, end = window.cells(last)
    others = [window.cells(mark) for mark in marks if mark is not last]
    is_free = all(other_start < start and other_end <= end for other_start, other_end in others)
    return last if is_free and end + 1 + text_width(last.text) <= paper.room else None


def _stems(marks: Iterable[Mark], window: _Window) -> Canvas:
    row = Canvas()
    for mark in marks:
        row.put(window.cells(mark)[0], "|", mark.style)
    return row


def _hang(mark: Mark, marks: Sequence[Mark], window: _Window, paper: Paper) -> list[Canvas]:
    start = window.cells(mark)[0]
    rows = []
    for text in textwrap.wrap(printable(mark.text, paper.encoding), max(paper.room - start, _ROOM)):
        row = _stems([other for other in marks if window.cells(other)[0] < start], window)
        row.put(start, text, mark.style)
        rows.append(row)
    return rows


def _under(row: Canvas, open_now: Sequence[Bracket[Mark]], margin: int, paper: Paper) -> Line:
    return paper.numbered(None, (*_bars(open_now).segments(margin), *row.segments()))


def _opening(
    bracket: Bracket[Mark], open_now: Sequence[Bracket[Mark]], window: _Window, margin: int, paper: Paper
) -> Line:
    row = _bars(open_now)
    at = margin + window.cell(bracket.mark.start)
    left = 2 * bracket.column + 1
    row.put_below(left, "_" * (at - left), bracket.mark.style)
    row.put(at, bracket.mark.sign, bracket.mark.style)
    return paper.numbered(None, row.segments())


def _closing(
    bracket: Bracket[Mark], open_now: Sequence[Bracket[Mark]], window: _Window, margin: int, paper: Paper
) -> list[Line]:
    mark = bracket.mark
    row = _bars(open_now)
    row.put(2 * bracket.column, "|", mark.style)
    at = margin + max(window.cell(mark.end) - 1, 0)
    left = 2 * bracket.column + 1
    row.put_below(left, "_" * (at - left), mark.style)
    row.put(at, mark.sign, mark.style)
    texts = textwrap.wrap(printable(mark.text, paper.encoding), max(paper.room + margin - at - 2, _ROOM)) or [""]
    row.put(at + 2, texts[0], mark.style)
    rows = [row]
    for text in texts[1:]:
        rows.append(_bars(open_now))
        rows[-1].put(at + 2, text, mark.style)
    return [paper.numbered(None, row.segments()) for row in rows]


def _bars(open_now: Sequence[Bracket[Mark]]) -> Canvas:
    row = Canvas()
    for bracket in open_now:
        row.put(2 * bracket.column, "|", bracket.mark.style)
    return row
