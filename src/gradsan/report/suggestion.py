"""How a fix is shown: the lines as they read afterwards, with what is new in them underlined."""

from __future__ import annotations

from collections.abc import Sequence

from gradsan.model.rewrite import Edit, Fix
from gradsan.report.cells import draw
from gradsan.report.excerpt import Paper
from gradsan.report.source_lines import LinesOf
from gradsan.report.styled import Line, Segment, Style

_OLD, _NEW = "\x00", "\x01"
"""Marks around new text while edits are applied; neither can stand in Python source."""


def draw_suggestion(fix: Fix, lines_of: LinesOf, paper: Paper) -> list[Line]:
    """Return the edited lines of a fix; none where a source can't be read or an edit does not fit it."""
    out: list[Line] = []
    paths = list(dict.fromkeys(edit.path for edit in fix.edits))
    for path in paths:
        edits = [edit for edit in fix.edits if edit.path == path]
        numbered = edited_lines(lines_of(path), edits)
        if not numbered:
            return []
        last = None
        for number, marked in numbered:
            if last is not None and number > last + 1:
                out.append((Segment("...", Style.GUTTER),))
            last = number
            out += _draw(number, marked, paper)
    return out


def edited_lines(lines: Sequence[str], edits: Sequence[Edit]) -> list[tuple[int, str]]:
    """Return (number, text) of each line that edits touch, as it reads afterwards.

    New text stands between the characters 0 and 1.  Lines that an edit adds are numbered on from it, as they will be.
    Empty where an edit does not fit the lines.
    """
    out: list[tuple[int, str]] = []
    n_added = 0
    adds_text = any(edit.replacement for edit in edits)
    for first, last, group in _blocks(edits):
        if not 1 <= first <= last <= len(lines):
            return []
        text = "\n".join(line.rstrip("\r\n") for line in lines[first - 1 : last])
        for edit in reversed(group):
            start = _offset(text, edit.line - first, edit.column)
            end = _offset(text, edit.end_line - first, edit.end_column)
            marked = _OLD + edit.replacement.replace("\n", f"{_NEW}\n{_OLD}") + _NEW
            text = text[:start] + marked + text[end:]
        new_lines = text.split("\n")
        if not new_lines[-1].strip(_OLD + _NEW):
            new_lines.pop()
        if not adds_text or any(edit.replacement for edit in group):  # what goes elsewhere is seen there
            out += [(first + n_added + i, line) for i, line in enumerate(new_lines)]
        n_added += len(new_lines) - (last - first + 1)
    return out


def _blocks(edits: Sequence[Edit]) -> list[tuple[int, int, list[Edit]]]:
    blocks: list[tuple[int, int, list[Edit]]] = []
    for edit in sorted(edits):
        if blocks and edit.line <= blocks[-1][1]:
            first, last, group = blocks[-1]
            blocks[-1] = (first, max(last, edit.end_line), [*group, edit])
        else:
            blocks.append((edit.line, edit.end_line, [edit]))
    return blocks


def _offset(text: str, line: int, column: int) -> int:
    start = 0
    for _ in range(line):
        start = text.index("\n", start) + 1
    return min(start + column - 1, len(text))


def _draw(number: int, marked: str, paper: Paper) -> list[Line]:
    text, spots = "", []
    for piece in marked.split(_OLD):
        new, sep, rest = piece.partition(_NEW)
        if sep:
            spots.append((len(text), len(text) + len(new.rstrip())))
        text += new + rest
    drawn = draw(text, paper.encoding)
    out = [paper.numbered(number, (Segment(drawn.between(0, drawn.width)),))]
    cells = [" "] * drawn.width
    for start, end in spots:
        start += len(text[start:end]) - len(text[start:end].lstrip())
        for cell in range(drawn.cell(start), drawn.cell(end)):
            cells[cell] = "~"
    if "~" in cells:
        out.append(paper.numbered(None, (Segment("".join(cells), Style.HELP),)))
    return out
