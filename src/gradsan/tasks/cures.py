"""From a finding to its cures: edits of source, the smallest that is right first.

# NOTE [Order of cures] Out of place costs nothing that in place had saved, and reads best, but is right only where no
other name must see the write.  A clone where the tensor is saved is right whoever writes, and costs a copy.  A clone
before the write costs one too, and hides the write from every other name.  State that outlives a call (a parameter, a
buffer, a leaf held in an attribute) stays the object that it is: there the save is cloned, or the write kept off the
tape.  The save is cloned too where a loop fills a tensor part by part: a clone before each write would copy it all.
Which of them is right for a program is proven by `gradsan fix`, not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from gradsan.model.diagnostic import Diagnostic
from gradsan.model.event import Access, Detached, Needed, Refusal, Saved, Viewed, ViewKind, Writer, Written
from gradsan.model.history import History, Subject, TensorKind, Witness
from gradsan.model.rewrite import Edit, Fix
from gradsan.source.rewrites import (
    alias_copied,
    clone_at_save,
    clone_before_write,
    clone_expanded,
    clone_parts,
    flag_handed_down,
    foreach_write,
    gradient_zeroed,
    gradients_dropped,
    graph_joined,
    inplace_flag,
    item_write,
    kept_entry,
    loop_write,
    made_mapped,
    module_copies,
    no_grad,
    no_inference,
    on_tape,
    out_of_place,
    region_kept,
    returned_write,
    save_copied,
    single_views,
    unmarked,
    update_moved,
    whole_detached,
    write_moved,
)

MAX_CURES = 12

UNDECIDED = {
    "graph-kept-across-steps": (
        "the graph of an earlier step is still in use; whether to cut it with `detach()`, which changes the gradient,"
        " or to step later is for you to decide"
    )
}
"""Rule -> why no edit is proposed: one that only silences the error may not be what is meant."""

_OTHER_VALUES = "the repair computes other values than the program; whether it means them is for you to decide"
MEANT = {
    "state-kept-by-reference": _OTHER_VALUES,
    "expanded-memory-written": _OTHER_VALUES,
    "graph-value-written-off-tape": _OTHER_VALUES,
}
"""Rule -> why a repair that changes what is computed is shown, and not applied unless asked: no run can prove it."""

SHOWN_LATER = frozenset({Witness.LISTED_GRADIENTS, Witness.MINUS_ITSELF, Witness.OLDER_SELF})
"""What was kept and written shows after the backward: none needs it, and protection leaves it as wrong as it is."""

SEEN = "other names would have seen the write that was refused; whether they are meant to is for you to decide"

_KEPT = re.compile(r"(\w+)\.state\[\.\.\.\]\['(\w+)'\]")
"""How the audit names what an optimizer's state keeps."""

_STATE = (TensorKind.PARAMETER, TensorKind.BUFFER)


def cures_of(finding: Diagnostic, *, files: Sequence[str] = (), guesses: bool = False) -> tuple[Fix, ...]:
    """Return the fixes of a finding, best first; see NOTE [Order of cures].

    Args:
        finding: What was found; without its history there is nothing to choose by.
        files: Other source files of the program, for what is decided by a caller.
        guesses: Whether to add what may help and has to be tried: a clone of each tensor that the saving line names.

    Effect: reads the source files that the finding names.
    """
    history = finding.history
    if history is None or finding.name in UNDECIDED:
        return ()
    return _distinct([*_candidates(history, files), *(_guesses(history) if guesses else ())])


