from __future__ import annotations

from pathlib import Path

import pytest

from gradsan.model.span import Span
from gradsan.source.borrowed import is_borrowed, is_lost_argument


def span_of_write(tmp_path: Path, body: str) -> Span:
    """The place of the first line that writes in place, in a function of ``self, x, names``."""
    lines = ["def f(self, x, names):", *(f"    {line}" for line in body.split("\n"))]
    path = tmp_path / "program.py"
    path.write_text("\n".join(lines) + "\n")
    at = next(n for n, line in enumerate(lines, 1) if "_(" in line or "+=" in line)
    text = lines[at - 1]
    return Span(str(path), at, len(text) - len(text.lstrip()) + 1, at, len(text) + 1, "f")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("mean = getattr(self, names[0])\nmean.mul_(2)\nreturn mean", True),
        ("mean = self.mean\nmean += 1\nreturn x - mean", True),
        ("mean = self.mean.clone()\nmean.mul_(2)\nreturn mean", False),
        ("mean = self.mean\nmean = mean + x\nmean.mul_(2)\nreturn mean", False),
        ("x.mul_(2)\nreturn x", False),
        ("self.mean.mul_(2)", False),
    ],
)
def test_a_name_that_borrows_an_attribute(tmp_path: Path, body: str, expected: bool) -> None:
    assert is_borrowed(span_of_write(tmp_path, body)) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("x.mul_(2)", True),
        ("x.mul_(2)\nx.add_(1)\nx += 3", True),
        ("x.mul_(2)\nreturn x", False),
        ("return x.mul_(2)", False),
        ("x.mul_(2)\nself.seen = x", False),
        ("x.mul_(2)\nx.add_(x.mean())", False),
        ("for _ in names:\n    x.mul_(2)", True),
        ("for _ in names:\n    self.sum = x.sum()\n    x.mul_(2)", False),
        ("self.sum = x.sum()\nx.mul_(2)", True),
        ("y = x\ny.mul_(2)", False),
    ],
)
def test_an_argument_that_is_written_for_the_caller(tmp_path: Path, body: str, expected: bool) -> None:
    assert is_lost_argument(span_of_write(tmp_path, body)) is expected
