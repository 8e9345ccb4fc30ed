"""What a rule is.

A rule is one file, named for the pattern it finds.  Its class carries the page (`gradsan explain`), the examples (run
by the tests) and the judgement; nothing about it stands anywhere else.
"""

from __future__ import annotations

from typing import ClassVar

from gradsan.model.diagnostic import Certainty, Diagnostic, Help, Label, Role, Severity
from gradsan.model.event import Event, Needed, Raised, Saved, Viewed, Written
from gradsan.model.history import History


class Rule:
    """One pattern that breaks gradients.

    Attributes:
        code: ``GS101``; by consequence, never reused.
        name: ``saved-tensor-overwritten``; the file's stem with hyphens.
        severity: How grave a proven finding is.
        summary: One sentence, what it catches.
        explanation: Why the gradient breaks, in Markdown.
        example: A program that shows it.
        instead: The same program, right.
        precedence: A special face is asked before the general rule: higher is asked first.
        source: Where the facts come from, and the version they were checked on.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[Severity] = Severity.ERROR
    summary: ClassVar[str]
    explanation: ClassVar[str]
    example: ClassVar[str]
    instead: ClassVar[str]
    precedence: ClassVar[int] = 0
    source: ClassVar[str]

    def judge(self, history: History) -> Diagnostic | None:
        """Return the finding that this history proves, or None when the rule does not speak about it."""
        raise NotImplementedError

    def diagnose(
        self,
        history: History,
        message: str,
        *,
        events: tuple[Event, ...] | None = None,
        notes: tuple[str, ...] = (),
        helps: tuple[Help, ...] = (),
    ) -> Diagnostic:
        """Build the finding: labels from the events that have a span, in causal order."""
        told = history.events if events is None else events
        facts = history.subject.describe()
        return Diagnostic(
            code=self.code,
            name=self.name,
            severity=self.severity,
            certainty=history.certainty,
            message=message,
            labels=labels_of(told),
            notes=(*((facts,) if facts else ()), *history.notes, *notes),
            helps=helps,
        )


def labels_of(events: tuple[Event, ...]) -> tuple[Label, ...]:
    """Turn events into labels; a write by a module also shows where the module was constructed."""
    labels: list[Label] = []
    for event in events:
        if event.span is not None:
            labels.append(Label(_role_of(event), event.span, event.describe()))
        if isinstance(event, Written) and event.created is not None:
            labels.append(Label(Role.CREATE, event.created, "the module was constructed here"))
    return tuple(labels)


def _role_of(event: Event) -> Role:
    match event:
        case Saved():
            return Role.SAVE
        case Written():
            return Role.WRITE
        case Viewed():
            return Role.VIEW
        case Needed() | Raised():
            return Role.RAISE
        case _:
            return Role.RELATED


__all__ = ["Certainty", "Rule", "labels_of"]
