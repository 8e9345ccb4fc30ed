"""Refusals at the write itself, and those of which only the text and the traceback are known."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.graph import first_view_node, node_of, several_views_node
from gradsan.frameworks.torch.inference import switched_on
from gradsan.frameworks.torch.modules import ModuleTree, module_tree, subject_of
from gradsan.frameworks.torch.stale_views import StaleView, overlapping_tensor, stale_view
from gradsan.frameworks.torch.storages import storage_key
from gradsan.knowledge.error_texts import ErrorText, recognise
from gradsan.model.event import (
    Event,
    Raised,
    Refusal,
    Saved,
    SequenceNumber,
    Version,
    Viewed,
    ViewKind,
    Writer,
    Written,
)
from gradsan.model.history import History, Subject, TensorKind
from gradsan.record.frames import Site, span_of

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

_OF_CHILD = re.compile(
    r"^Caught \w+ in (?:DataLoader worker|pin memory thread)|-- Process \d+ terminated with the following error"
)
"""How `torch.utils.data` and `torch.multiprocessing` begin what a child raised, torch 2.13.0."""
IN_CHILD = (
    "an in-place error was raised in a child process, which was not recorded; run the child under gradsan itself, "
    "as `torchrun ... -m gradsan run SCRIPT` does"
)

MAX_HISTORIES_TOLD = 8
UNKNOWN = SequenceNumber(-1)

_VIEW_KINDS = {
    Refusal.MULTI_OUTPUT_VIEW: ViewKind.MULTI_OUTPUT,
    Refusal.NO_GRAD_VIEW: ViewKind.NO_GRAD,
    Refusal.CUSTOM_FUNCTION_VIEW: ViewKind.CUSTOM_FUNCTION,
    Refusal.MODULE_HOOK_VIEW: ViewKind.MODULE_HOOK,
    Refusal.LEAF_VIEW: ViewKind.PLAIN,
    Refusal.OVERLAP: ViewKind.EXPANDED,
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A write that the engine refused."""

    tensor: Any
    operation: str
    site: Site | None
    agent: Callable[[], object] | None


def write_refused(recorder: Recorder, error: RuntimeError, attempt: Attempt) -> None:
    """Explain an exception that a write raised.

    Effect: tells the sessions.
    """
    if not recorder.is_on or getattr(error, "_gradsan_told", False):
        return
    with recorder.border():
        text = recognise(str(error))
        if text is None or text.refusal is Refusal.SAVED_OVERWRITTEN or text.written_elsewhere:
            return  # what was written elsewhere is explained when the exception leaves the program
        mark_told(error)
        tell(recorder, [_refused_history(recorder, attempt, text)], error)


def left_unseen(recorder: Recorder, error: BaseException) -> None:
    """Explain a refusal that no wrapper saw: raised by an operation that reads, or by a custom Function's ``apply``.

    Effect: tells the sessions.
    """
    if not recorder.is_on or getattr(error, "_gradsan_told", False):
        return
    with recorder.border():
        text = recognise(str(error))
        if text is not None and text.refusal is Refusal.GRAPH_FREED:
            return  # told where the engine raised it, if a write is to blame
        if text is not None and _OF_CHILD.search(str(error)):
            for session in recorder.sessions:
                session.say_not_covered(IN_CHILD)
            return
        if not isinstance(error, RuntimeError):
            return
        if text is None or text.refusal is Refusal.SAVED_OVERWRITTEN:
            return
        mark_told(error)
        raised_at = recorder.user_code.innermost_of_traceback(error.__traceback__)
        marked_at = recorder.last_dirty_mark if text.refusal is Refusal.DIRTY_MARK else None
        stale = stale_view(recorder, error) if text.written_elsewhere else None
        history = _with_view(unseen_history(text, raised_at, marked_at), stale)
        if (mode := switched_on(recorder, text.refusal)) is not None:
            history = replace(history, events=(*history.events, mode))
        tensor = overlapping_tensor(error) if text.refusal is Refusal.OVERLAP else None
        if tensor is not None:
            history = replace(history, subject=_refused_subject(tensor, module_tree(), text))
        tell(recorder, [history], error)


def mark_told(error: BaseException) -> None:
    """Remember on the exception that it has been explained: it passes through several wrappers."""
    error._gradsan_told = True  # type: ignore[attr-defined]


