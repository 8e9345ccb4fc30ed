from __future__ import annotations

from gradsan.model.rewrite import Edit
from gradsan.report.suggestion import edited_lines

LINES = ["def f(h):\n", "    h += 1  # one\n", "    h.mul_(\n", "        2,\n", "    )\n"]


def shown(*edits: Edit) -> list[tuple[int, str]]:
    return [(number, text.replace("\x00", "[").replace("\x01", "]")) for number, text in edited_lines(LINES, edits)]


def test_an_edit_within_a_line() -> None:
    assert shown(Edit("", 2, 5, 2, 11, "h = h + 1")) == [(2, "    [h = h + 1]  # one")]


def test_two_edits_in_one_line() -> None:
    assert shown(Edit("", 2, 5, 2, 6, "x"), Edit("", 2, 10, 2, 11, "2")) == [(2, "    [x] += [2]  # one")]


def test_an_inserted_line() -> None:
    assert shown(Edit("", 2, 1, 2, 1, "    h = h.clone()\n")) == [
        (2, "[    h = h.clone()]"),
        (3, "[]    h += 1  # one"),
    ]


def test_an_edit_over_several_lines() -> None:
    assert shown(Edit("", 3, 5, 5, 6, "h = h.mul(2)")) == [(3, "    [h = h.mul(2)]")]


def test_lines_after_an_inserted_one_are_numbered_on() -> None:
    told = shown(Edit("", 2, 1, 2, 1, "    h = h.clone()\n"), Edit("", 4, 9, 4, 10, "3"))
    assert told[-1] == (5, "        [3],")


def test_an_edit_that_does_not_fit() -> None:
    assert shown(Edit("", 9, 1, 9, 2, "x")) == []
