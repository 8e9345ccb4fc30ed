"""From what the engine refuses to the history of the storage it refuses for."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from gradsan import knowledge
from gradsan.frameworks.torch.carried import carried_of
from gradsan.frameworks.torch.compiling import notes_on_compiled
from gradsan.frameworks.torch.graph import Conflict, Slot, conflicts_of, nearest_leaves, nodes_of, root_number, slots_of
from gradsan.frameworks.torch.modules import module_tree, subject_of
from gradsan.frameworks.torch.refusals import mark_told, tell, unseen_history
from gradsan.frameworks.torch.regions import physical
from gradsan.frameworks.torch.running import is_run_again
from gradsan.frameworks.torch.storages import n_bytes, storage_key
from gradsan.frameworks.torch.tied import tied_histories
from gradsan.frameworks.torch.unseen_writers import overlapping_write, unseen_write
from gradsan.knowledge.error_texts import ErrorText, recognise
from gradsan.model.event import (
    Access,
    Event,
    Needed,
    Raised,
    Refusal,
    Saved,
    SequenceNumber,
    Version,
    Writer,
    Written,
)
from gradsan.model.history import History, Subject, TensorKind
from gradsan.record.frames import Site, site_at, site_in_program, span_of
from gradsan.record.writes import GRAD_ENABLED, IN_BACKWARD, Run, StorageLog

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder


def backward_failed(recorder: Recorder, error: RuntimeError, roots: Any, site: Site | None) -> None:
    """Explain an exception that left the engine; exceptions of other kinds are left alone.

    Effect: tells the sessions.
    """
    if not recorder.is_on or getattr(error, "_gradsan_told", False):
        return
    histories: list[History] = []
    with recorder.border():
        text = recognise(str(error))
        if text is None:
            return
        raised_at = recorder.user_code.innermost_of_traceback(error.__traceback__) or site
        if text.refusal is Refusal.GRAPH_FREED:
            histories = tied_histories(recorder, text, roots, raised_at)
            if not histories:
                return  # a state carried by its name, or a graph used twice: no write is to blame
        mark_told(error)
        histories = histories or _Explanation(recorder, roots, needed_at=site, raised_at=raised_at).histories(text)
    tell(recorder, histories, error)


def inspect(recorder: Recorder, roots: Any) -> list[History]:
    """Return the history of every saved tensor of a graph that has already been overwritten."""
    explanation = _Explanation(recorder, roots, needed_at=None, raised_at=None)
    return [explanation.history_of(conflict, raised=False) for conflict in explanation.conflicts]


class _Explanation:
    """What the histories of one failure share."""

    def __init__(self, recorder: Recorder, roots: Any, *, needed_at: Site | None, raised_at: Site | None) -> None:
        self.recorder = recorder
        self.roots = roots
        self.root_number = root_number(roots)
        self.needed_at = needed_at
        self.raised_at = raised_at
        recorder.writes.fold()  # NOTE [Before SavedTensor.data] in `held`
        self.conflicts = conflicts_of(roots)
        self.table = knowledge.load("torch")
        self.tree = module_tree()

    def histories(self, text: ErrorText) -> list[History]:
        """Return the history that explains the error, then those of the graph's other conflicts."""
        if text.refusal is Refusal.OVERLAP:
            return [self._overlapping(text)]
        if text.refusal is Refusal.SAVED_DETACHED:
            return [self._detached(text)]
        if text.refusal is not Refusal.SAVED_OVERWRITTEN:
            return [unseen_history(text, self.raised_at, None)]
        conflicts = [each for each in self.conflicts if each.text.refusal is Refusal.SAVED_OVERWRITTEN]
        guilty = next((conflict for conflict in conflicts if conflict.text.sentence == text.sentence), None)
        if guilty is None:
            first = self.hidden(text)
        else:
            first = self.history_of(guilty, raised=True)
        rest = [self.history_of(conflict, raised=False) for conflict in conflicts if conflict is not guilty]
        return [first, *_of_other_causes(first, rest)]

    def _overlapping(self, text: ErrorText) -> History:
        history = unseen_history(text, self.raised_at, None)
        raised = tuple(event for event in history.events if isinstance(event, Raised))
        written = overlapping_write(self.recorder, self.roots)
        return replace(history, events=raised if written is None else (written, *raised))

    def _detached(self, text: ErrorText) -> History:
        history = unseen_history(text, self.raised_at, None)
        raised = tuple(event for event in history.events if isinstance(event, Raised))
        living = [(tensor, site) for cut, site in tuple(self.recorder.detached) if (tensor := cut()) is not None]
        sites = {id(tensor): site for tensor, site in living}
        slots = [slot for node in nodes_of(self.roots) for slot in slots_of(node) if id(slot.tensor) in sites]
        slot = max(slots, key=lambda each: each.number, default=None)
        if slot is None:
            return replace(history, events=raised)
        version = Version(int(slot.tensor._version))
        saved = replace(self._saved(Conflict(slot, text), []), version=version)
        cut = Written(
            span=sites[id(slot.tensor)].span(),
            operation="detach_",
            version_before=version,
            version=version,
            sequence=SequenceNumber(slot.number),
        )
        return History(subject=self._subject(slot.tensor, text), events=(saved, cut, *raised))

    def history_of(self, conflict: Conflict, *, raised: bool) -> History:
        """Build the history of one conflict: saved, written, needed, raised."""
        slot, text = conflict.slot, conflict.text
        key = storage_key(slot.tensor)
        expected, found = _versions(text, slot.tensor)
        log = None if key is None else self.recorder.writes.find(key)
        number = SequenceNumber(slot.number)
        writes = self._writes(log, key, expected=expected, found=found, number=number, text=text)
        if not writes:
            writes = self._unseen_writes(slot, expected=expected, found=found)
        saves = [self._saved(conflict, writes)]
        elder = self._elder(conflict, key)
        if elder is not None:
            saves = [self._saved(elder, writes), replace(saves[0], again=True)]
        span = saves[0].span
        function = "" if span is None else span.function
        subject = replace(self._subject(slot.tensor, text), module=self._module_around(slot.node, function))
        carried = carried_of(self.recorder, self.roots, slot.node, writes) if raised else []
        events: list[Event] = [*saves, *writes, *carried]
        return self._finish(subject, events, text if raised else None, node=type(slot.node).__name__, found=found)

    def _saved(self, conflict: Conflict, writes: list[Written]) -> Saved:
        slot, text = conflict.slot, conflict.text
        operation, operand = self._operation_of(slot.node, slot.attribute)
        if not operand and conflict.is_of_own_result:
            operand = "result"
        saved_at = self.recorder.site_of(slot.number, operation)
        return Saved(
            span=span_of(saved_at),
            operation=operation,
            operand=operand,
            version=_versions(text, slot.tensor)[0],
            sequence=SequenceNumber(slot.number),
            is_view=bool(slot.tensor._is_view()) or _is_base_written(text),
            node=type(slot.node).__name__,
            superseded=self._is_superseded(saved_at, slot.number, writes),
        )

    def _elder(self, conflict: Conflict, key: int | None) -> Conflict | None:
        """Return the forward operation that saved the same value, where a backward pass saved it once more.

        The nodes of a gradient that is differentiated itself (``create_graph=True``) save what its formulas use.
        """
        made = conflict.slot.number
        began = max((each.number for each in self.recorder.backwards if each.number <= made), default=None)
        if began is None or key is None:
            return None
        site, sites = self.recorder.site_of(made), [each.site for each in self.recorder.backwards]
        if site is None or not any(each is not None and _is_same_line(each, site) for each in sites):
            return None
        elders = [
            each
            for each in self.conflicts
            if each.slot.number < began
            and each.text.version_expected == conflict.text.version_expected
            and storage_key(each.slot.tensor) == key
        ]
        return min(elders, key=lambda each: -each.slot.number, default=None)

    def hidden(self, text: ErrorText) -> History:
        """Build the history of a conflict whose node can't be inspected, by matching versions with the write log."""
        expected, found = Version(text.version_expected or 0), Version(text.version_found or 0)
        log = self._log_matching(text, expected=expected, found=found)
        key = None if log is None else int(log.key)
        makers = [] if log is None else [run for run in log.runs if run.is_counted and run.last_after == expected]
        events: list[Event] = []
        if makers and text.producer is not None:
            # The write that brought the tensor to the saved version is an in-place operation that saved its result.
            maker = makers[-1]
            events.append(
                Saved(
                    span=span_of(maker.site),
                    operation=text.producer.removesuffix("Backward0").lower(),
                    operand="result",
                    version=expected,
                    sequence=SequenceNumber(maker.last_number),
                )
            )
        events += self._writes(log, key, expected=expected, found=found, number=None, text=text)
        owner = self.tree.owner_of(key)
        subject = Subject(
            shape=text.shape,
            dtype=text.dtype,
            kind=owner.kind if owner else TensorKind.INTERMEDIATE,
            qualified_name=owner.qualified_name if owner else "",
        )
        return self._finish(subject, events, text, node=text.producer or "", found=found)

    def _finish(
        self, subject: Subject, events: list[Event], text: ErrorText | None, *, node: str, found: Version
    ) -> History:
        needed_at = span_of(self.needed_at)
        now = SequenceNumber(self.recorder.next_number())
        program = site_in_program(self.recorder.user_code, self.needed_at)
        needed = Needed(
            span=needed_at,
            in_program=span_of(program),
            operation=node,
            version=found,
            sequence=now,
            root_sequence=self.root_number,
        )
        events.append(needed)
        if text is not None:
            span = span_of(self.raised_at)
            events.append(Raised(span=span, refusal=text.refusal, message=text.sentence, sequence=now))
        return History(subject=subject, events=tuple(events), notes=notes_on_compiled(events))

    def _is_superseded(self, saved_at: Site | None, number: int, writes: list[Written]) -> bool | None:
        if saved_at is None or not writes:
            return None
        first = writes[0]
        if not self.recorder.kept_graph(number, first.sequence):
            return False  # no backward went over it before: an earlier step's would have freed what it saved
        return self.recorder.runs_again(saved_at, after=first.sequence)

    def _operation_of(self, node: Any, attribute: str) -> tuple[str, str]:
        name = type(node).__name__
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            return name.removesuffix("Backward"), ""
        return self.table.saved_operand(name, attribute)

    def _writes(
        self,
        log: StorageLog | None,
        key: int | None,
        *,
        expected: Version,
        found: Version,
        number: SequenceNumber | None,
        text: ErrorText,
    ) -> list[Written]:
        runs = [] if log is None else list(log.writes_after(expected, number))
        if log is not None and not runs:  # NOTE [Numbers of threads] in `record.clock`
            runs = list(log.writes_after(expected))
        steps = [] if key is None else list(self.recorder.steps.writes_to(key))
        runs += [run for run in steps if number is None or run.last_number >= number]
        runs.sort(key=lambda run: run.last_order)
        told: list[Written] = []
        for run in runs:
            written = self._written(run, key, expected=expected, found=found, text=text)
            if written.writer is Writer.BACKWARD and is_run_again(self.recorder.running, number):
                written = replace(written, writer=run.writer)
            told += _inner_writes(run, key, written) or [written]
        return _distinct(told)

    def _unseen_writes(self, slot: Slot, *, expected: Version, found: Version) -> list[Written]:
        _, operand = self._operation_of(slot.node, slot.attribute)
        is_result = operand.startswith("result")
        write = unseen_write(self.recorder, self.roots, slot, is_result=is_result, expected=expected, found=found)
        return [] if write is None else [write]

    def _written(self, run: Run, key: int | None, *, expected: Version, found: Version, text: ErrorText) -> Written:
        agent = None if run.agent is None else run.agent()
        n_times = run.n_times
        if run.writer is Writer.OPTIMIZER:
            before, after, writer = expected, found, Writer.OPTIMIZER
        else:
            before, after = Version(max(run.first_before, expected)), Version(min(run.last_after, found))
            n_times = min(n_times, after - before)
            writer = Writer.BACKWARD if run.flags & IN_BACKWARD else run.writer
            writer = Writer.MODULE if run.agent is not None else writer
        access = self._access_of(run, key)
        access = Access.BASE if _is_base_written(text) and access is Access.ITSELF else access
        return Written(
            span=span_of(run.site),
            in_program=span_of(run.in_program),
            operation=run.operation,
            version_before=before,
            version=after,
            sequence=SequenceNumber(run.last_number),
            access=access,
            writer=writer,
            grad_enabled=bool(run.flags & GRAD_ENABLED),
            n_times=n_times,
            created=span_of(self.recorder.constructions.of(run.agent)),
            module="" if agent is None else self.tree.path_of(agent),
        )

    def _module_around(self, node: Any, function: str) -> str:
        """Return the path of the module in whose method a node was made, found by the nearest parameters."""
        class_name = function.rpartition(".")[0]
        for parent in nearest_leaves(node):
            owner = self.tree.owner_of(storage_key(parent))
            path = "" if owner is None else owner.path
            if found := self.tree.enclosing(path, class_name):
                return found
        return ""

    def _access_of(self, run: Run, key: int | None) -> Access:
        for suspect in self.recorder.suspects.writes_to(key):
            if suspect.code is run.code and -1 - suspect.offset == run.position and suspect.access is Access.DETACHED:
                return Access.DETACHED
        return run.access

    def _subject(self, tensor: torch.Tensor, text: ErrorText) -> Subject:
        kind = TensorKind.INTERMEDIATE
        if text.producer is None:
            kind = TensorKind.LEAF if tensor.requires_grad else TensorKind.CONSTANT
        return subject_of(tensor, self.tree.owner_of(storage_key(tensor)), kind=kind)

    def _log_matching(self, text: ErrorText, *, expected: Version, found: Version) -> StorageLog | None:
        candidates = []
        for log in self.recorder.writes.living():
            runs = [run for run in log.runs if run.is_counted]
            if not runs or runs[-1].last_after != found or not any(run.last_after > expected for run in runs):
                continue
            if text.shape is not None and (n_bytes(log.weak) or 0) < math.prod(text.shape):
                continue
            candidates.append(log)
        return max(candidates, key=lambda log: log.runs[-1].last_order, default=None)


