"""The audit: saved tensors whose content differs between save and need, although nothing was seen to write.

# NOTE [What the audit asks] Each saved tensor is fingerprinted when it is saved and when backward asks for it.  Where
the version moved, the engine's own error is raised.  Where only the content differs, a write went past the counter;
one that the recorder saw is told by it, any other by the audit.

# NOTE [Bracketing the write] Memory that was handed out (to NumPy, to a pointer, to another process) and is needed is
compared after each line of user code, so that the line that wrote is known.  So is everything else that is needed, for
the first `CLOSE_LOOKS` comparisons of a program.  Later a write through any other way is found at the backward that
needs the value; from then on all that is needed is compared after each line again, and the next time the program comes
by, the line is known too.  A replay knows which line's saved tensors it asks about (`Options.closely`): these are
compared after each line to the program's end.

# NOTE [Saved is not used] Batch norm in train mode saves its running statistics, overwrites them and never reads them.
# The randomised leaky ReLU saves its noise before it draws it: what was there at the save is nothing.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.audit_autocast import AutocastAudit
from gradsan.frameworks.torch.audit_differences import DifferenceAudit
from gradsan.frameworks.torch.audit_expanded import ExpandedAudit
from gradsan.frameworks.torch.audit_functions import FunctionAudit
from gradsan.frameworks.torch.audit_gradients import GradientAudit
from gradsan.frameworks.torch.audit_handed_out import HandedOut
from gradsan.frameworks.torch.audit_leaves import LeafAudit
from gradsan.frameworks.torch.audit_optimizers import OptimizerAudit
from gradsan.frameworks.torch.audit_regions import RegionAudit
from gradsan.frameworks.torch.audit_states import StateAudit
from gradsan.frameworks.torch.audit_unpacked import UnpackedAudit
from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.exposure import Exposure, is_shared
from gradsan.frameworks.torch.fingerprints import fingerprint, same
from gradsan.frameworks.torch.graph import Slot, slot_of
from gradsan.frameworks.torch.marked import Watched
from gradsan.frameworks.torch.regions import REFUSALS, is_shown, share_storage, tensors_in
from gradsan.frameworks.torch.saving import (
    Kept,
    Pack,
    Pair,
    SavedTensorHooks,
    Unpack,
    cut_error,
    detached,
    hold,
    is_cut,
    packed_by,
    stale_error,
)
from gradsan.frameworks.torch.silent_history import Told
from gradsan.frameworks.torch.storages import storage_key
from gradsan.model.event import Access, SequenceNumber, Version, Written
from gradsan.model.history import History, Witness
from gradsan.model.span import Span
from gradsan.record.frames import Site, current_site, span_of
from gradsan.record.line_watch import LineWatch
from gradsan.record.session import Session

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

FIRST_PRUNE = 512
CLOSE_LOOKS = 4096
"""Comparisons at the beginning of a program of what nobody was seen to hand out."""
_SHARED = "the memory is shared with other processes: one of them may have written while this line ran"
MAX_WATCHED = 64
"""Tensors compared after each line; the youngest ones, where there are more."""
MAX_WATCHED_CLOSELY = 1 << 16


class Audit:
    """A keeper that compares contents."""

    def __init__(self, recorder: Recorder, hooks: SavedTensorHooks, session: Session) -> None:
        self.recorder = recorder
        self.session = session
        self.lines = LineWatch(recorder.user_code, self._look, recorder.clock)
        self.exposure = Exposure(recorder, self._exposed, session.file_of_parent)
        self._hooks = hooks
        self.is_full = session.options.audit == "full"
        self._live: list[weakref.ref[Kept]] = []
        self._prune_at = FIRST_PRUNE
        self._watched: dict[int, Watched] = {}
        self._found: dict[int, tuple[Callable[[], object], Site | None, object]] = {}
        """By identity of what is watched: a reference to it, the line after which it differed, and from which mark."""
        self._watches_all = False
        self._closely = session.options.closely
        self._n_close = 0 if self._closely else CLOSE_LOOKS
        self._max_watched = MAX_WATCHED_CLOSELY if self._closely else MAX_WATCHED
        self._told: set[tuple[object, ...]] = set()
        self._patches = Patches()
        self._handed_out = HandedOut(self)
        self._histories = (gradients := GradientAudit(self)).histories
        self._unpacked = UnpackedAudit(self)
        self._parts = (
            FunctionAudit(self),
            RegionAudit(self),
            OptimizerAudit(self),
            gradients,
            DifferenceAudit(self, self._histories),
            StateAudit(self),
            ExpandedAudit(self),
            AutocastAudit(self),
            LeafAudit(self),
            self._unpacked,
        )
        self._pair: Pair = (self._make_pack(), self._make_unpack())

    def start(self) -> None:
        """Begin.

        Effect: pushes hooks, wraps what hands out memory.
        """
        self.session.file_for_children = self.exposure.start()
        for part in self._parts:
            part.wrap(self._patches)
        self._hooks.push(self, self._patches)
        self.recorder.n_audits += 1

    def stop(self) -> None:
        """Undo `start`."""
        self.lines.stop()
        self.recorder.n_audits -= 1
        self._hooks.pop(self)
        for part in self._parts:
            part.unwrap()
        self._patches.restore()
        self.exposure.stop()

    @property
    def pair(self) -> Pair:
        """The hooks for what the program saves without hooks of its own."""
        return self._pair

    def around(self, pack: Pack, unpack: Unpack) -> Pair:
        """Return the hooks that run a pair of the program's inside; what they alias is compared."""

        def pack_around(tensor: Any) -> Kept:
            kept = Kept()
            kept.packed, kept.unpack_hook, kept.producer = pack(tensor), unpack, None
            kept.tensor, kept.version, kept.mark = None, 0, None
            alias = next((each for each in tensors_in(kept.packed) if share_storage(each, tensor)), None)
            if alias is not None and not is_shown(alias):
                kept.tensor, kept.mark = detached(alias), fingerprint(alias, is_full=self.is_full)
                self._keep(kept)
            return kept

        def unpack_around(kept: Kept) -> Any:
            if kept.mark is not None:
                self._compare(kept)
            value = unpack(kept.packed)
            self._unpacked.note(kept, value)
            return value

        return pack_around, unpack_around

    def suspend(self) -> None:
        """Go on: what a transform saves is not compared."""

    def register(self, kept: Kept, pack: Pack, unpack: Unpack) -> None:
        """Put a pair of the program's on one tensor that is already kept."""
        if kept.tensor._version != kept.version:
            raise stale_error(kept)
        kept.packed, kept.unpack_hook = packed_by(pack, kept.tensor), unpack
        kept.tensor = next((each for each in tensors_in(kept.packed) if share_storage(each, kept.tensor)), None)
        if kept.tensor is None:
            kept.mark = None

    def watch(
        self,
        value: object,
        tensor: Any,
        mark: object,
        *,
        is_close: bool = False,
        then: Callable[[Site | None], None] | None = None,
    ) -> None:
        """Compare a tensor after each line from now on, as long as ``value`` lives; see NOTE [Bracketing the write].

        Effect: starts to follow lines.
        """
        found = self._found.get(id(value))
        if mark is None or (found is not None and found[0]() is value and found[2] is mark):
            return  # found before its memory was handed out once more
        if len(self._watched) >= self._max_watched:
            self._drop_dead()
        while len(self._watched) >= self._max_watched:
            self._watched.pop(next(iter(self._watched)))
        self._watched[id(value)] = Watched(weakref.ref(value), tensor, mark, is_close=is_close, then=then)
        self.lines.start()

    def is_to_watch(self, tensor: Any) -> bool:
        """Return whether what the line that runs now keeps for backward is compared after each line."""
        try:
            storage = tensor.untyped_storage()
            is_handed_out = not storage.resizable() or storage._cdata in self.exposure.keys
        except REFUSALS:  # a sparse tensor: its values live in a storage
            is_handed_out = storage_key(tensor) in self.exposure.keys
        if is_handed_out or self._watches_all:
            return True
        site = current_site(self.recorder.user_code) if self._closely else None
        here = span_of(site)
        return here is not None and any(
            span.path == here.path and span.line <= here.line <= span.end_line for span in self._closely
        )

    def look(self) -> None:
        """Compare what is watched with the line that runs now as the one that wrote."""
        self._look(self.lines.at)

    def unwatch(self, value: object) -> None:
        """Undo `watch`."""
        self._watched.pop(id(value), None)

    def line_of(self, value: object) -> Site | None:
        """Return the line after which a watched tensor differed; None where that isn't known."""
        found = self._found.get(id(value))
        return found[1] if found is not None and found[0]() is value else None

    def tell(self, history: History) -> None:
        """Tell the session, once for each pair of places.

        Effect: the session's listener.
        """
        key = (history.witness, *((type(event), event.span) for event in history.events))
        if key not in self._told:
            self._told.add(key)
            self.session.tell(history, None)

    def _make_pack(self) -> Pack:
        # Hot: everything it needs is a local of this closure.
        is_full, keep = self.is_full, self._keep

        def pack(tensor: Any) -> Kept:
            kept = Kept()
            hold(kept, tensor)
            kept.mark = fingerprint(tensor, is_full=is_full)
            if kept.mark is not None:
                keep(kept)
            return kept

        return pack

    def _make_unpack(self) -> Unpack:
        is_full, differs = self.is_full, self._differs

        def unpack(kept: Kept) -> Any:
            tensor, mark = kept.tensor, kept.mark
            if kept.unpack_hook is not None:
                return kept.unpack_hook(kept.packed)
            if kept.has_node and is_cut(kept):
                raise cut_error()
            if tensor._version != kept.version:
                raise stale_error(kept)
            if mark is not None:
                now = fingerprint(tensor, is_full=is_full)
                if now != mark if type(mark) is tuple else not same(now, mark):  # most are tuples: one call less
                    differs(kept)
            return tensor

        return unpack

    def _keep(self, kept: Kept) -> None:
        self._live.append(weakref.ref(kept))
        if len(self._live) >= self._prune_at:
            self._live[:] = [each for each in self._live if each() is not None]
            self._prune_at = max(FIRST_PRUNE, 2 * len(self._live))
        if self.is_to_watch(kept.tensor):
            self.watch(kept, kept.tensor, kept.mark)
        elif self._n_close > 0 and len(self._watched) < MAX_WATCHED:
            self.watch(kept, kept.tensor, kept.mark, is_close=True)

    def _exposed(self, key: int) -> None:
        """Watch what is kept of a storage that has just been handed out."""
        for kept in self.kept_of(key):
            self.watch(kept, kept.tensor, kept.mark)
        self._handed_out.note(key)

    def kept_of(self, key: int) -> list[Kept]:
        """Return what is kept of a storage."""
        living = (each() for each in self._live)
        return [kept for kept in living if kept and kept.tensor is not None and storage_key(kept.tensor) == key]

    def _look(self, site: Site | None) -> None:
        if self._histories.doubts:
            with self.recorder.border():
                self._histories.after_line(site)
        if not self._watched:
            if not self._histories.doubts:
                self.lines.rest()
            return
        try:
            if self._n_close > 0:
                self._n_close -= len(self._watched)
                if self._n_close <= 0:
                    self._watch_less()
            for number, watched in list(self._watched.items()):
                value = watched.value()
                if value is None:
                    self._watched.pop(number, None)
                elif not same(fingerprint(watched.tensor, is_full=self.is_full), watched.mark):
                    self._watched.pop(number, None)
                    self._found[number] = watched.value, site, watched.mark
                    if self.exposure.is_child:
                        self.exposure.tell_parent(watched.tensor, site)
                    if watched.then is not None:
                        watched.then(site)
        except Exception as error:
            self.recorder.switch_off(error)

    def _watch_less(self) -> None:
        """Compare what was handed out only, and follow no lines where that is nothing."""
        self._watched = {number: watched for number, watched in self._watched.items() if not watched.is_close}
        if not self._watched:
            self.lines.stop()

    def _drop_dead(self) -> None:
        for number in [number for number, watched in self._watched.items() if watched.value() is None]:
            del self._watched[number]
        for number in [number for number, (value, *_) in self._found.items() if value() is None]:
            del self._found[number]

    def _compare(self, kept: Kept) -> None:
        if not same(fingerprint(kept.tensor, is_full=self.is_full), kept.mark):
            self._differs(kept)

    def _differs(self, kept: Kept) -> None:
        """Tell of a kept tensor whose content differs, if nobody else does."""
        kept.mark = None
        node = torch._C._current_autograd_node()
        if node is None or not self.recorder.is_on:
            return
        with self.recorder.border():
            slot = slot_of(node, kept, kept.tensor, is_hooked=kept.unpack_hook is not None)
            if slot is None or _is_unread(slot) or self._is_on_record(slot):
                return
            told = Told(self.recorder, (), current_site(self.recorder.user_code))
            history = told.overwritten(slot, [], [])
            self.look()
            writes, notes = self.writes_of(kept, kept.tensor, slot.number)
            events = (*history.events[:-1], *writes, history.events[-1])
            self.tell(replace(history, events=events, notes=notes, witness=Witness.CONTENT))
            if not any(write.span for write in writes):
                self._watches_all = True  # NOTE [Bracketing the write]

    def _line_of_alias(self, tensor: Any, since: int) -> Site | None:
        """Return who wrote last to the storage on record: through an alias that has a version counter of its own."""
        key = storage_key(tensor)
        log = None if key is None else self.recorder.writes.find(key)
        later = [run for run in log.runs if run.last_number >= since] if log is not None else []
        return later[-1].site if later else None

    def writes_of(self, value: object, tensor: Any, since: int) -> tuple[list[Written], tuple[str, ...]]:
        """Return the write that made a watched tensor differ, and what must be said about it."""
        places = self.exposure.writes_of_children(tensor)
        if places:
            return [self.written(place) for place in places], ("another process wrote to the shared memory",)
        site = self.line_of(value) or self._line_of_alias(tensor, since)
        if site is None:
            return [self.written(None)], ("the line that wrote is not known: no Python code was seen to reach it",)
        return [self.written(site)], (_SHARED,) if is_shared(tensor) else ()

    def written(self, place: Site | Span | None, operation: str = "") -> Written:
        """Return the event of a write that bypassed the counter."""
        span = place.span() if isinstance(place, Site) else place
        number = SequenceNumber(self.recorder.next_number())
        zero = Version(0)
        return Written(
            span=span,
            operation=operation,
            version_before=zero,
            version=zero,
            sequence=number,
            access=Access.FOREIGN,
        )

    def _is_on_record(self, slot: Slot) -> bool:
        """Whether the recorder saw a write to the storage after the save, and so tells of it."""
        recorder, key = self.recorder, storage_key(slot.tensor)
        # NOTE [While it runs] in `running`: of a graph that is kept, the recorder knows what came before.
        limit = min((each.order for each in recorder.running if each.keeps_graph), default=math.inf)
        suspects = (each for each in recorder.suspects.writes_to(key) if each.order < limit)
        if any(each.number > slot.number and each.access is not Access.FOREIGN for each in suspects):
            return True
        steps = recorder.steps.writes_to(key) if key is not None else ()
        return any(run.last_number > slot.number for run in steps if run.last_order < limit)


def _is_unread(slot: Slot) -> bool:
    # NOTE [Saved is not used]
    is_unread = slot.attribute in ("_saved_running_mean", "_saved_running_var", "_saved_noise")
    return is_unread and bool(getattr(slot.node, "_saved_training", True))
