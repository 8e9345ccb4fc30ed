"""Writes that the version counter or the tape may not see, kept with what a judgement needs.

Only these are worth looking at a graph for; a program that makes none pays nothing at backward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType

from gradsan.model.event import Access
from gradsan.record.frames import Site

MAX_PER_STORAGE = 64
FIRST_SWEEP = 1024


@dataclass(frozen=True, slots=True)
class Region:
    """The elements of a storage that a tensor covers; offset and strides count elements of ``item_bytes``."""

    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    item_bytes: int

    @property
    def extent_bytes(self) -> tuple[int, int]:
        """First byte, and the byte after the last one."""
        if 0 in self.size:
            return 0, 0
        last = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride, strict=True))
        return self.offset * self.item_bytes, (last + 1) * self.item_bytes


@dataclass(slots=True, eq=False)
class Alias:
    """A second way to a storage: outside the graph, or with a version counter of its own.

    ``producer`` is the number of the node whose result lives there, -1 without one.
    """

    weak: object
    operation: str
    access: Access
    producer: int
    code: CodeType | None
    offset: int
    tensor: Callable[[], object]
    """Weak reference to the alias itself."""


@dataclass(slots=True, eq=False)
class Suspect:
    """Consecutive suspicious writes to one storage from one place.

    ``number`` is the sequence number that was next before the (last) write.
    """

    operation: str
    number: int
    order: int
    code: CodeType | None
    offset: int
    access: Access
    producer: int
    region: Region
    agent: Callable[[], object] | None = None
    alias: Alias | None = None
    grad_enabled: bool = True
    cuts_graph: bool = False
    """A value with history was copied to where no history is kept, inside a module's forward."""
    is_on_tape: bool = True
    n_times: int = 1

    @property
    def site(self) -> Site | None:
        """Where it was written."""
        return None if self.code is None else Site(self.code, self.offset)


class SuspectLog:
    """Aliases and suspicious writes, by the key of the storage."""

    __slots__ = ("_is_dead", "_release", "_sweep_at", "aliases", "last_number", "writes")

    def __init__(self, *, is_dead: Callable[[object], bool], release: Callable[[object], None]) -> None:
        self.aliases: dict[int, Alias] = {}
        self.writes: dict[int, tuple[object, list[Suspect]]] = {}
        self.last_number = -1
        """Number of the youngest suspicious write: older graphs are worth a look."""
        self._is_dead = is_dead
        self._release = release
        self._sweep_at = FIRST_SWEEP

    def add_alias(self, key: int, alias: Alias) -> None:
        """Remember a second way to a storage."""
        before = self.aliases.get(key)
        if before is not None:
            self._release(before.weak)
            if alias.producer < 0 and before.producer >= 0:
                alias.producer = before.producer
        elif len(self.aliases) >= self._sweep_at:
            self.sweep()
        self.aliases[key] = alias

    def add_write(self, key: int, weak: object, suspect: Suspect) -> None:
        """Remember a suspicious write, in the last entry where the same place writes the same elements again."""
        known = self.writes.get(key)
        if known is None:
            if len(self.writes) >= self._sweep_at:
                self.sweep()
            known = self.writes[key] = (weak, [])
        else:
            self._release(weak)
        self.last_number = max(self.last_number, suspect.number)
        entries = known[1]
        for at, last in enumerate(entries):
            same_place = last.code is suspect.code and last.offset == suspect.offset
            if same_place and last.operation == suspect.operation and last.region == suspect.region:
                suspect.n_times = last.n_times + 1
                del entries[at]
                break
        if len(entries) >= MAX_PER_STORAGE:
            del entries[0]
        entries.append(suspect)

    def writes_to(self, key: int | None) -> Iterator[Suspect]:
        """Yield the suspicious writes to a storage, oldest first."""
        known = None if key is None else self.writes.get(key)
        if known is not None:
            yield from known[1]

    def all_writes(self) -> Iterator[tuple[int, Suspect]]:
        """Yield every (key, suspicious write)."""
        for key, (_, entries) in self.writes.items():
            for suspect in entries:
                yield key, suspect

    def sweep(self) -> None:
        """Drop the storages that have died."""
        for key in [key for key, alias in self.aliases.items() if self._is_dead(alias.weak)]:
            self._release(self.aliases.pop(key).weak)
        for key in [key for key, (weak, _) in self.writes.items() if self._is_dead(weak)]:
            self._release(self.writes.pop(key)[0])
        self._sweep_at = max(FIRST_SWEEP, 2 * max(len(self.aliases), len(self.writes)))

    def clear(self) -> None:
        """Forget everything."""
        for alias in self.aliases.values():
            self._release(alias.weak)
        for weak, _ in self.writes.values():
            self._release(weak)
        self.aliases.clear()
        self.writes.clear()
        self.last_number = -1
