"""States kept by reference: one tensor that each step writes, and that a list holds once for each step.

# NOTE [One tensor, many entries] ``state += update; states.append(state)`` keeps one tensor many times: every entry is
the last state.  Three things together tell it: one place wrote the same storage several times on the tape, the graph
uses the last result several times, and a list that is alive holds the tensor more than once, or one node joins it with
itself.  The lists are searched for only where the first two are given.

# NOTE [Observations] A state without history (what an environment hands out, a frame) is in no graph.  It is seen when
`stack` or `cat` joins the tensor with itself, about as often as the place that wrote to it last has written since the
last backward.  The entries must have been kept: in a list with a name, or in a container that one list holds again and
again; what is repeated on the spot (``torch.stack([mean] * n)``) is meant.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.graph import nodes_of
from gradsan.frameworks.torch.storages import storage_key
from gradsan.frameworks.torch.use_counts import OF_AN_ARGUMENT
from gradsan.model.event import Needed, SequenceNumber, StorageId, Version, Written
from gradsan.model.history import History, Subject, Witness
from gradsan.record.frames import Site, current_site, span_of
from gradsan.record.writes import GRAD_ENABLED, WAITING, PendingWrite, Run, StorageLog

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit

MAX_SEARCHES = 8
"""Searches of all lists, for each place that writes."""
ENOUGH_ENTRIES = 3
"""So many entries are a history, however often they were written: a window holds the last ones."""
MAX_ENTRIES = 1024
_JOINS = ("StackBackward0", "CatBackward0")


class StateAudit:
    """Looks at each graph before its backward for a result that is used several times."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._last_number = -1
        self._n_looked_at = (0, 0)
        """Folds of the write log, and pending writes, at the last look."""
        self._n_searches: Counter[Site] = Counter()

    def wrap(self, patches: Patches) -> None:
        """Wrap the engine's door.

        Effect: until the patches are restored.
        """
        engine: Any = torch.autograd
        patches.set(engine, "_engine_run_backward", self._backward(engine._engine_run_backward))
        for name in ("stack", "cat"):
            patches.set(torch, name, self._joining(getattr(torch, name)))

    def unwrap(self) -> None:
        """Undo nothing: what it wraps, the patches put back."""

    def _backward(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def run_backward(t_outputs: Any, *args: Any, **kwargs: Any) -> Any:
            if not torch.compiler.is_compiling():
                with self._audit.recorder.border():
                    self._before_backward(t_outputs)
            return original(t_outputs, *args, **kwargs)

        return run_backward

    def _joining(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def join(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            if type(tensors) in (list, tuple) and len(tensors) >= ENOUGH_ENTRIES and tensors[-1] is tensors[-2]:
                is_named = sys.getrefcount(tensors) > OF_AN_ARGUMENT
                if not torch.compiler.is_compiling() and not recorder.is_quiet():
                    with recorder.border():
                        look(tensors, is_named)
            return original(tensors, *args, **kwargs)

        recorder, look = self._audit.recorder, self._look_at_entries
        return join

    def _look_at_entries(self, tensors: Any, is_named: bool) -> None:
        """See NOTE [Observations]."""
        last, key = tensors[-1], storage_key(tensors[-1])
        log = None if key is None or last.requires_grad else self._audit.recorder.writes.find(key)
        n_entries = sum(each is last for each in tensors)
        if log is None or n_entries < ENOUGH_ENTRIES:
            return
        run, n_times = log.runs[-1], _n_times(log, self._last_number)
        if abs(n_times - n_entries) <= 1 and (is_named or _is_held_again(last, n_entries)):
            self._tell(run, n_times)

    def _before_backward(self, roots: Any) -> None:
        repeated, writes = self._repeated_writes() if self._may_repeat() else None, self._audit.recorder.writes
        self._last_number = self._audit.recorder.next_number()
        self._n_looked_at = writes.n_folds, len(writes.pending)
        if not repeated:
            return
        parents: defaultdict[int, list[Any]] = defaultdict(list)
        for node in nodes_of(roots):
            for child, _ in node.next_functions:
                if child is not None and (number := child._sequence_nr()) in repeated:
                    parents[number].append(node)
        for number, users in parents.items():
            key, run, n_times = repeated[number]
            if len(users) > 1 and (_is_joined(users, n_times) or self._is_listed(key, run.site, n_times)):
                self._tell(run, n_times)

    def _may_repeat(self) -> bool:
        """Return whether a place may have written one storage twice since the last look; cheap where none has."""
        writes = self._audit.recorder.writes
        n_folds, n_pending = self._n_looked_at
        if writes.n_folds != n_folds:
            return True
        places = [(_seat(write), id(write[-1][0]), write[-1][1]) for write in writes.pending[n_pending:]]
        return len(set(places)) < len(places)

    def _repeated_writes(self) -> dict[int, tuple[int, Run, int]]:
        """Return what was last written on the tape by a place that had written it before, by the number of its node."""
        writes, since = self._audit.recorder.writes, self._last_number
        found = {}
        for log in (*_logs_of(writes.pending), *writes.living()):  # what has died is in the pending ones only
            last = log.runs[-1]
            if last.last_number >= since and last.flags & GRAD_ENABLED and last.is_counted and last.site is not None:
                n_times = _n_times(log, since)
                if n_times > 1:
                    found[last.last_number] = int(log.key), last, n_times
        return found

    def _is_listed(self, key: int, site: Site | None, n_times: int) -> bool:
        if site is None or self._n_searches[site] >= MAX_SEARCHES:
            return False
        self._n_searches[site] += 1
        return any(_holds_again(each, key, n_times) for each in gc.get_objects() if type(each) in (list, tuple, dict))

    def _tell(self, run: Run, n_times: int) -> None:
        recorder, here = self._audit.recorder, current_site(self._audit.recorder.user_code)
        number = SequenceNumber(recorder.next_number())
        written = Written(
            span=span_of(run.site),
            operation=run.operation,
            version_before=Version(run.last_after - n_times),
            version=Version(run.last_after),
            sequence=SequenceNumber(run.last_number),
            access=run.access,
            n_times=n_times,
        )
        needed = Needed(span=span_of(here), operation="", version=Version(run.last_after), sequence=number)
        self._audit.tell(History(subject=Subject(), events=(written, needed), witness=Witness.KEPT_STATE))


def _n_times(log: StorageLog, since: int) -> int:
    """Return how often the place that wrote last has written, since a sequence number."""
    last = log.runs[-1]
    same = [run for run in log.runs if run.code is last.code and run.position == last.position]
    return sum(run.n_times for run in same if run.first_number >= since)


def _is_held_again(tensor: Any, n_entries: int) -> bool:
    """Whether a container that holds a tensor stands several times in one list."""
    for inner in gc.get_referrers(tensor):
        for outer in gc.get_referrers(inner) if type(inner) in (list, tuple, dict) else ():
            if type(outer) is list and sum(each is inner for each in outer) >= n_entries - 1:
                return True
    return False


def _seat(write: PendingWrite) -> int:
    """Return what tells the storage of a pending write from others: where it waits, of its tensor's one reference."""
    key, weak = write[0], write[1]
    return -id(weak) if key == WAITING else key


def _logs_of(pending: list[PendingWrite]) -> list[StorageLog]:
    logs: dict[int, StorageLog] = {}
    for write in pending[:]:
        seat = _seat(write)
        if seat not in logs:
            tensor = write[1]() if seat < 0 and callable(write[1]) else None
            key = seat if tensor is None else storage_key(tensor)
            logs[seat] = StorageLog(StorageId(seat if key is None else key), None)
        logs[seat].put(write)
    return list(logs.values())


def _is_joined(users: list[Any], n_times: int) -> bool:
    """Whether one node joins the result with itself, about as often as it was written."""
    counts = Counter(node for node in users if type(node).__name__ in _JOINS)
    return any(count > 1 and abs(count - n_times) <= 1 for count in counts.values())


def _holds_again(container: Any, key: int, n_times: int) -> bool:
    """Whether the states of several steps were kept there: a pair of one tensor is no history of three writes."""
    if not 1 < len(container) <= MAX_ENTRIES:
        return False
    entries = list(container.values()) if type(container) is dict else container
    if not isinstance(entries[-1], torch.Tensor) or type(entries[-1]) is not type(entries[-2]):
        return False
    last = entries[-1]
    return sum(each is last for each in entries) >= min(n_times, ENOUGH_ENTRIES) and storage_key(last) == key
