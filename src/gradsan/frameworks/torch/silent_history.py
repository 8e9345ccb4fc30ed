"""The histories of silent corruption: events out of what was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from gradsan import knowledge
from gradsan.frameworks.torch.collectives import is_collective
from gradsan.frameworks.torch.graph import Slot, root_number
from gradsan.frameworks.torch.modules import ModuleTree, module_tree, subject_of
from gradsan.frameworks.torch.storages import storage_key
from gradsan.model.event import Access, Detached, Event, Needed, Saved, SequenceNumber, Version, Writer, Written
from gradsan.model.history import History, Subject, TensorKind
from gradsan.record.frames import Site, site_in_program, span_of
from gradsan.record.suspects import Suspect
from gradsan.record.writes import Run

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

MAX_WRITES_TOLD = 4
UNKNOWN = Version(0)


class Told:
    """What the histories of one look share."""

    def __init__(self, recorder: Recorder, roots: Any, site: Site | None) -> None:
        self.recorder = recorder
        self.roots = roots
        self.site = site
        self._tree: ModuleTree | None = None
        self._table = knowledge.load("torch")

    @property
    def tree(self) -> ModuleTree:
        """The living modules; built when the first finding needs names."""
        if self._tree is None:
            self._tree = module_tree()
        return self._tree

    def overwritten(self, slot: Slot, suspects: list[Suspect], steps: list[Run]) -> History:
        """Tell of a saved tensor that was overwritten."""
        operation, operand = self._operation_of(slot)
        version = Version(slot.tensor._version)
        saved = self._saved(slot.number, operation, operand, version, is_checked=not slot.is_hooked)
        writes = self._writes(suspects, steps, version)
        return self._history(self._subject(slot.tensor), [saved, *writes], type(slot.node).__name__)

    def recomputed(self, node: Any, tensor: torch.Tensor, suspects: list[Suspect], steps: list[Run]) -> History:
        """Tell of a tensor that was written before the checkpointed region that reads it is run again."""
        version = Version(tensor._version)
        saved = self._saved(int(node._sequence_nr()), "checkpoint", "", version, is_checked=False)
        writes = self._writes(suspects, steps, version)
        return self._history(self._subject(tensor), [saved, *writes], type(node).__name__)

    def off_tape(self, suspect: Suspect, node: Any) -> History:
        """Tell of a value that was mutated where the graph could not see it."""
        size = (suspect.whole or suspect.region).size
        subject = Subject(shape=size, kind=TensorKind.INTERMEDIATE)
        return self._history(subject, [*_alias_event(suspect), self._written(suspect)], type(node).__name__)

    def cut(self, suspect: Suspect, variable: torch.Tensor) -> History:
        """Tell of a value whose history ended in a leaf."""
        span = span_of(suspect.site)
        number = SequenceNumber(suspect.number)
        ended = Detached(
            span=span, operation=suspect.operation, sequence=number, cuts=True, is_sure=suspect.upstream is None
        )
        return self._history(self._subject(variable), [ended, self._written(suspect)], "")

    def _operation_of(self, slot: Slot) -> tuple[str, str]:
        name = type(slot.node).__name__
        if isinstance(slot.node, torch.autograd.function.BackwardCFunction):
            return name.removesuffix("Backward"), ""
        operation, operand = self._table.saved_operand(name, slot.attribute)
        return operation.removeprefix("native_"), operand

    def _saved(self, number: int, operation: str, operand: str, version: Version, *, is_checked: bool) -> Saved:
        site = self.recorder.site_of(number, operation)
        return Saved(
            span=span_of(site),
            operation=operation,
            operand=operand,
            version=version,
            sequence=SequenceNumber(number),
            is_checked=is_checked,
        )

    def _writes(self, suspects: list[Suspect], steps: list[Run], version: Version) -> list[Written]:
        stepped = [
            Written(
                span=span_of(run.site),
                in_program=span_of(run.in_program),
                operation=run.operation,
                version_before=version,
                version=version,
                sequence=SequenceNumber(run.last_number),
                writer=Writer.OPTIMIZER,
            )
            for run in steps[:1]
        ]
        return [*(self._written(suspect, version) for suspect in suspects[:MAX_WRITES_TOLD]), *stepped]

    def _written(self, suspect: Suspect, version: Version = UNKNOWN) -> Written:
        agent = None if suspect.agent is None else suspect.agent()
        writer = Writer.PROGRAM if agent is None else Writer.MODULE
        return Written(
            span=span_of(suspect.site),
            in_program=span_of(suspect.in_program),
            operation=suspect.operation,
            version_before=version,
            version=version,
            sequence=SequenceNumber(suspect.number),
            access=suspect.access,
            writer=Writer.COLLECTIVE if is_collective(suspect.operation) else writer,
            grad_enabled=suspect.grad_enabled,
            n_times=suspect.n_times,
            module="" if agent is None else self.tree.path_of(agent),
            is_on_tape=suspect.is_on_tape,
        )

    def _subject(self, tensor: torch.Tensor) -> Subject:
        return subject_of(tensor, self.tree.owner_of(storage_key(tensor)))

    def _history(self, subject: Subject, events: list[Event], node_name: str) -> History:
        first = events[0]
        program = site_in_program(self.recorder.user_code, self.site)
        needed = Needed(
            span=span_of(self.site),
            in_program=span_of(program),
            operation=node_name,
            version=first.version if isinstance(first, Saved) else UNKNOWN,
            sequence=SequenceNumber(self.recorder.next_number()),
            root_sequence=root_number(self.roots),
        )
        return History(subject=subject, events=(*events, needed))


def needed_at(recorder: Recorder, site: Site | None, operation: str) -> Needed:
    """Return the event that an operation needs now, at a place of the program, what has no version of its own."""
    number = SequenceNumber(recorder.next_number())
    return Needed(span=span_of(site), operation=operation, version=UNKNOWN, sequence=number)


def _alias_event(suspect: Suspect) -> tuple[Detached, ...]:
    alias = suspect.alias
    if alias is None or alias.code is None or suspect.access is Access.ITSELF:
        return ()
    span = Site(alias.code, alias.offset).span()
    return (Detached(span=span, operation=alias.operation, sequence=SequenceNumber(suspect.number)),)
