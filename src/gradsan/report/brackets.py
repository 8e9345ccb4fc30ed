"""The columns in which brackets beside multi-line stretches are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class _Lines(Protocol):
    @property
    def line(self) -> int: ...
    @property
    def end_line(self) -> int: ...


M = TypeVar("M", bound=_Lines)


@dataclass(frozen=True, slots=True)
class Bracket(Generic[M]):
    """A multi-line stretch and the column of its bracket, 0 being the leftmost."""

    mark: M
    column: int


def assign_columns(marks: Sequence[M]) -> list[Bracket[M]]:
    """Give each stretch the leftmost column in which it meets no other; wide stretches stand further left."""
    brackets: list[Bracket[M]] = []
    for mark in sorted(marks, key=lambda mark: (mark.line - mark.end_line, mark.line)):
        taken = {b.column for b in brackets if b.mark.line <= mark.end_line and mark.line <= b.mark.end_line}
        column = next(column for column in range(len(brackets) + 1) if column not in taken)
        brackets.append(Bracket(mark, column))
    return brackets
