"""The write log: for each living storage, who wrote to it, in order.

# NOTE [Identity of a storage] An address is recycled as soon as a storage dies.  The log therefore holds a weak
reference to each storage it knows; the framework keeps the key of a weakly referenced storage unique.  Dead storages
are swept when the log has doubled since the last sweep, so memory stays in proportion to what is alive.

# NOTE [Waiting writes] A weak reference to a storage keeps its control block, and thousands of these among large blocks
of memory keep an allocator from joining what lies between (a small GPT under protection took twice its memory).  What
was written to a storage that only its tensor holds therefore waits with a weak reference to the tensor, until it is
folded: by then most gradients and activations have died.  Whoever saves the storage later has this write behind it.

# NOTE [Runs of writes] A loop writes to one storage from one place ten thousand times.  Consecutive writes from one
place are kept as one run (first and last version, first and last number), so a training of any length stays flat.
Two modules that one line calls in turn write from the same place, and are two runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from threading import RLock
from types import CodeType

from gradsan.model.event import Access, SequenceNumber, StorageId, Version, Writer
from gradsan.record.frames import Site, site_at

MAX_RUNS_PER_STORAGE = 512
FIRST_SWEEP = 4096


FOLD_AT = 2048
"""Pending writes at which the hot path folds."""

GRAD_ENABLED, IN_BACKWARD, IS_VIEW, UNCOUNTED = 1, 2, 4, 8
"""Bits of a pending write's flags."""

WAITING = -1
"""The key of a pending write whose storage is asked of its tensor later; see NOTE [Waiting writes]."""

WrittenAt = tuple[CodeType | None, int, Callable[[], object] | None, Site | None]
"""Code, position (as in the clock), agent, and `Run.in_program`."""

PendingWrite = tuple[int, object, str, int, int, int, int, WrittenAt]
"""Key, weak reference, operation, version after, number, order, flags, place."""


InnerWrites = dict[int, dict[tuple[CodeType | None, int], int]]
"""Key -> code and position -> version after."""


@dataclass(slots=True, eq=False)
class Run:
    """Consecutive writes to one storage from one place.

    ``order`` is a count over all events of the session, for what has no version: optimizer steps, uncounted writes.
    ``agent`` is a weak reference to the module that wrote on behalf of the user's line.
    """

    code: CodeType | None
    position: int
    operation: str
    first_before: int
    last_after: int
    first_number: int
    last_number: int
    first_order: int
    last_order: int
    flags: int
    agent: Callable[[], object] | None = None
    n_times: int = 1
    writer: Writer = Writer.PROGRAM
    in_program: Site | None = None
    """The program's own line that led to ``site`` in an installed package."""
    inner: InnerWrites | None = None
    """Of an optimizer that the program defines: where its step wrote to each storage, the last time."""

    @property
    def is_counted(self) -> bool:
        """Whether the version counter saw it."""
        return not self.flags & UNCOUNTED

    @property
    def access(self) -> Access:
        """By which route the storage was reached, as far as the written tensor tells."""
        return Access.VIEW if self.flags & IS_VIEW else Access.ITSELF

    @property
    def site(self) -> Site | None:
        """Where the writes were made."""
        return None if self.code is None else site_at(self.code, self.position)


@dataclass(slots=True, eq=False)
class StorageLog:
    """What is known of one living storage."""

    key: StorageId
    weak: object
    """The framework's own weak reference to the storage."""
    runs: list[Run] = field(default_factory=list)
    n_forgotten: int = 0

    def put(self, write: PendingWrite) -> None:
        """Append a write, to the last run where it goes on with it; too many runs forget the oldest quarter."""
        _, _, operation, after, number, order, flags, (code, position, agent, in_program) = write
        last = self.runs[-1] if self.runs else None
        if (
            last is not None
            and last.code is code
            and last.position == position
            and last.flags == flags
            and last.operation == operation
            and last.in_program == in_program
            and _is_same(last.agent, agent)
        ):
            last.last_after, last.last_number, last.last_order = after, number, order
            last.n_times += 1
            return
        if len(self.runs) >= MAX_RUNS_PER_STORAGE:
            cut = MAX_RUNS_PER_STORAGE // 4
            self.n_forgotten += cut
            del self.runs[:cut]
        run = Run(code, position, operation, after - 1, after, number, number, order, order, flags, agent)
        run.in_program = in_program
        self.runs.append(run)

    def writes_after(self, version: Version, number: SequenceNumber | None = None) -> Iterator[Run]:
        """Yield the runs that moved the counter past ``version``, oldest first.

        A run that also reaches back before ``number`` (the node that saved) is one loop, and still counts.
        """
        for run in self.runs:
            if run.is_counted and run.last_after > version and (number is None or run.last_number >= number):
                yield run


def _is_same(agent: Callable[[], object] | None, other: Callable[[], object] | None) -> bool:
    if agent is None or other is None:
        return agent is other
    return agent is other or (agent() is other() and agent() is not None)


class WriteLog:
    """The storages that were written to.

    A write is appended to ``pending`` as a bare tuple, which is all that the hot path does; `fold` turns the tuples
    into runs, and by then most activations have died and cost nothing more.
    """

    __slots__ = ("_folding", "_is_dead", "_locate", "_release", "_sweep_at", "n_folds", "orders", "pending", "storages")

    def __init__(
        self,
        *,
        is_dead: Callable[[object], bool],
        release: Callable[[object], None],
        locate: Callable[[object], tuple[int, object] | None],
    ) -> None:
        self.storages: dict[int, StorageLog] = {}
        self.pending: list[PendingWrite] = []
        self.n_folds = 0
        self.orders = count()
        """A count over all events of a session."""
        self._is_dead = is_dead
        self._release = release
        self._locate = locate
        """Return key and weak reference of the storage of a waiting write's tensor; None where that has died."""
        self._sweep_at = FIRST_SWEEP
        self._folding = RLock()
        """A weak reference that two threads gave back would be freed twice."""

    def find(self, key: int) -> StorageLog | None:
        """Return the log of a storage by its key; None when nothing was written to it."""
        self.fold()
        return self.storages.get(key)

    def living(self) -> list[StorageLog]:
        """Return the logs of all storages that are alive."""
        self.fold()
        self.sweep()
        return list(self.storages.values())

    def next_order(self) -> int:
        """Return the place of an event that happens now."""
        return next(self.orders)

    def fold(self) -> None:
        """Turn the pending tuples into runs; other threads may append meanwhile."""
        with self._folding:
            self.n_folds += 1
            pending = self.pending[:]
            del self.pending[: len(pending)]
            for write in pending:
                key, weak = write[0], write[1]
                if key == WAITING:
                    found = self._locate(weak)
                    if found is None:
                        continue
                    key, weak = found
                log = self.storages.get(key)
                if log is not None:
                    self._release(weak)
                elif self._is_dead(weak):
                    self._release(weak)
                    continue
                else:
                    log = self._open(key, weak)
                log.put(write)

    def _open(self, key: int, weak: object) -> StorageLog:
        if len(self.storages) >= self._sweep_at:
            self.sweep()
        log = self.storages[key] = StorageLog(StorageId(key), weak)
        return log

    def sweep(self) -> None:
        """Drop the storages that have died."""
        with self._folding:
            for key in [key for key, log in self.storages.items() if self._is_dead(log.weak)]:
                self._release(self.storages.pop(key).weak)
            self._sweep_at = max(FIRST_SWEEP, 2 * len(self.storages))

    def clear(self) -> None:
        """Forget everything."""
        with self._folding:
            self.fold()
            for log in self.storages.values():
                self._release(log.weak)
            self.storages.clear()
