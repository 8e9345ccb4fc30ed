"""What a rule is.

A rule is one file, named for the pattern it finds.  Its class carries the page (`gradsan explain`), the examples (run
by the tests) and the judgement; nothing about it stands anywhere else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from gradsan.model.diagnostic import Certainty, Diagnostic, Help, Label, Role, Severity
from gradsan.model.event import Event, Needed, Raised, Refusal, Saved, Viewed, Written
from gradsan.model.history import History

MAX_WRITES_SHOWN = 4
"""A loop can write hundreds of times; the first few places tell the story, the rest is counted."""


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
        refusal: The framework's error that the pattern ends in.
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
    refusal: ClassVar[Refusal | None] = None
    precedence: ClassVar[int] = 0
    source: ClassVar[str]

    def judge(self, history: History) -> Diagnostic | None:
        """Return the finding that this history proves, or None when the rule does not speak about it."""
        raise NotImplementedError

    def refusal_in(self, history: History) -> Raised | None:
        """Return the framework's error that a history ends in, where it is the one that the rule is about."""
        raised = history.refusal
        return raised if raised is not None and raised.refusal is self.refusal else None

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
        shown, n_left_out = _leave_out_writes(told)
        more = (f"{n_left_out} more places wrote to it",) if n_left_out else ()
        facts = history.subject.describe()
        return Diagnostic(
            code=self.code,
            name=self.name,
            severity=self.severity,
            certainty=history.certainty,
            message=message,
            labels=labels_of(shown),
            notes=(*((facts,) if facts else ()), *history.notes, *notes, *more),
            helps=helps,
            history=history,
        )


def labels_of(events: tuple[Event, ...]) -> tuple[Label, ...]:
    """Turn events into labels; a write by a module also shows where the module was constructed.

    A line that raised is not told again where it is the line that wrote, or whose backward needed the value.
    """
    told_at = {_line_of(event) for event in events if isinstance(event, (Needed, Written))}
    labels: list[Label] = []
    for event in events:
        if isinstance(event, Written) and event.called is not None:
            called = Label(Role.RELATED, event.called, "the step was called here")
            labels += [] if called in labels else [called]
        if isinstance(event, Written) and event.in_program not in (None, event.span, event.called):
            labels.append(Label(Role.RELATED, event.in_program, "this call led to the write"))
        if event.span is not None and not (isinstance(event, Raised) and _line_of(event) in told_at):
            labels.append(Label(_role_of(event), event.span, event.describe()))
        if isinstance(event, Written) and event.created is not None:
            labels.append(Label(Role.CREATE, event.created, "the module was constructed here"))
    return tuple(labels)


def relabelled(finding: Diagnostic, role: Role, text: str) -> Diagnostic:
    """Return the finding with another text on its labels of one role."""
    labels = tuple(replace(label, text=text) if label.role is role else label for label in finding.labels)
    return replace(finding, labels=labels)


def attempts(history: History) -> tuple[Event, ...]:
    """Return the events of a refused write, the attempt marked as one: its version did not move."""
    return tuple(
        replace(event, refused=True) if isinstance(event, Written) and not event.bumps_version else event
        for event in history.events
    )


def _leave_out_writes(events: tuple[Event, ...]) -> tuple[tuple[Event, ...], int]:
    located = [event for event in events if isinstance(event, Written) and event.span is not None]
    left_out = located[MAX_WRITES_SHOWN:]
    return tuple(event for event in events if event not in left_out), len(left_out)


def _line_of(event: Event) -> tuple[str, int] | None:
    return None if event.span is None else (event.span.path, event.span.line)


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


__all__ = ["Certainty", "Help", "Rule", "attempts", "labels_of", "relabelled"]
