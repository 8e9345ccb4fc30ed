"""Make a recorded history precise with the source: exact expressions, the names of tensors, loops."""

from __future__ import annotations

from dataclasses import replace

from gradsan.knowledge.spoken import spoken
from gradsan.model.event import Carried, Event, Needed, Raised, Saved, Writer, Written
from gradsan.model.history import History, Subject
from gradsan.model.span import Span
from gradsan.source import expressions
from gradsan.source.borrowed import is_borrowed, is_lost_argument
from gradsan.source.carried import carried_names
from gradsan.source.rewrites.loop_write import is_lost
from gradsan.source.rewrites.no_grad import is_step


def make_precise(history: History) -> History:
    """Return the history with columns where only lines were known, and with the tensor's name."""
    narrowed = [_narrowed(event) for event in history.events]
    needed = history.first(Needed)
    backward = None if needed is None else needed.span
    events = tuple(_named(event, backward) for event in narrowed if not _is_read(event))
    notes = (*history.notes, *_notes_on_compiled(history.events), *_notes_on_loops(events, history.subject))
    return replace(history, events=events, notes=notes, subject=_named_subject(history.subject, events))


def _notes_on_compiled(events: tuple[Event, ...]) -> tuple[str, ...]:
    """Say what was compiled: a compiler's code has one line, that on which the function begins."""
    spans = (event.span for event in events if isinstance(event, (Saved, Written)))
    functions = dict.fromkeys(span.function for span in spans if span is not None and expressions.is_heading(span))
    if not functions:
        return ()
    named = " and ".join(f"`{function}`" for function in functions)
    return (f"{named} ran compiled, and its lines are not known; with TORCH_COMPILE_DISABLE=1 they are",)


def _notes_on_loops(events: tuple[Event, ...], subject: Subject) -> tuple[str, ...]:
    """Say where time runs against the lines: what stands below was saved before what stands above wrote."""
    saved = next((event for event in events if isinstance(event, Saved)), None)
    written = next((event for event in events if isinstance(event, Written)), None)
    if saved is None or written is None or saved.span is None or written.span is None:
        return ()
    save, write = saved.span, written.span
    is_above = save.path == write.path and save.function == write.function and write.line <= save.line
    is_other = bool(written.module and subject.module) and not f"{written.module}.".startswith(f"{subject.module}.")
    if not is_above or (_is_inside(save, write) and not is_other):
        return ()
    if expressions.loop_around(save.path, save.line, write.line):
        return ("it was saved in an earlier iteration of the loop",)
    return (f"it was saved in an earlier call of `{save.function}`",) if save.function != "<module>" else ()


def _is_inside(save: Span, write: Span) -> bool:
    """Whether one statement did both: what it writes last, it has read before, whatever the lines say."""
    statement = expressions.statement_at(write.path, write.line)
    return statement is None or statement.line <= save.line <= statement.end_line


def _narrowed(event: Event) -> Event:
    if event.span is None or (event.span.line, event.span.column) != (event.span.end_line, event.span.end_column):
        return event
    operation = "" if isinstance(event, (Carried, Raised)) else event.operation
    if isinstance(event, Written) and event.module:
        # A module's call is named by its attribute: `self.activ(x)` for `block.activ`.
        operation = event.module.rpartition(".")[2]
    return replace(event, span=expressions.narrow(event.span, operation))


def _is_read(event: Event) -> bool:
    """Whether what the graph tells of as a write stands in the source as an operation that only reads."""
    if not isinstance(event, Written) or not event.is_told_by_graph or event.span is None:
        return False
    return expressions.only_reads(event.span, event.operation)


def _named(event: Event, backward: Span | None) -> Event:
    match event:
        case Carried(span=span, made=made) if span is not None:
            return replace(event, names=carried_names(span, made, backward))
        case Written(span=span, operation=operation, target="") if span is not None:
            return replace(
                event,
                target=expressions.target_of(span),
                given=expressions.given_at(span, operation),
                is_item_of_loop=is_lost(span),
                is_lost=is_lost_argument(span),
                is_borrowed=is_borrowed(span),
                is_step=is_step(span),
            )
        case Saved(span=span):
            called = "" if span is None else expressions.called_at(span, event.operation)
            operation, operand = spoken(event.operation, event.operand, called)
            return replace(event, operation=operation, operand=operand)
        case Needed(span=span) if span is not None:
            target, stepper = expressions.differentiated_at(span), expressions.stepped_after(span)
            return replace(event, target=target, stepper=stepper)
        case _:
            return event


def _named_subject(subject: Subject, events: tuple[Event, ...]) -> Subject:
    if subject.name:
        return subject
    names = [event.target for event in events if isinstance(event, Written) and event.target]
    return replace(subject, name=_without_data(names[0]) if names else _name_in_calls(events))


def _name_in_calls(events: tuple[Event, ...]) -> str:
    """Return the one name that the call which saved and the module that wrote were both given: the tensor's."""
    saved = next((event for event in events if isinstance(event, Saved)), None)
    written = next((event for event in events if isinstance(event, Written)), None)
    if saved is None or written is None or written.writer is not Writer.MODULE:
        return ""
    if saved.span is None or written.span is None or saved.span.function != written.span.function:
        return ""
    common = set(expressions.arguments_at(saved.span)) & set(expressions.arguments_at(written.span))
    return common.pop() if len(common) == 1 else ""


def _without_data(target: str) -> str:
    """Return the tensor whose ``.data`` was written: ``h`` for ``h.data`` and ``h.data[mask]``."""
    owner, dot, rest = target.partition(".data")
    is_attribute_of_tensor = dot and owner != "self" and (not rest or rest[0] in ".[")
    return owner if is_attribute_of_tensor else target
