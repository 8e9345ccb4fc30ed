"""Whether a gradient is the true one, and by which witness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradsan.model.printer import Printer

TOLERANCE = 1e-5
"""Relative error up to which a gradient counts as equal to a witness; finite differences in float64 are good to about
1e-8 of it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A function's gradient beside that of one witness.

    ``relative_errors`` has one entry for each differentiated tensor, in the order of ``Verification.names``.
    """

    witness: str
    relative_errors: tuple[float, ...]

    @property
    def agrees(self) -> bool:
        """Whether every tensor's gradient is that of the witness."""
        return all(error <= TOLERANCE for error in self.relative_errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What came of verifying one function.

    The strongest witness decides: finite differences, else functionalization, else protection.
    """

    names: tuple[str, ...]
    """What was differentiated: ``input 0``, or the qualified names of a module's parameters."""
    comparisons: tuple[Comparison, ...]
    """The strongest witness first."""
    failure: str = ""
    """The first line of the error, where the gradient could not be computed at all."""
    not_compared: tuple[str, ...] = ()
    """What could not be compared, and why."""

    @property
    def is_true(self) -> bool:
        """Whether the gradient is the true one; False too where nothing could be compared."""
        return not self.failure and bool(self.comparisons) and self.comparisons[0].agrees

    @property
    def witness(self) -> str:
        """The witness that decided; empty where there was none."""
        return self.comparisons[0].witness if self.comparisons else ""

    @property
    def relative_errors(self) -> dict[str, float]:
        """How far each gradient is from the witness's, relative to its norm."""
        return dict(zip(self.names, self.comparisons[0].relative_errors, strict=True)) if self.comparisons else {}

    def __str__(self) -> str:
        if self.failure:
            return f"no gradient: {self.failure}"
        if not self.comparisons:
            return "not compared: " + "; ".join(self.not_compared)
        name, worst = max(self.relative_errors.items(), key=lambda item: item[1])
        verdict = "the true gradient" if self.is_true else "not the true gradient"
        told = f"{verdict}, by {self.witness}: relative error {worst:.1e} in {name}"
        return "; not compared with ".join((told, *self.not_compared))

    def _repr_pretty_(self, printer: Printer, _is_cycle: bool) -> None:
        printer.text(str(self))
