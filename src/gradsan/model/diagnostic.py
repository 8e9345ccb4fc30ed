"""What we say: a headline, labelled spans, facts, and proposals."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from gradsan.model.rewrite import Fix, Remedy
from gradsan.model.span import Span

if TYPE_CHECKING:
    from gradsan.model.history import History
    from gradsan.model.printer import Printer


class Severity(Enum):
    """How grave."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Certainty(Enum):
    """Whether it happened or may happen."""

    OBSERVED = "observed"
    INFERRED = "inferred"


class Role(Enum):
    """What part a span plays in the story."""

    WRITE = "write"
    SAVE = "save"
    RAISE = "raise"
    VIEW = "view"
    CREATE = "create"
    RELATED = "related"


@dataclass(frozen=True, slots=True)
class Label:
    """A span, its part in the story, and at most eight words about it."""

    role: Role
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Help:
    """A proposal: what to do, the code to write, and what it costs."""

    text: str
    code: str = ""
    """Source to write, one or more lines; empty where prose is enough."""
    remedy: Remedy | None = field(default=None, compare=False)
    """What it does: a fix of the finding that does the same is shown in place of ``code``."""


@dataclass(frozen=True, slots=True)
class GradientError:
    """How wrong the gradient of one leaf was."""

    leaf: str
    relative_error: float | None
    """The norm of the difference from the true gradient, by the larger norm of the two; None where one of them was not
    finite."""
    backward: int
    """Which backward pass of the program computed it, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding.

    ``labels`` stand in causal order: saved, modified, needed.  The first WRITE label is the primary location.
    """

    code: str
    name: str
    severity: Severity
    certainty: Certainty
    message: str
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    helps: tuple[Help, ...] = ()
    fixes: tuple[Fix, ...] = ()
    count: int = 1
    ranks: tuple[int, ...] = field(default=(0,))
    gradient_errors: tuple[GradientError, ...] = ()
    """What a measurement found, the largest error first."""
    history: History | None = field(default=None, compare=False, repr=False)
    """What the finding was judged on; the cures are chosen by it."""

    def __str__(self) -> str:
        span = self.primary
        where = "" if span is None else f"{span.path}:{span.line}:{span.column}: "
        return f"{where}{self.severity.value}[{self.code}]: {self.message}"

    def _repr_pretty_(self, printer: Printer, _is_cycle: bool) -> None:
        printer.text(str(self))

    def labels_of(self, role: Role) -> tuple[Label, ...]:
        """Return the labels of one role, in order."""
        return tuple(label for label in self.labels if label.role is role)

    @property
    def primary(self) -> Span | None:
        """The first write span, else the first span; None when nothing could be located."""
        writes = self.labels_of(Role.WRITE)
        if writes:
            return writes[0].span
        return self.labels[0].span if self.labels else None

    @property
    def key(self) -> tuple[str, tuple[tuple[str, Span], ...]]:
        """What makes two findings equal: the rule and the places, not the numbers in the labels."""
        return self.code, tuple((label.role.value, label.span) for label in self.labels)

    @property
    def cause(self) -> tuple[str, tuple[tuple[str, Span], ...]]:
        """What two findings share that tell the same mistake: who needs the value may stand in many callers."""
        told = (label for label in self.labels if label.role in (Role.SAVE, Role.WRITE))
        return self.code, tuple((label.role.value, label.span) for label in told)
