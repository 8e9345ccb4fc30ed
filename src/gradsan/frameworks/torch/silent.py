"""Silent corruption: what the engine will use in backward although it was overwritten, found before it runs.

# NOTE [When a graph is looked at] Only when a suspicious write, or an optimizer step that the version counter may not
see, is on record and a node of the graph is older than it.  The walk costs about 1 µs a node.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from gradsan import knowledge
from gradsan.frameworks.torch.graph import Slot, conflict_of, nodes_of, packed_of, root_number, slots_of
from gradsan.frameworks.torch.modules import ModuleTree
from gradsan.frameworks.torch.overlap import overlaps
from gradsan.frameworks.torch.storages import storage_key
from gradsan.frameworks.torch.suspicion import ADDITIVE, region_of
from gradsan.model.event import Access, Detached, Needed, Saved, SequenceNumber, Version, Writer, Written
from gradsan.model.history import History, Subject, TensorKind
from gradsan.record.frames import Site
from gradsan.record.suspects import Suspect
from gradsan.record.writes import Run

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

MAX_HISTORIES = 16


def before_backward(recorder: Recorder, roots: Any, site: Site | None) -> None:
    """Look at a graph that is about to be used, if there is cause.

    Effect: tells the sessions what will be silently wrong.

    Raises:
        SilentCorruption: a session is strict and something was found.
    """
    if not recorder.is_on or (recorder.suspects.last_number < 0 and not recorder.hooks_were_used):
        return
    histories: list[History] = []
    with recorder.border():
        histories = list(_Look(recorder, roots, site).histories())
    for session in list(recorder.sessions):
        if session.is_on:
            session.raise_if_strict(histories)
            for history in histories:
                session.tell(history, None)


@dataclass(frozen=True, slots=True)
class _Edge:
    """A node and one node whose result it used."""

    node: Any
    child: Any


class _Look:
    """One look at one graph."""

    def __init__(self, recorder: Recorder, roots: Any, site: Site | None) -> None:
        self.recorder = recorder
        self.roots = roots
        self.site = site
        self.producers = {
            suspect.producer: suspect
            for _, suspect in recorder.suspects.all_writes()
            if suspect.producer >= 0 and not suspect.is_on_tape and suspect.operation not in ADDITIVE
        }
        self.cuts = {key: suspect for key, suspect in recorder.suspects.all_writes() if suspect.cuts_graph}
        self.is_cause_young = recorder.suspects.last_number
        self._tree: ModuleTree | None = None
        self._table = knowledge.load("torch")

    @property
    def tree(self) -> ModuleTree:
        """The living modules; built when the first finding needs names."""
        if self._tree is None:
            self._tree = ModuleTree()
        return self._tree

    def histories(self) -> Iterator[History]:
        """Yield a history for each thing that will be silently wrong, one for each writing place."""
        told: set[object] = set()
        for history in self._all():
            places = frozenset((write.span, write.operation) for write in history.all(Written))
            if places not in told:
                told.add(places)
                yield history
            if len(told) >= MAX_HISTORIES:
                return

    def _all(self) -> Iterator[History]:
        for node in nodes_of(self.roots):
            number = int(node._sequence_nr())
            if number < self.is_cause_young or self.recorder.hooks_were_used:
                yield from self._of_slots(node, number)
            for child, _ in node.next_functions:
                if child is not None:
                    yield from self._of_edge(_Edge(node, child), number)

    def _of_slots(self, node: Any, number: int) -> Iterator[History]:
        for slot in slots_of(node, with_hooked=True):
            if _is_saved_but_unread(slot):
                continue
            key = storage_key(slot.tensor)
            region = region_of(slot.tensor)
            suspects = [
                suspect
                for suspect in self.recorder.suspects.writes_to(key)
                if suspect.number > number and region is not None and overlaps(suspect.region, region)
            ]
            steps = [run for run in self._steps(key) if run.last_number > number]
            if (suspects or steps) and (slot.is_hooked or conflict_of(slot) is None):
                yield self._overwritten(slot, key, suspects, steps)
        if self.recorder.hooks_were_used:
            yield from self._of_recomputed(node, number)

    def _steps(self, key: int | None) -> Iterator[Run]:
        if key is not None:
            yield from self.recorder.steps.writes_to(key)

    def _of_recomputed(self, node: Any, number: int) -> Iterator[History]:
        """A checkpointed region is run again with the parameters as they are now."""
        if not _is_checkpointed(node):
            return
        for child, _ in node.next_functions:
            variable = getattr(child, "variable", None)
            if variable is None:
                continue
            key = storage_key(variable)
            steps = [run for run in self._steps(key) if run.last_number > number]
            suspects = [each for each in self.recorder.suspects.writes_to(key) if each.number > number]
            if steps or suspects:
                saved = self._saved_event(number, "checkpoint", "", Version(variable._version), is_checked=False)
                writes = self._written_events(suspects, steps, Version(variable._version))
                yield self._finish(self._subject(variable, key), [saved, *writes], type(node).__name__)

    def _of_edge(self, edge: _Edge, number: int) -> Iterator[History]:
        child_number = int(edge.child._sequence_nr())
        suspect = self.producers.get(child_number)
        if suspect is not None and suspect.number <= number and edge.child.next_functions:
            subject = Subject(shape=suspect.region.size, kind=TensorKind.INTERMEDIATE)
            yield self._finish(subject, [*_alias_event(suspect), self._written_of(suspect)], type(edge.child).__name__)
        variable = getattr(edge.child, "variable", None) if self.cuts else None
        if variable is None:
            return
        key = storage_key(variable)
        cut = None if key is None else self.cuts.get(key)
        if cut is not None and cut.number <= number:
            span = None if cut.site is None else cut.site.span()
            ended = Detached(span=span, operation=cut.operation, sequence=SequenceNumber(cut.number), cuts=True)
            yield self._finish(self._subject(variable, key), [ended, self._written_of(cut)], "")

    def _overwritten(self, slot: Slot, key: int | None, suspects: list[Suspect], steps: list[Run]) -> History:
        node_name = type(slot.node).__name__
        operation, operand = self.operation_of(slot)
        version = Version(slot.tensor._version)
        saved = self._saved_event(slot.number, operation, operand, version, is_checked=not slot.is_hooked)
        writes = self._written_events(suspects, steps, version)
        return self._finish(self._subject(slot.tensor, key), [saved, *writes], node_name)

    def operation_of(self, slot: Slot) -> tuple[str, str]:
        """Return the operation that saved, in the user's terms, and what of it was saved."""
        name = type(slot.node).__name__
        if isinstance(slot.node, torch.autograd.function.BackwardCFunction):
            return name.removesuffix("Backward"), ""
        return self._table.saved_operand(name, slot.attribute)

    def _saved_event(self, number: int, operation: str, operand: str, version: Version, *, is_checked: bool) -> Saved:
        site = self.recorder.site_of(number)
        return Saved(
            span=None if site is None else site.span(),
            operation=operation,
            operand=operand,
            version=version,
            sequence=SequenceNumber(number),
            is_checked=is_checked,
        )

    def _written_events(self, suspects: list[Suspect], steps: list[Run], version: Version) -> list[Written]:
        stepped = [
            Written(
                span=None if run.site is None else run.site.span(),
                operation=run.operation,
                version_before=version,
                version=version,
                sequence=SequenceNumber(run.last_number),
                writer=Writer.OPTIMIZER,
                n_times=1,
            )
            for run in steps[:1]
        ]
        return [*(self._written_of(suspect, version) for suspect in suspects[:4]), *stepped]

    def _written_of(self, suspect: Suspect, version: Version = Version(0)) -> Written:  # noqa: B008
        agent = None if suspect.agent is None else suspect.agent()
        is_collective = suspect.operation in _COLLECTIVE_NAMES
        return Written(
            span=None if suspect.site is None else suspect.site.span(),
            operation=suspect.operation,
            version_before=version,
            version=version,
            sequence=SequenceNumber(suspect.number),
            access=suspect.access,
            writer=Writer.COLLECTIVE if is_collective else Writer.MODULE if agent is not None else Writer.PROGRAM,
            grad_enabled=suspect.grad_enabled,
            n_times=suspect.n_times,
            module="" if agent is None else self.tree.path_of(agent),
            is_on_tape=suspect.is_on_tape,
        )

    def _subject(self, tensor: torch.Tensor, key: int | None) -> Subject:
        owner = self.tree.owner_of(key)
        return Subject(
            qualified_name=owner.qualified_name if owner else "",
            shape=tuple(tensor.shape),
            dtype=str(tensor.dtype).removeprefix("torch."),
            kind=owner.kind if owner else TensorKind.INTERMEDIATE,
        )

    def _finish(self, subject: Subject, events: list[Any], node_name: str) -> History:
        needed = Needed(
            span=None if self.site is None else self.site.span(),
            operation=node_name,
            version=Version(events[0].version if isinstance(events[0], Saved) else 0),
            sequence=SequenceNumber(self.recorder.next_number()),
            root_sequence=root_number(self.roots),
        )
        return History(subject=subject, events=(*events, needed))


_COLLECTIVE_NAMES = frozenset({"all_reduce", "broadcast", "reduce", "scatter", "all_to_all_single", "recv"})


def _alias_event(suspect: Suspect) -> tuple[Detached, ...]:
    alias = suspect.alias
    if alias is None or alias.code is None or alias.access is Access.ITSELF:
        return ()
    span = Site(alias.code, alias.offset).span()
    return (Detached(span=span, operation=alias.operation, sequence=SequenceNumber(suspect.number)),)


def _is_saved_but_unread(slot: Slot) -> bool:
    # Batch norm in train mode saves its running statistics and never reads them.
    # Source: native_batch_norm_backward in derivatives.yaml uses save_mean and save_invstd where train is true.
    is_statistics = slot.attribute in ("_saved_running_mean", "_saved_running_var")
    return is_statistics and bool(getattr(slot.node, "_saved_training", False))


def _is_checkpointed(node: Any) -> bool:
    # Source: torch/utils/checkpoint.py, `_checkpoint_hook.pack_hook` returns a `_Holder`, torch 2.13.0.
    return any(type(packed).__name__ == "_Holder" for packed in packed_of(node))
