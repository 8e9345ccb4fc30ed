from __future__ import annotations

import pytest

from gradsan.model.rewrite import Edit
from gradsan.tasks.source_edits import apply_edits, line_after, lines_made


def edit(line: int, column: int, end_line: int, end_column: int, text: str) -> Edit:
    return Edit("f.py", line, column, end_line, end_column, text)


NEW_LINE = edit(2, 1, 2, 1, "h = h.clone()\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a\nb\n", b"a\nh = h.clone()\nb\n"),
        (b"a\r\nb\r\n", b"a\r\nh = h.clone()\r\nb\r\n"),
        (b"a\rb\r", b"a\rh = h.clone()\rb\r"),
        (b"\xef\xbb\xbfa\nb", b"\xef\xbb\xbfa\nh = h.clone()\nb"),
        (b"# coding: latin-1\n# \xe9\n", b"# coding: latin-1\nh = h.clone()\n# \xe9\n"),
        ("# ä\nb\n".encode(), "# ä\nh = h.clone()\nb\n".encode()),
        (b"a\x0c\nb\n", b"a\x0c\nh = h.clone()\nb\n"),
    ],
)
def test_line_ends_marks_and_encodings_stay(before: bytes, after: bytes) -> None:
    assert apply_edits(before, [NEW_LINE]) == after


def test_columns_count_characters() -> None:
    assert apply_edits('"ä"; h\n'.encode(), [edit(1, 6, 1, 7, "g")]) == '"ä"; g\n'.encode()


def test_several_edits_of_one_line() -> None:
    edits = [edit(1, 1, 1, 1, "("), edit(1, 6, 1, 6, ").clone()")]
    assert apply_edits(b"a / b\n", edits) == b"(a / b).clone()\n"


def test_edits_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        apply_edits(b"abc\n", [edit(1, 1, 1, 3, "x"), edit(1, 2, 1, 4, "y")])


def test_an_edit_outside_of_the_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no line 9"):
        apply_edits(b"abc\n", [edit(9, 1, 9, 1, "x")])


@pytest.mark.parametrize(("line", "after"), [(1, 1), (2, 3), (3, 4)])
def test_where_a_line_goes(line: int, after: int) -> None:
    assert line_after(line, [NEW_LINE]) == after


def test_a_removed_line_moves_the_rest_up() -> None:
    assert line_after(5, [edit(2, 1, 3, 1, "")]) == 4


def test_the_lines_that_edits_make() -> None:
    made = [
        Edit("f.py", 2, 1, 2, 1, "x = x.clone()\n"),
        Edit("f.py", 4, 1, 4, 1, "with a:\n    "),
        Edit("f.py", 5, 3, 5, 4, "b"),
    ]
    assert lines_made(made) == {2, 5}
