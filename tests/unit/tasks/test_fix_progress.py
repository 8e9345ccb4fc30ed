"""A cure that copies one of two things that a line saves has helped, though the line stays the same."""

from __future__ import annotations

import pytest

from gradsan.model.diagnostic import Certainty, Diagnostic, Label, Role, Severity
from gradsan.model.event import Saved, SequenceNumber, Version
from gradsan.model.history import History, Subject
from gradsan.model.rewrite import Applicability, Edit, Fix, Remedy
from gradsan.model.span import Span
from gradsan.tasks.fix_progress import is_same
from gradsan.tasks.source_edits import column_after


def finding(column: int, *, operation: str = "mul", operand: str = "other") -> Diagnostic:
    write = Span("f.py", 9, 5, 9, 20)
    saved = Span("f.py", 4, column, 4, column + 10)
    events = (Saved(span=saved, operation=operation, operand=operand, version=Version(0), sequence=SequenceNumber(1)),)
    return Diagnostic(
        code="GS101",
        name="saved-tensor-overwritten",
        severity=Severity.ERROR,
        certainty=Certainty.OBSERVED,
        message="`level` was modified",
        labels=(Label(Role.WRITE, write, "modified here"), Label(Role.SAVE, saved, "saved here")),
        history=History(subject=Subject(name="level"), events=events),
    )


def copy(column: int, remedy: Remedy | None = Remedy.COPY_AT_SAVE) -> Fix:
    return Fix("clone", Applicability.SAFE, (Edit("f.py", 4, column, 4, column, ".clone()"),), remedy)


@pytest.mark.parametrize(
    ("before", "fix", "after", "same"),
    [
        (finding(5), copy(10), finding(5), True),
        (finding(5), copy(10), finding(40), False),
        (finding(40), copy(45), finding(5), False),
        (finding(5), copy(5), finding(13), True),
        (finding(5), copy(10), finding(5, operand="self"), False),
        (finding(5), copy(10), finding(5, operation="logsumexp"), False),
        (finding(5), copy(10, None), finding(40), True),
    ],
)
def test_another_save_of_the_line_is_another_finding(
    before: Diagnostic, fix: Fix, after: Diagnostic, same: bool
) -> None:
    assert is_same(before, after, fix) == same


def test_a_column_moves_with_what_is_put_before_it() -> None:
    edits = [Edit("f.py", 4, 10, 4, 10, ".clone()"), Edit("f.py", 5, 1, 5, 1, "x = 1\n")]
    assert [column_after(4, column, edits) for column in (5, 10, 20)] == [5, 18, 28]
