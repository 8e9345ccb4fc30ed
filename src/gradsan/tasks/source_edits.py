"""Edits applied to the bytes of a file: encoding, byte order mark and line ends stay what they are."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Sequence

from gradsan.model.rewrite import Edit
from gradsan.tasks.overlay import encoding_of

_LINE_END = re.compile(r"\r\n|\r|\n")


def apply_edits(content: bytes, edits: Sequence[Edit]) -> bytes:
    """Return the content with edits applied, all of them against the content as given.

    Raises:
        ValueError: two edits overlap, or one lies outside of the text.
        SyntaxError: the content declares an encoding that does not exist.
    """
    encoding = encoding_of(content)
    mark = codecs.BOM_UTF8 if encoding == "utf-8-sig" else b""
    encoding = "utf-8" if mark else encoding
    text = content.removeprefix(mark).decode(encoding)
    starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
    line_end = _usual_line_end(text)
    before = len(text) + 1
    for edit in sorted(edits, key=lambda edit: (edit.line, edit.column, edit.end_line, edit.end_column), reverse=True):
        start, end = (
            _offset(text, starts, edit.line, edit.column),
            _offset(text, starts, edit.end_line, edit.end_column),
        )
        if not start <= end <= before:
            raise ValueError(f"{edit.path}:{edit.line}: two edits overlap")
        before = start
        text = text[:start] + edit.replacement.replace("\n", line_end) + text[end:]
    return mark + text.encode(encoding)


def line_after(line: int, edits: Sequence[Edit]) -> int:
    """Return which number a line has once edits above it are applied."""
    moved = line
    for edit in edits:
        if (edit.end_line, edit.end_column) <= (line, 1):
            moved += edit.replacement.count("\n") - (edit.end_line - edit.line)
    return moved


def column_after(line: int, column: int, edits: Sequence[Edit]) -> int:
    """Return at which column of its line an expression begins once edits before it, within that line, are applied."""
    moved = column
    for edit in edits:
        if edit.line == edit.end_line == line and edit.end_column <= column:
            moved += len(edit.replacement) - (edit.end_column - edit.column)
    return moved


def lines_made(edits: Sequence[Edit]) -> set[int]:
    """Return the numbers of the lines that edits put into a file, as whole lines, once they are applied."""
    made: set[int] = set()
    for edit in edits:
        n_lines = edit.replacement.count("\n") if edit.column == 1 else 0
        first = line_after(edit.line, [each for each in edits if each is not edit])
        made.update(range(first, first + n_lines))
    return made


def _offset(text: str, starts: list[int], line: int, column: int) -> int:
    if not 1 <= line <= len(starts):
        raise ValueError(f"there is no line {line}")
    return min(starts[line - 1] + column - 1, len(text))


def _usual_line_end(text: str) -> str:
    ends = Counter(_LINE_END.findall(text))
    return ends.most_common(1)[0][0] if ends else "\n"
