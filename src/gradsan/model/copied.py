"""What a protected run copied, and from which line: the price of the repair."""

from __future__ import annotations

from dataclasses import dataclass

from gradsan.model.event import shown_operation
from gradsan.model.span import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """The copies of saved tensors that one line made necessary."""

    span: Span | None
    """The line that was about to write."""
    operation: str
    n_copies: int
    n_bytes: int

    def describe(self) -> str:
        """Say it in one sentence without the place."""
        tensors = "saved tensor" if self.n_copies == 1 else "saved tensors"
        return f"{self.n_copies} {tensors} ({self.n_bytes:,} bytes) copied before `{shown_operation(self.operation)}`"
