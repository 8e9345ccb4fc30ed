"""Make a recorded history precise with the source: exact expressions, the names of tensors, loops."""

from __future__ import annotations

from dataclasses import replace

from gradsan.model.event import Event, Raised, Written
from gradsan.model.history import History, Subject
from gradsan.source import expressions


def make_precise(history: History) -> History:
    """Return the history with columns where only lines were known, and with the tensor's name."""
    events = tuple(_named(_narrowed(event)) for event in history.events)
    return replace(history, events=events, subject=_named_subject(history.subject, events))


def _narrowed(event: Event) -> Event:
    if event.span is None or (event.span.line, event.span.column) != (event.span.end_line, event.span.end_column):
        return event
    operation = "" if isinstance(event, Raised) else event.operation
    return replace(event, span=expressions.narrow(event.span, operation))


def _named(event: Event) -> Event:
    match event:
        case Written(span=span, target="") if span is not None:
            return replace(event, target=expressions.target_of(span))
        case _:
            return event


def _named_subject(subject: Subject, events: tuple[Event, ...]) -> Subject:
    if subject.name:
        return subject
    names = [event.target for event in events if isinstance(event, Written) and event.target]
    return replace(subject, name=names[0]) if names else subject
