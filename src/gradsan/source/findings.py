"""From conflicts to histories: which overwritten values backward really needs, and how sure that is."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

from gradsan.model.diagnostic import Certainty
from gradsan.model.event import (
    Event,
    Needed,
    Raised,
    Refusal,
    Saved,
    SequenceNumber,
    Version,
    Viewed,
    Writer,
    Written,
)
from gradsan.model.history import History, Subject, TensorKind
from gradsan.source.callers import Wanted
from gradsan.source.doubts import (
    handed_to_numpy,
    hangs_on_two_objects,
    is_called_by_step,
    is_compared,
    is_decoding,
    is_no_tensor,
    is_of_optimizer,
    may_be_left_out,
    tells_tuples,
)
from gradsan.source.expressions import given_at
from gradsan.source.flow.conditions import runs_in_evaluation
from gradsan.source.flow.graph import (
    Conflict,
    Grad,
    Guard,
    Node,
    Place,
    Refused,
    Unrecorded,
    Write,
    contradicts,
    gives_gradient,
    reachable,
)
from gradsan.source.flow.machine import Machine
from gradsan.source.plausible import (
    gradient_may_flow,
    is_called_without_elsewhere,
    is_data,
    is_only_called_without,
    runs_without,
    runs_without_by_name,
    stands_without,
)
from gradsan.source.repeats import what_ran_again
from gradsan.source.spans import span_of


@dataclass(frozen=True, slots=True)
class Inference:
    """A history that may happen, and whether a path surely leads to it when gradients flow."""

    history: History
    is_sure: bool
    at: int = 0
    """The identity of the node that writes, while the syntax tree is in memory."""
    asks: Wanted | None = None
    """What a caller of the entry must pass; None where the entry settles it by itself."""
    is_asked: bool = False
    """The entry makes a leaf itself whose gradient needs what is overwritten: someone asks for it."""


MANY = 4
"""A function that breaks its own gradient by writing more tensors than that was never differentiated."""


def settle(
    machine: Machine,
    roots: list[Node],
    *,
    in_backward: bool = False,
    unproven: frozenset[str] = frozenset(),
    entry: Place | None = None,
) -> list[Inference]:
    """Return what an entry's conflicts and refusals amount to, one inference for each write.

    Args:
        machine: After the entry was run.
        roots: What the entry hands to its caller.
        in_backward: Whether the entry is the backward pass of a custom Function.
        unproven: The parameters that nothing shows to be tensors.
        entry: The function that was run on its own.
    """
    unproven = (unproven - machine.layered) | machine.index_roots
    live = reachable([*roots, *machine.escaped])
    found: dict[int, tuple[Inference, Write]] = {}

    def tell(inference: Inference, write: Write) -> None:
        known = found.get(id(write.place.node))
        if known is None or (inference.is_sure and not known[0].is_sure):
            found[id(write.place.node)] = inference, write

    for refused in machine.refusals:
        if refused.write.storage.is_tensor:
            tell(_refused(machine, refused, unproven), refused.write)
    for conflict in machine.conflicts:
        if conflict.save.storage.is_tensor and (in_backward or _is_needed(conflict, live)):
            inference = _overwritten(machine, conflict, unproven, in_backward=in_backward)
            if inference is not None:
                tell(inference, conflict.write)
    for use in machine.unrecorded:
        if use.write.storage.is_tensor and (use.is_needed or id(use.node) in live):
            tell(_unrecorded(machine, use, unproven), use.write)
    return _doubt_others(machine, _doubt_undifferentiated(machine, list(found.values())), entry)


def _doubt_undifferentiated(machine: Machine, found: list[tuple[Inference, Write]]) -> list[tuple[Inference, Write]]:
    """Doubt what breaks the gradient of a function that nobody can have asked for one."""
    counted = (write for inference, write in found if inference.is_sure and not _is_overlap(inference))
    counts = Counter(function for function, _ in {(_function_of(write), id(write.storage)) for write in counted})
    doubted = {where for where, count in counts.items() if count > MANY}
    outs = (refused.write for refused in machine.refusals if _only_without(refused))
    doubted |= {_function_of(write) for write in outs if not may_be_left_out(machine, write.guard)}
    is_doubted = [_function_of(write) in doubted and not _is_overlap(inference) for inference, write in found]
    return [(replace(i, is_sure=False) if off else i, w) for (i, w), off in zip(found, is_doubted, strict=True)]


def _is_overlap(inference: Inference) -> bool:
    """Return whether a write is refused for memory that elements share, which no gradient has a part in."""
    return any(isinstance(event, Raised) and event.refusal is Refusal.OVERLAP for event in inference.history.events)


def _function_of(write: Write) -> str:
    return f"{write.place.module.path}:{write.place.function}"


def _only_without(refused: Refused) -> bool:
    """Return whether a write into `out` is refused only if a caller wants a gradient: nobody does, then."""
    return refused.refusal is Refusal.OUT_WITH_GRADIENT and refused.grad is not Grad.YES


def _doubt_others(machine: Machine, found: list[tuple[Inference, Write]], entry: Place | None) -> list[Inference]:
    """Doubt what only an entry finds that nobody differentiates, and what is only called by such functions."""
    is_off: bool | None = None
    settled: list[Inference] = []
    for inference, write in found:
        needs_caller = not any(isinstance(event, (Needed, Raised)) for event in inference.history.events)
        if inference.is_sure and needs_caller and entry is not None:
            if is_off is None:
                is_off = runs_without_by_name(entry)
            is_off_there = is_of_optimizer(machine, write.place)
            if (
                (is_off and not inference.is_asked)
                or is_off_there
                or is_called_without_elsewhere(machine.project, write.place)
            ):
                inference = replace(inference, is_sure=False)
        settled.append(inference)
    return settled


def _is_needed(conflict: Conflict, live: set[int]) -> bool:
    if conflict.is_needed:
        return True
    node = conflict.save.node
    if conflict.write.is_between_steps or node.is_freed or node.is_held:
        return False
    return id(node) in live


def _overwritten(
    machine: Machine, conflict: Conflict, unproven: frozenset[str], *, in_backward: bool
) -> Inference | None:
    save, write = conflict.save, conflict.write
    if machine.late_from is not None and save.sequence < machine.late_from < write.sequence:
        return None
    roots = save.roots - unproven - handed_to_numpy(machine, save.guard | write.guard)
    notes = [*_conditions(machine, save.guard | write.guard), *_grad_condition(save.grad, roots or save.roots)]
    notes += [f"where {caveat}" if caveat.startswith("`") else caveat for caveat in write.caveats]
    again = what_ran_again(conflict)
    if again:
        notes.append(f"the value saved in one {again} is overwritten in the next")
    if machine.fed_back is not None and write.sequence > machine.fed_back[1]:
        if save.sequence > machine.fed_back[1]:
            return None
        notes.append(f"when what it returns is passed to it again as `{machine.fed_back[0][0]}`")
    # What runs without gradients overwrites its caller's values all the same.
    is_caller = save.place.function != write.place.function
    sure = _is_sure(machine, save.grad, roots, save.guard | write.guard, (save if is_caller else write).place)
    sure = sure and not (contradicts(save.guard, write.guard) or hangs_on_two_objects(machine, save, write))
    is_asked = gives_gradient(save.node)
    if conflict.needed_at is None and not in_backward:
        is_off = stands_without if is_asked else runs_without_by_name
        sure = sure and not (is_off(save.place) or (stands_without if is_caller else is_off)(write.place))
        sure = sure and not (is_only_called_without(write.place) or is_decoding(write))
    sure = sure and not is_compared(machine, write) and not (in_backward and write.caveats)
    sure = sure and not is_no_tensor(machine, save.guard | write.guard, {write.target, save.name} - {""})
    guard = save.guard | write.guard
    is_open = (conflict.needed_at is None or save.grad is Grad.FLOWS) and not in_backward
    asks = _asked_of_callers(machine, save.grad, roots, guard) if is_open else None
    events = _events_of(machine, conflict, in_backward=in_backward)
    history = _history(write, events, tuple(notes), save.name)
    return Inference(history, sure, id(write.place.node), asks, is_asked=is_asked)


def _events_of(machine: Machine, conflict: Conflict, *, in_backward: bool) -> list[Event]:
    save, write = conflict.save, conflict.write
    events: list[Event] = [
        Saved(
            span=span_of(save.place),
            operation=save.operation,
            operand=save.operand,
            version=Version(save.version),
            sequence=SequenceNumber(save.sequence),
            is_view=save.is_view,
            node=save.backward,
            superseded=conflict.is_superseded if conflict.is_needed else None,
        ),
        _written(write, in_backward=in_backward),
    ]
    if conflict.needed_at is not None:
        events.append(
            Needed(
                span=span_of(conflict.needed_at),
                operation=save.backward,
                version=Version(write.version + 1),
                sequence=SequenceNumber(machine.clock),
                root_sequence=SequenceNumber(conflict.root_sequence),
            )
        )
    return events


_LEAVES = re.compile(
    r"(?:^|_)(?:weight|bias|biases|param|parameter|emb|embed|embedding|codebook|center|centroid|prototype|memory|bank|buffer"
    r"|queue|ema|model|module|net|state|cache|grad|gradient)s?$"
)
"""Names of what is a leaf, or no part of a graph: it is projected, renormalised or averaged where it is, on purpose."""


def _unrecorded(machine: Machine, use: Unrecorded, unproven: frozenset[str]) -> Inference:
    """Tell of a value that was mutated behind the graph, and that the graph goes on with."""
    write, guard, roots = use.write, use.guard | use.write.guard, use.roots - unproven
    notes = [*_conditions(machine, guard), *_grad_condition(use.grad, roots or use.roots)]
    # A private helper is not excused: what it does to its argument, it does to the caller's value.
    sure = use.grad is Grad.YES or any(not is_data(name) for name in roots)
    sure = sure and not runs_in_evaluation(machine, guard)
    sure = sure and not (is_compared(machine, write) or is_decoding(write) or _is_late(machine, write))
    sure = sure and (use.is_needed or not runs_without(write.place))
    sure = sure and not any(_LEAVES.search(name) for name in (*use.roots, write.storage.name, write.target))
    is_settled = use.is_needed and use.grad is Grad.YES
    asks = None if is_settled else _asked_of_callers(machine, use.grad, roots, guard)
    events: list[Event] = [replace(_written(write), is_on_tape=False)]
    return Inference(_history(write, events, tuple(notes), ""), sure, id(write.place.node), asks)


def _is_late(machine: Machine, write: Write) -> bool:
    """Return whether a write stands in a function that was handed on: in what mode that is called can't be told."""
    return machine.late_from is not None and write.sequence > machine.late_from