def _candidates(history: History, files: Sequence[str]) -> Iterator[Fix | None]:
    refusal = None if history.refusal is None else history.refusal.refusal
    yield from _of_leaves_and_gradients(history, files)
    writes = [write for write in history.all(Written) if write.span is not None]
    for write in writes:
        # What an installed package writes can be mended where the program calls it only.
        yield from () if write.in_program is None else clone_before_write.propose_argument(write.in_program)
    mode = next((view.span for view in history.all(Viewed) if view.kind is ViewKind.INFERENCE), None)
    match refusal:
        case Refusal.LEAF | Refusal.LEAF_VIEW:
            for write in writes:
                yield from _of_leaf(write, history, files)
        case Refusal.INFERENCE_SAVED:
            yield from _at_saves(history, writes)
            for saved in history.all(Saved):
                yield from () if saved.span is None else clone_at_save.propose_each(saved.span)
            yield from no_inference.propose(files, switched_on=mode)
        case Refusal.OVERLAP | Refusal.INFERENCE_TENSOR:
            for write in writes:
                yield from _of_overlap(write)
            paths = [*(write.span.path for write in writes if write.span is not None), *files]
            if refusal is Refusal.INFERENCE_TENSOR:
                yield from no_inference.propose(paths, switched_on=mode)
            elif history.first(Viewed) is None:
                yield from clone_expanded.propose(paths)
        case Refusal.DIRTY_MARK:
            yield from (unmarked.propose(write.span) for write in writes if write.span is not None)
        case None | Refusal.SAVED_OVERWRITTEN:
            yield from _of_overwritten(history, writes, files)
        case _:
            yield from _of_other(refusal, history, writes, files)


def _of_other(refusal: Refusal, history: History, writes: list[Written], files: Sequence[str]) -> Iterator[Fix | None]:
    """What a write into a view, or under a transform, was refused for."""
    yield from _mapped(writes) if refusal is Refusal.UNMAPPED else ()
    if refusal is Refusal.NO_GRAD_VIEW:
        yield from (clone_before_write.propose_view_again(write.span) for write in writes if write.span is not None)
    for write in writes:
        yield from _of_write(write, files)
    yield from (_cloned_view(view) for view in history.all(Viewed))
    if refusal is Refusal.VIEW_DETACHED:
        yield from (whole_detached.propose(write.span) for write in writes if write.span is not None)
    if refusal is Refusal.MULTI_OUTPUT_VIEW:
        yield from _one_by_one(history, writes)
    if history.subject.kind in (TensorKind.PARAMETER, TensorKind.LEAF):
        yield from (no_grad.propose(write.span) for write in writes if write.span is not None)


def _of_overlap(write: Written) -> Iterator[Fix | None]:
    if write.span is not None:
        yield from clone_expanded.propose_for(write.span)
        yield clone_at_save.propose_given(write.span, _base_name(write.target))
        yield from _before_write(write)
        yield from _out_of_place(write)
        yield from clone_at_save.propose_each(write.span)


def _mapped(writes: list[Written]) -> Iterator[Fix | None]:
    """Make what a mapped function writes a mapped tensor."""
    yield from (made_mapped.propose(write.span) for write in writes if write.span is not None)


def _of_leaves_and_gradients(history: History, files: Sequence[str]) -> Iterator[Fix | None]:
    """What is mended where a value became a leaf, or where a gradient is kept, shared or written by a hook."""
    for cut in history.all(Detached):
        yield from graph_joined.propose(cut.span) if cut.cuts and cut.span is not None else ()
    for write in history.all(Written):
        if history.witness is Witness.STALE_GRADIENT and write.span is not None:
            yield gradient_zeroed.propose(write.span)
        if history.witness is Witness.GRADIENT and write.span is not None:
            yield out_of_place.propose(write.span, of_data=True)
    if history.witness is Witness.KEPT_GRADIENT and (named := _KEPT.fullmatch(history.subject.name)):
        yield from kept_entry.propose(files, named[1], named[2])


def _of_overwritten(history: History, writes: list[Written], files: Sequence[str]) -> Iterator[Fix | None]:
    if history.subject.kind is TensorKind.INTERMEDIATE and any(_is_hidden(write) for write in writes):
        yield from _recorded(writes)
        if any(write.access is Access.DETACHED for write in writes):
            yield from (alias_copied.propose(made.span) for made in history.all(Detached) if made.span is not None)
            return
    by_write = [fix for write in writes for fix in _of_write(write, files)]
    is_region = _is_region(history)
    # What a region saves inside, it saves again: from what it reads by then.
    by_save = [] if is_region else list(_at_saves(history, writes))
    saves_first = _is_state(history, writes) or any(
        write.span is not None and clone_before_write.is_filled_in_loop(write.span) for write in writes
    )
    yield from [*by_save, *by_write] if saves_first else [*by_write, *by_save]
    yield from (clone_before_write.propose_base(write.span) for write in writes if write.span is not None)
    if history.witness not in SHOWN_LATER:
        yield from _moved(writes, history.last(Needed), files)
    yield from _in_function(history, writes, files)
    if is_region:
        spans = [event.span.path for event in history.events if event.span is not None]
        yield from region_kept.propose([*spans, *files])
    if history.subject.kind in _STATE:
        kind = "parameters" if history.subject.kind is TensorKind.PARAMETER else "buffers"
        attribute = history.subject.qualified_name.rpartition(".")[2]
        for span in (saved.span for saved in history.all(Saved) if saved.span is not None):
            yield from module_copies.propose(span, kind=kind)
            yield from clone_at_save.propose_state(span, attribute)


