from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from gradsan.model.rewrite import Edit, Fix
from gradsan.model.span import Span


def apply(text: str, edits: tuple[Edit, ...]) -> str:
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    for edit in sorted(edits, reverse=True):
        start, end = starts[edit.line - 1] + edit.column - 1, starts[edit.end_line - 1] + edit.end_column - 1
        text = text[:start] + edit.replacement + text[end:]
    return text


class Place:
    """A program in which one place is marked with « and »."""

    def __init__(self, path: Path, marked: str) -> None:
        marked = textwrap.dedent(marked).lstrip("\n")
        before, inside, after = marked.replace("»", "«").split("«")
        self.text = before + inside + after
        self.path = path
        path.write_text(self.text, encoding="utf-8")
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        end_line = line + inside.count("\n")
        end_column = column + len(inside) if end_line == line else len(inside) - inside.rfind("\n")
        self.span = Span(str(path), line, column, end_line, end_column)

    def applied(self, fix: Fix | None) -> str:
        """The program after the fix; ``no fix`` without one."""
        if fix is None:
            return "no fix"
        after = apply(self.text, fix.edits)
        compile(after, str(self.path), "exec")
        return after


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str], Place]:
    number = iter(range(1000))
    return lambda marked: Place(tmp_path / f"program{next(number)}.py", marked)
