from __future__ import annotations

from gradsan.model.rewrite import Applicability, Edit, Fix
from gradsan.tasks.fix_prune import without
from gradsan.tasks.source_edits import apply_edits

SOURCE = b"a = 1\nb = 2\nc = 3\nd = 4\n"


def fix(*edits: tuple[int, int, int, int, str]) -> Fix:
    return Fix("", Applicability.SAFE, tuple(Edit("f.py", *edit) for edit in edits))


def made(fixes: tuple[Fix, ...] | None) -> bytes | None:
    content = SOURCE
    for each in fixes or ():
        content = apply_edits(content, each.edits)
    return None if fixes is None else content


ABOVE = fix((1, 1, 1, 1, "import x\nimport y\n"))
SECOND = fix((4, 5, 4, 6, "22"))
GONE = fix((1, 1, 3, 1, ""))
BELOW = fix((4, 5, 4, 6, "33"))


def test_what_stands_below_moves_back() -> None:
    assert made((ABOVE, SECOND)) == b"import x\nimport y\na = 1\nb = 22\nc = 3\nd = 4\n"
    assert made(without((ABOVE, SECOND), 0)) == b"a = 1\nb = 22\nc = 3\nd = 4\n"
    assert made(without((ABOVE, GONE, BELOW), 1)) == b"import x\nimport y\na = 1\nb = 2\nc = 3\nd = 33\n"


def test_through_one_that_stands_between() -> None:
    line = fix((1, 1, 1, 1, "# first\n"))
    assert made(without((fix((2, 5, 2, 6, "20")), line, fix((4, 5, 4, 6, "30"))), 0)) == (
        b"# first\na = 1\nb = 2\nc = 30\nd = 4\n"
    )


def test_the_same_line_twice_is_left() -> None:
    assert without((fix((2, 5, 2, 6, "20")), fix((2, 1, 2, 2, "bb"))), 0) is None


def test_the_last_is_left_out_too() -> None:
    assert made(without((ABOVE, SECOND), 1)) == b"import x\nimport y\na = 1\nb = 2\nc = 3\nd = 4\n"