def _written(write: Write, *, in_backward: bool = False, refused: bool = False) -> Written:
    span = span_of(write.place)
    return Written(
        span=span,
        operation=write.operation,
        version_before=Version(write.version),
        version=Version(write.version if refused else write.version + 1),
        sequence=SequenceNumber(write.sequence),
        access=write.access,
        writer=Writer.BACKWARD if in_backward else write.writer,
        grad_enabled=write.grad_enabled,
        target=write.target,
        given=given_at(span, write.operation),
        created=span_of(write.created) if write.created is not None else None,
        module=write.module,
        refused=refused,
    )


def _refused(machine: Machine, refused: Refused, unproven: frozenset[str]) -> Inference:
    write, view = refused.write, refused.view
    events: list[Event] = []
    if view is not None:
        events.append(
            Viewed(
                span=span_of(view.place),
                operation=view.operation,
                kind=view.kind,
                sequence=SequenceNumber(view.sequence),
            )
        )
    written = _written(write, refused=True)
    events.append(written)
    events.append(
        Raised(
            span=span_of(refused.raised_at) if refused.raised_at is not None else written.span,
            refusal=refused.refusal,
            message=refused.message,
            sequence=SequenceNumber(write.sequence),
        )
    )
    roots = refused.roots - unproven
    notes = [*_conditions(machine, write.guard), *_grad_condition(refused.grad, roots or refused.roots)]
    sure = _is_sure(machine, refused.grad, roots, write.guard, write.place) and not write.caveats
    sure = sure and not _only_without(refused) and not (refused.grad is Grad.YES and _is_late(machine, write))
    sure = sure and not (refused.grad is Grad.FLOWS and is_of_optimizer(machine, write.place))
    sure = sure and not (view is not None and view.operation == "unbind" and tells_tuples(machine, write.guard))
    # What a program runs is no matter of conventions, and shared memory is refused whether or not gradients flow.
    is_settled = machine.is_program or refused.refusal is Refusal.OVERLAP or write.place.function == "<module>"
    if sure and not is_settled:
        sure = not (_is_only_run_without(machine, refused) or is_called_by_step(machine, write.place))
    asks = _asked_of_callers(machine, refused.grad, roots, write.guard) if not is_settled else None
    if asks is not None and refused.refusal is Refusal.LEAF and write.storage.kind is TensorKind.PARAMETER:
        asks = replace(asks, are_weights=not write.storage.owner)
    history = _history(write, events, tuple(notes), "")
    if refused.raised_at is not None and view is not None:  # another name than the view's was written
        history = replace(history, subject=replace(history.subject, name=""))
    return Inference(history, sure, id(write.place.node), asks)


