from __future__ import annotations

import pytest

from gradsan.report.cells import cell_width, draw, is_utf8, text_width


@pytest.mark.parametrize(
    ("character", "width"),
    [("a", 1), ("é", 1), ("\u0301", 0), ("重", 2), ("ア", 2), ("ｱ", 1), ("\u200d", 0), ("😀", 2)],
)
def test_cell_width(character: str, width: int) -> None:
    assert cell_width(character) == width


def test_cells_of_characters() -> None:
    drawn = draw("\t重e\u0301x\n")
    assert drawn.pieces == ("    ", "重", "e", "\u0301", "x")
    assert drawn.starts == (0, 4, 6, 7, 7, 8)
    assert drawn.cell(9) == 12


def test_a_wide_character_that_is_cut_becomes_a_blank() -> None:
    assert draw("a重b").between(0, 2) == "a "
    assert draw("a重b").between(2, 4) == " b"


@pytest.mark.parametrize("text", ["a\x1bb", "a\ud800b", "a\x00b"])
def test_what_can_not_be_shown(text: str) -> None:
    assert draw(text).pieces == ("a", "?", "b")


def test_replacements_keep_the_width() -> None:
    assert text_width("".join(draw("重み=é", "ascii").pieces)) == text_width("重み=é")
    assert "".join(draw("重=é", "cp1252").pieces) == "??=é"


@pytest.mark.parametrize(
    ("encoding", "expected"), [("UTF-8", True), ("utf8", True), ("cp1252", False), ("ascii", False)]
)
def test_is_utf8(encoding: str, expected: bool) -> None:
    assert is_utf8(encoding) is expected