def tell(recorder: Recorder, histories: list[History], error: BaseException) -> None:
    """Hand histories to the sessions, the first with the exception that it explains.

    Effect: may put a note on the exception.
    """
    for session in list(recorder.sessions):
        if session.is_on:
            for at, history in enumerate(histories[:MAX_HISTORIES_TOLD]):
                session.tell(history, error if at == 0 else None)


def unseen_history(text: ErrorText, raised_at: Site | None, marked_at: Site | None) -> History:
    """Build the history of a refusal of which only the text and the traceback are known."""
    span = span_of(raised_at)
    nothing = Version(0)
    events: list[Event] = [Raised(span=span, refusal=text.refusal, message=text.sentence, sequence=UNKNOWN)]
    if text.refusal is Refusal.INFERENCE_SAVED:
        events.insert(0, Saved(span=span, operation="", operand="", version=nothing, sequence=UNKNOWN))
    elif not text.written_elsewhere:
        is_mark = text.refusal is Refusal.DIRTY_MARK and marked_at is not None
        written = Written(
            span=marked_at.span() if is_mark and marked_at is not None else span,
            operation="mark_dirty" if is_mark else "",
            version_before=nothing,
            version=nothing,
            sequence=UNKNOWN,
        )
        events.insert(0, written)
    return History(subject=Subject(shape=text.shape), events=tuple(events))


def _with_view(history: History, stale: StaleView | None) -> History:
    if stale is None:
        return history
    subject = replace(subject_of(stale.tensor, None, kind=TensorKind.INTERMEDIATE), name=stale.name)
    written = () if stale.written is None else (stale.written,)
    return replace(history, subject=subject, events=(*written, *history.events))


def _refused_history(recorder: Recorder, attempt: Attempt, text: ErrorText) -> History:
    tensor, site = attempt.tensor, attempt.site
    span = span_of(site)
    tree = module_tree()
    agent = None if attempt.agent is None else attempt.agent()
    number = SequenceNumber(recorder.next_number())
    version = Version(0)
    written = Written(
        span=span,
        operation=attempt.operation,
        version_before=version,
        version=version,
        sequence=number,
        writer=Writer.PROGRAM if attempt.agent is None else Writer.MODULE,
        grad_enabled=torch.is_grad_enabled(),
        created=span_of(recorder.constructions.of(attempt.agent)),
        module="" if agent is None else tree.path_of(agent),
    )
    events: list[Event] = [written, Raised(span=span, refusal=text.refusal, message=text.sentence, sequence=number)]
    viewed = _viewed(recorder, tensor, text)
    return History(subject=_refused_subject(tensor, tree, text), events=(*([viewed] if viewed else ()), *events))


def _viewed(recorder: Recorder, tensor: Any, text: ErrorText) -> Viewed | None:
    kind = _VIEW_KINDS.get(text.refusal)
    if (mode := switched_on(recorder, text.refusal)) is not None:
        return mode
    if kind is None or not isinstance(tensor, torch.Tensor):
        return None
    node = _view_node(tensor, kind)
    if node is None:
        return None
    number = node._sequence_nr()
    site = recorder.site_of(number)
    if site is None:
        return None
    is_nearest = kind is not ViewKind.MULTI_OUTPUT or node is node_of(tensor)
    name = (text.operation if is_nearest else "") or type(node).__name__.removesuffix("Backward0")
    if kind is not ViewKind.CUSTOM_FUNCTION:  # which is called by the name of its class
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return Viewed(span=site.span(), operation=name, kind=kind, sequence=SequenceNumber(number))


def _view_node(tensor: torch.Tensor, kind: ViewKind) -> Any:
    """Return the node that made a view what it is: the nearest one, the first of its chain, or that of several."""
    match kind:
        case ViewKind.PLAIN:
            return first_view_node(tensor)
        case ViewKind.MULTI_OUTPUT:
            return several_views_node(tensor)
        case _:
            return node_of(tensor)


def _refused_subject(tensor: Any, tree: ModuleTree, text: ErrorText) -> Subject:
    if not isinstance(tensor, torch.Tensor):
        return Subject()
    kind = TensorKind.LEAF if text.refusal in (Refusal.LEAF, Refusal.LEAF_VIEW) else TensorKind.INTERMEDIATE
    return subject_of(tensor, tree.owner_of(storage_key(tensor)), kind=kind)