def _asked_of_callers(machine: Machine, grad: Grad, roots: frozenset[str], guard: Guard) -> Wanted:
    """Return what a caller must pass; see NOTE [Callers]."""
    gradients = frozenset(name for name in roots if not is_data(name)) if grad is Grad.FLOWS else frozenset()
    given: set[str] = set()
    for literal in guard:
        text = machine.described[abs(literal)].text if abs(literal) in machine.described else ""
        if literal > 0 or text.endswith(" is None"):
            given.add(text if literal > 0 else text.removesuffix(" is None"))
    return Wanted(gradients, frozenset(given))


def _is_only_run_without(machine: Machine, refused: Refused) -> bool:
    """Return whether what is refused stands where no gradients are recorded; a leaf is refused in constructors too."""
    place = refused.write.place
    if _is_own_leaf(refused):
        return is_called_without_elsewhere(machine.project, place, is_refused=True)
    return is_only_called_without(place)


def _is_own_leaf(refused: Refused) -> bool:
    """Return whether the program's own parameter is written: who calls the function doesn't matter for its error."""
    storage = refused.write.storage
    return storage.kind is TensorKind.PARAMETER and bool(storage.owner)


def _history(write: Write, events: list[Event], notes: tuple[str, ...], name: str) -> History:
    storage = write.storage
    shown = write.target if write.target.isidentifier() or _is_attribute(write.target) else ""
    kind = storage.kind
    subject = Subject(
        name=shown or name or storage.name,
        qualified_name=storage.name if kind in (TensorKind.PARAMETER, TensorKind.BUFFER) else "",
        kind=kind,
    )
    return History(subject=subject, events=tuple(events), certainty=Certainty.INFERRED, notes=notes)


def _is_attribute(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _is_sure(machine: Machine, grad: Grad, roots: frozenset[str], guard: Guard, place: Place) -> bool:
    if grad is Grad.UNKNOWN or (
        grad is Grad.FLOWS and not gradient_may_flow(roots, place, machine.project, machine.entry)
    ):
        return False
    return not runs_in_evaluation(machine, guard)


def _conditions(machine: Machine, guard: Guard) -> list[str]:
    """Say under which conditions a path is taken."""
    texts = []
    for literal in sorted(guard, key=abs):
        condition = machine.described.get(abs(literal))
        if (
            condition is None
            or len(condition.text) > 80
            or literal * condition.implied > 0
            or literal in machine.presumed
        ):
            continue
        texts.append(f"`{condition.text}` is {'true' if literal > 0 else 'false'}")
    return [f"if {' and '.join(texts[:3])}"] if texts else []


def _grad_condition(grad: Grad, roots: frozenset[str]) -> list[str]:
    if grad is not Grad.FLOWS or not roots:
        return []
    names = " or ".join(f"`{name}`" for name in sorted(roots)[:3])
    return [f"when a gradient flows to {names}"]


__all__ = ["Inference", "Refusal", "settle"]