def _is_region(history: History) -> bool:
    """Whether what was overwritten or replaced is what a checkpointed region reads."""
    return any(saved.operation == "checkpoint" for saved in history.all(Saved))


def _recorded(writes: list[Written]) -> Iterator[Fix]:
    """Record what was written off the tape to a value whose gradient flows; a saved copy would leave that as it is."""
    for write in writes:
        if write.span is not None and _is_hidden(write):
            yield from on_tape.propose(write.span)


def _is_hidden(write: Written) -> bool:
    """Whether a write was kept from the tape that could have known of it."""
    by_route = write.access in (Access.DATA, Access.DETACHED) or not write.grad_enabled
    return not write.is_on_tape and by_route


def _guesses(history: History) -> Iterator[Fix]:
    is_overwritten = history.refusal is None or history.refusal.refusal is Refusal.SAVED_OVERWRITTEN
    is_overwritten = is_overwritten and not _is_region(history)
    for saved in history.all(Saved) if is_overwritten and history.subject.kind not in _STATE else ():
        if saved.span is None:
            continue
        guess = clone_at_save.propose(saved.span, saved.operand, saved.operation, is_guess=True)
        yield from () if guess is None else (guess,)
        yield from clone_at_save.propose_each(saved.span)


def _moved(writes: list[Written], needed: Needed | None, files: Sequence[str]) -> Iterator[Fix]:
    """Move what writes behind the backward that needs the old values."""
    if needed is None or needed.span is None:
        return
    for write in writes:
        if write.span is not None:
            is_step = write.writer is Writer.OPTIMIZER
            yield from write_moved.propose(write.called or write.span, needed.span, is_step=is_step, paths=files)
    for write in writes:
        if write.span is not None and write.writer is Writer.OPTIMIZER:
            yield from update_moved.propose(write.called or write.span, needed.span)


def _of_write(write: Written, files: Sequence[str]) -> Iterator[Fix | None]:
    span = write.span
    if span is None or write.writer in (Writer.OPTIMIZER, Writer.COLLECTIVE):
        return
    yield gradients_dropped.propose(span)
    if write.created is not None:
        yield inplace_flag.propose(write.created, call=span)
        yield flag_handed_down.propose(write.created, paths=files)
    if write.writer is Writer.MODULE:
        yield out_of_place.propose(span)  # `F.dropout(h, inplace=True)` names its flag where it is called
        yield clone_at_save.propose_input(span)
        yield from _before_write(write)
        return
    yield from _out_of_place(write)
    yield from _before_write(write)


def _of_leaf(write: Written, history: History, files: Sequence[str]) -> Iterator[Fix | None]:
    """A leaf held as state is set; a leaf held by a local name takes part in a computation, and so may a parameter."""
    span = write.span
    if span is None:
        return
    off_tape = no_grad.propose(span)
    if write.created is not None:
        yield inplace_flag.propose(write.created, call=span)
        yield flag_handed_down.propose(write.created, paths=files)
    if history.subject.kind in _STATE or _is_attribute(write) or no_grad.is_step(span):
        yield off_tape
        if not no_grad.is_step(span) and not _is_registered(write, history.subject):
            yield from _before_write(write)
        return
    yield from _out_of_place(write)
    yield from _before_write(write)
    yield clone_before_write.propose_base(span)
    yield off_tape