def _inner_writes(run: Run, key: int | None, step: Written) -> list[Written]:
    """Return the writes of a step to one storage, line by line, where the program defines the optimizer."""
    places = {} if run.inner is None or key is None else run.inner.get(key, {})
    return [
        replace(
            step,
            span=site_at(code, position).span(),
            version_before=Version(max(version - 1, step.version_before)),
            version=Version(version),
            called=step.span,
        )
        for (code, position), version in places.items()
        if code is not None and version > step.version_before
    ]


def _is_same_line(one: Site, other: Site) -> bool:
    return one.code is other.code and one.line_number == other.line_number


def _versions(text: ErrorText, tensor: torch.Tensor) -> tuple[Version, Version]:
    """Return the versions expected and found, as the memory counts.

    A wrapper of `torch.func` counts apart from the tensor inside it, which the write log knows.
    """
    expected, found = text.version_expected or 0, text.version_found or 0
    inner = physical(tensor)
    ahead = 0 if inner is None else inner._version - found
    return Version(expected + ahead), Version(found + ahead)


def _is_base_written(text: ErrorText) -> bool:
    # The engine regenerates a view's node as AsStrided once its base, or another view of it, was written.
    return text.producer is not None and text.producer.startswith("AsStrided")


def _distinct(writes: list[Written]) -> list[Written]:
    """Tell each place once, the earliest write first."""
    told: dict[object, Written] = {}
    for write in writes:
        span = write.span
        place = write.operation if span is None else (span.path, span.line, span.column, write.in_program)
        first = told.get(place)
        n_later = 0 if first is None else first.n_later + write.version - write.version_before
        told[place] = write if first is None else replace(first, n_later=n_later)
    return list(told.values())


def _of_other_causes(first: History, rest: list[History]) -> list[History]:
    """Keep one history for each writing place that the first does not already name."""
    told = {event.span for event in first.all(Written)}
    kept = []
    for history in rest:
        places = {event.span for event in history.all(Written)}
        if places and not places & told:
            told |= places
            kept.append(history)
    return kept
