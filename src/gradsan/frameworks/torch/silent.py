"""Silent corruption: what the engine will use in backward although it was overwritten, found before it runs.

# NOTE [When a graph is looked at] Only when a suspicious write, or an optimizer step that the version counter did not
see, is on record and a node of the graph is older than it.  The walk costs about 1 µs a node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.checkpointed import leaves_of_reentrant, packed_note
from gradsan.frameworks.torch.collectives import is_collective
from gradsan.frameworks.torch.cuts import Upstream, is_awaited, is_made_of_others, is_meant, lacks_gradient
from gradsan.frameworks.torch.graph import (
    conflict_of,
    has_node,
    node_of,
    nodes_between,
    nodes_of,
    number_of,
    packed_of,
    roots_of,
    slots_of,
)
from gradsan.frameworks.torch.overlap import overlaps, shows
from gradsan.frameworks.torch.regions import parts_of
from gradsan.frameworks.torch.restored import is_restored
from gradsan.frameworks.torch.silent_history import Told
from gradsan.frameworks.torch.storages import storage_key
from gradsan.frameworks.torch.suspicion import region_of
from gradsan.model.event import Access, Saved, Written
from gradsan.model.history import History
from gradsan.record.frames import Site
from gradsan.record.suspects import Suspect
from gradsan.record.writes import Run

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

MAX_HISTORIES = 16
MAX_LOOKED_AT = 256


def before_backward(recorder: Recorder, roots: Any, inputs: Any, site: Site | None) -> None:
    """Look at a graph that is about to be used, if there is cause.

    Args:
        recorder: What was recorded.
        roots: Where the backward pass begins.
        inputs: Where it shall end; empty for every leaf.
        site: The user's line.

    Effect: tells the sessions what will be silently wrong.

    Raises:
        SilentCorruption: a session is strict and something was found.
    """
    if recorder.suspects.last_number < 0 or not recorder.is_on:
        return
    histories: list[History] = []
    with recorder.border():
        if not recorder.suspects.has_cuts and not _reaches_before(roots, recorder.suspects.last_number):
            return
        histories = _Look(recorder, roots, inputs, site).histories()
    for session in list(recorder.sessions):
        if session.is_on:
            session.raise_if_strict(histories)
            for history in histories:
                session.tell(history, None)


def while_running(recorder: Recorder, key: int) -> None:
    """Look at the graphs in use after an unseen write to a storage.

    Effect: tells the sessions what will be silently wrong.
    """
    for running in recorder.running:
        histories: list[History] = []
        with recorder.border():
            nodes = list(running.nodes_that_need(key))
            look = _Look(recorder, running.roots, running.inputs, running.site) if nodes else None
            for node in nodes:
                histories += look.of_slots(node, since=running.order) if look is not None else ()
        recorder.tell(*histories[:MAX_HISTORIES])


class _Look:
    """One look at one graph."""

    def __init__(self, recorder: Recorder, roots: Any, inputs: Any, site: Site | None) -> None:
        self.recorder = recorder
        self.roots = roots
        self.inputs = inputs
        self.told = Told(recorder, roots, site)
        self.producers: defaultdict[int, list[Suspect]] = defaultdict(list)
        self.cuts: dict[int, Suspect] = {}
        for key, suspect in recorder.suspects.all_writes():
            if suspect.cuts_graph:
                self.cuts[key] = suspect
            if not suspect.is_on_tape and not suspect.keeps_derivative:
                for producer in suspect.producers:
                    self.producers[producer].append(suspect)
        self.youngest = recorder.suspects.last_number
        self._steps: dict[int, list[Run]] | None = None

    def histories(self) -> list[History]:
        """Return a history for each place that wrote what will be silently wrong; the surest of each place."""
        found: list[History] = []
        for history in self._all():
            found.append(history)
            if len(found) >= MAX_LOOKED_AT:
                break
        found.sort(key=lambda history: history.first(Saved) is None)
        of_place: dict[object, History] = {}
        for history in found:
            of_place.setdefault(frozenset((write.span, write.operation) for write in history.all(Written)), history)
        return list(of_place.values())[:MAX_HISTORIES]

    def _all(self) -> Iterator[History]:
        self.recorder.writes.fold()  # NOTE [Before SavedTensor.data] in `held`
        yield from self._of_roots()
        has_edges = bool(self.producers or self.cuts)
        hooked = self.recorder.hooks_were_used
        for node in nodes_between(self.roots, self.inputs):
            number = int(node._sequence_nr())
            if number < self.youngest:
                yield from self.of_slots(node)
                if hooked:
                    yield from self._of_recomputed(node, number)
            if self.cuts:
                yield from self._of_frozen(node, number)
            if has_edges:
                for child, _ in node.next_functions:
                    if child is not None:
                        yield from self._of_edge(node, child, number)
        for key, cut in self.cuts.items():
            yield from self._of_unread(key, cut)

    def of_slots(self, node: Any, since: int = -1) -> Iterator[History]:
        """Yield what a node saved and was overwritten after that, by events whose order is above ``since``."""
        number = int(node._sequence_nr())
        for slot in slots_of(node, with_hooked=True):
            if _is_saved_but_unread(slot.node, slot.attribute):
                continue
            suspects, steps = self._writes_after(slot.tensor, number, is_custom=slot.attribute == "saved_tensors")
            if slot.is_hooked:  # what a pack hook wrote while it packed is what it hands on
                suspects = [each for each in suspects if not (each.is_in_pack and each.number <= number + 1)]
            suspects = [each for each in suspects if each.order > since]
            steps = [each for each in steps if each.last_order > since]
            if (suspects or steps) and (slot.is_hooked or conflict_of(slot) is None):
                yield self.told.overwritten(slot, suspects, steps)

    def _writes_after(
        self, tensor: torch.Tensor, number: int, *, is_custom: bool = False
    ) -> tuple[list[Suspect], list[Run]]:
        """Return what wrote to the elements of a tensor after a node had saved it."""
        suspects: list[Suspect] = []
        steps: list[Run] = []
        log = self.recorder.suspects
        for part in parts_of(tensor):
            key = storage_key(part)
            if key is None or not (key in log.writes or log.moves_of(part) or self._steps_on(key)):
                continue
            region = region_of(part)
            if region is None:
                continue
            written = [
                suspect
                for suspect in log.writes_to(key)
                if suspect.access is not Access.FOREIGN  # the audit tells of what was saved
                # A custom Function saves at the end of its forward; its number is older than what that wrote.
                and suspect.number > number + (is_custom and suspect.is_in_function)
                and overlaps(suspect.region, region)
            ]
            if written and not is_restored(part.untyped_storage(), written, log.given_up(key), number):
                suspects += written
            moves = [move for move in log.moves_of(part) if move.suspect.number > number]
            if moves and moves[0].before != (key, region):
                suspects.append(moves[-1].suspect)
            steps += [run for run in self._steps_on(key) if run.last_number > number]
        return suspects, steps

    def _steps_on(self, key: int) -> list[Run]:
        if self._steps is None:
            self._steps = self.recorder.steps.by_storage()
        return self._steps.get(key, [])

    def _of_recomputed(self, node: Any, number: int) -> Iterator[History]:
        """A checkpointed region is run again with what it reads as it is now."""
        region = self.recorder.checkpointed.region_of(number)
        leaves = [] if region is None else [getattr(child, "variable", None) for child, _ in node.next_functions]
        read = [(leaf, number) for leaf in leaves if leaf is not None]
        read += [(leaf, number) for leaf in leaves_of_reentrant(node)]
        for name, packed in packed_of(node):
            note = packed_note(packed)
            owner = None if note is None else note.owner()
            if note is not None and owner is not None and not _is_saved_but_unread(node, name):
                tensor = note.tensor()
                read.append((owner if tensor is None else tensor, note.number - 1))
        for tensor, since in read:
            suspects, steps = self._writes_after(tensor, since)
            if suspects or steps:
                self.recorder.checkpointed.note_told(number)
                yield self.told.recomputed(node, tensor, suspects, steps)

    def _of_roots(self) -> Iterator[History]:
        for root in roots_of(self.roots) if self.cuts else ():
            is_leaf = isinstance(root, torch.Tensor) and not has_node(root)
            cut = self.cuts.get(storage_key(root) or 0) if is_leaf else None
            if cut is not None and self._ends_gradient(cut, root):
                yield self.told.cut(cut, root)
        # Who logs a loss writes to a detached alias of it; what was meant to scale the loss writes to itself.
        for root in roots_of(self.roots) if self.producers else ():
            for suspect in self.producers.get(number_of(root), ()):
                if suspect.access in (Access.DATA, Access.ITSELF) and not is_collective(suspect.operation):
                    yield self.told.off_tape(suspect, node_of(root))

    def _of_edge(self, node: Any, child: Any, number: int) -> Iterator[History]:
        for suspect in self.producers.get(int(child._sequence_nr()), ()):
            if suspect.number <= number and shows(node, suspect) and not _announced(node, number, suspect):
                yield self.told.off_tape(suspect, child)
        variable = getattr(child, "variable", None) if self.cuts else None
        if variable is None:
            return
        cut = self.cuts.get(storage_key(variable) or 0)
        if cut is None or cut.number > number or self._was_used_between(cut.number, number):
            return
        if self._ends_gradient(cut, variable):
            yield self.told.cut(cut, variable)

    def _of_frozen(self, node: Any, number: int) -> Iterator[History]:
        """A value that went into a frozen parameter, or a constant: no edge leads there, but nodes save it."""
        for slot in slots_of(node, with_hooked=True):
            cut = self.cuts.get(storage_key(slot.tensor) or 0)
            if cut is None or not isinstance(cut.upstream, Upstream) or cut.number > number:
                continue
            if cut.constant is not None:
                yield from self._of_constant(cut, slot.tensor, number)
                continue
            parameter = None if cut.frozen is None else cut.frozen()
            if not isinstance(parameter, torch.Tensor) or self._was_used_between(cut.number, number):
                continue
            is_told = cut.is_in_forward or is_awaited(cut.upstream, self.recorder.steps)
            if is_told and self._ends_gradient(cut, parameter):
                yield self.told.cut(cut, parameter)

    def _of_constant(self, cut: Suspect, saved: torch.Tensor, number: int) -> Iterator[History]:
        """See NOTE [Stored without its history] in `cuts`."""
        if self.inputs or not isinstance(cut.upstream, Upstream) or self._was_used_between(cut.number, number):
            return
        region = region_of(saved)
        is_read = region is None or overlaps(cut.region, region)
        if is_read and lacks_gradient(cut.upstream, self.roots, self.recorder.steps):
            yield self.told.cut(cut, saved)

    def _of_unread(self, key: int, cut: Suspect) -> Iterator[History]:
        """See NOTE [Merged and not seen again] in `cuts`."""
        parameter = None if cut.frozen is None else cut.frozen()
        if not isinstance(parameter, torch.Tensor) or not isinstance(cut.upstream, Upstream):
            return
        # One line may also take out what it has put in.
        is_there = storage_key(parameter) == key and cut.n_times == 1
        is_there = is_there and all(each.order <= cut.order for each in self.recorder.suspects.writes_to(key))
        if not is_there or self._was_used_between(cut.number, self.recorder.next_number()):
            return
        is_told = is_made_of_others(parameter, cut.upstream) and is_awaited(cut.upstream, self.recorder.steps)
        if is_told and self._ends_gradient(cut, parameter):
            yield self.told.cut(cut, parameter)

    def _ends_gradient(self, cut: Suspect, leaf: torch.Tensor) -> bool:
        # NOTE [Meant as a value] in `cuts`
        if not isinstance(cut.upstream, Upstream):
            return True
        same = (key for key, each in self.cuts.items() if each.code is cut.code and each.offset == cut.offset)
        return not (self.inputs or is_meant(cut.upstream, leaf, self.roots, frozenset(same)))

    def _was_used_between(self, start: int, end: int) -> bool:
        # What was copied in an earlier step, whose backward has run, is a value by now: a codebook, an average.
        return self.recorder.ran_backward(start, end)


def _reaches_before(roots: Any, number: int) -> bool:
    """Return whether a node of the graph was made before a sequence number; about 1 µs a node until one is found."""
    return any(node._sequence_nr() < number for node in nodes_of(roots))


def _is_saved_but_unread(node: Any, attribute: str) -> bool:
    # Batch norm in train mode saves its running statistics and never reads them.
    # Source: native_batch_norm_backward in derivatives.yaml uses save_mean and save_invstd where train is true.
    is_statistics = attribute in ("_saved_running_mean", "_saved_running_var")
    return is_statistics and bool(getattr(node, "_saved_training", False))


def _announced(node: Any, number: int, suspect: Suspect) -> bool:
    """Return whether a node is what the engine made of a write that a custom Function announced, to a view.

    Between the two, only nodes that accumulate the Function's other inputs are made.
    """
    n_between = number - suspect.number
    is_of_view = suspect.is_in_function and type(node).__name__ == "CopySlices"
    return is_of_view and n_between < len(node.next_functions)