def _out_of_place(write: Written) -> Iterator[Fix | None]:
    if write.span is not None:
        yield returned_write.propose(write.span)
        yield loop_write.propose(write.span)
        yield foreach_write.propose(write.span)
        yield None if loop_write.is_lost(write.span) else out_of_place.propose(write.span)
        yield item_write.propose(write.span)


def _before_write(write: Written) -> Iterator[Fix | None]:
    if write.span is not None and not loop_write.is_lost(write.span):
        yield clone_before_write.propose(write.span)
        yield clone_before_write.propose_item(write.span)


def _at_saves(history: History, writes: list[Written]) -> Iterator[Fix | None]:
    for saved in history.all(Saved):
        if saved.span is None:
            continue
        if saved.operand:
            yield clone_at_save.propose(saved.span, saved.operand, saved.operation)
        for write in writes:
            yield clone_at_save.propose_named(saved.span, _base_name(write.target))
            yield None if write.span is None else clone_at_save.propose_given(write.span, _base_name(write.target))
    for write in writes if history.first(Saved) is None else ():  # `CopySlices` hides what the node inside of it saved
        if write.span is not None:
            yield from clone_at_save.propose_hidden(write.span, _base_name(write.target))


def _in_function(history: History, writes: list[Written], files: Sequence[str]) -> Iterator[Fix]:
    """Let a custom Function save a copy."""
    name = _base_name(writes[0].target) if writes else ""
    for saved in history.all(Saved):
        if saved.node.endswith("Backward") and not saved.operand:
            paths = [event.span.path for event in history.events if event.span is not None]
            yield from save_copied.propose(dict.fromkeys([*paths, *files]), saved.operation, name.rpartition(".")[2])


def _cloned_view(view: Viewed) -> Fix | None:
    if view.span is None:
        return None
    if view.kind is ViewKind.MULTI_OUTPUT:
        return clone_parts.propose(view.span)
    return clone_at_save.propose(view.span, "result", view.operation)


def _one_by_one(history: History, writes: list[Written]) -> Iterator[Fix]:
    """Take views one by one: those that were made where a view was; those of the names; any of the function's."""
    for view in history.all(Viewed):
        yield from () if view.span is None else single_views.propose(view.span)
    raised = history.refusal
    spans = [*([] if raised is None else [raised.span]), *(write.span for write in writes)]
    names = [history.subject.name, *(_base_name(write.target) for write in writes)]
    for span in dict.fromkeys(span for span in spans if span is not None):
        yield from single_views.propose_for(span, *names)
        yield from single_views.propose_for(span)


def _is_state(history: History, writes: list[Written]) -> bool:
    """Whether the tensor outlives the call that writes it, and is no result of the computation."""
    kind = history.subject.kind
    return kind in _STATE or (kind is not TensorKind.INTERMEDIATE and any(_is_attribute(write) for write in writes))


def sets_state(finding: Diagnostic) -> bool:
    """Whether a write is known to set a leaf that outlives it: one that an object holds, or a step along a gradient."""
    writes = () if finding.history is None else finding.history.all(Written)
    return any(_is_attribute(write) or (write.span is not None and no_grad.is_step(write.span)) for write in writes)


def _is_registered(write: Written, subject: Subject) -> bool:
    """Whether what is written is named as a module's own parameter, which no other tensor may take the place of."""
    name = _base_name(write.target)
    return "." in name and name.rpartition(".")[2] == (subject.qualified_name or name).rpartition(".")[2]


def _is_attribute(write: Written) -> bool:
    return "." in _base_name(write.target)


def _base_name(target: str) -> str:
    """Return the name of what is written, without what takes views of it: ``k`` of ``k.diagonal()`` and ``k[0]``."""
    name = re.match(r"[\w.]*", target)
    found = "" if name is None else name[0]
    return found.rpartition(".")[0] if target[len(found) :].startswith("(") else found


def _distinct(fixes: Iterable[Fix | None]) -> tuple[Fix, ...]:
    seen: set[tuple[Edit, ...]] = set()
    told: list[Fix] = []
    for fix in fixes:
        if fix is not None and fix.edits and fix.edits not in seen:
            seen.add(fix.edits)
            told.append(fix)
    return tuple(told[:MAX_CURES])
