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
MAX_BEGINNINGS = 16
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

    ``producers`` are the numbers of the nodes whose result lives there.
    """

    weak: object
    operation: str
    access: Access
    producers: tuple[int, ...]
    code: CodeType | None
    offset: int
    tensor: Callable[[], object]
    """Weak reference to the alias itself."""
    origin: Callable[[], object]
    """Weak reference to the tensor of which it is one."""
    number: int = -1
    """The sequence number that was next when it was made."""
    content: object = None
    """What the storage contained then; None where that wasn't read."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first of consecutive writes between which no node was made, and what the storage contained before it."""

    order: int
    number: int
    noted: int
    """The sequence number that was next when the content was read."""
    content: object
    """None where it wasn't read."""


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
    producers: tuple[int, ...]
    """Numbers of the nodes whose result was written: the tensor's own and, through views, that of its base."""
    region: Region
    whole: Region | None = None
    """What the tensor covers of which ``region`` was written, where its node is the first of ``producers``."""
    agent: Callable[[], object] | None = None
    alias: Alias | None = None
    grad_enabled: bool = True
    cuts_graph: bool = False
    """A value with history was copied to where no history is kept."""
    upstream: object = None
    """What the value was computed from; None where the copy was made in a module's forward, and is surely a cut."""
    frozen: Callable[[], object] | None = None
    """Weak reference to the parameter without a gradient into which the value went."""
    is_in_forward: bool = False
    """... in the forward of a module."""
    constant: Callable[[], object] | None = None
    """Weak reference to what is no parameter and needs no gradient, into which the value went in such a forward."""
    is_on_tape: bool = True
    keeps_derivative: bool = False
    """A constant was added: the derivative of what was there is as before."""
    is_in_function: bool = False
    """Written inside the forward of a custom Function, before that has saved anything."""
    is_in_pack: bool = False
    """Written by a pack hook, which hands on what it has written."""
    in_program: Site | None = None
    """The program's own line that led to ``site`` in an installed package."""
    line: int = 0
    """Where ``offset`` is -1: only the line is known."""
    n_times: int = 1
    beginnings: tuple[Beginning, ...] = ()
    """Of the last groups of writes, oldest first; any node was made before the whole of a group, or after it."""

    @property
    def site(self) -> Site | None:
        """Where it was written."""
        return None if self.code is None else Site(self.code, self.offset, self.line)


@dataclass(slots=True, eq=False)
class Move:
    """A tensor was given other memory; what it had before, and what was written in effect."""

    before: tuple[int, Region]
    after: tuple[int, Region]
    weak_before: object
    suspect: Suspect


@dataclass(slots=True, eq=False)
class Moves:
    """The moves of one tensor."""

    tensor: Callable[[], object]
    entries: list[Move]


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The memory of a storage was given up: when, and what it contained; None where that wasn't read."""

    order: int
    content: object


class SuspectLog:
    """Aliases and suspicious writes, by the key of the storage; moves, by the tensor."""

    __slots__ = (
        *("_is_dead", "_release", "_released", "_sweep_at"),
        *("aliases", "has_cuts", "last_number", "moves", "shared", "writes"),
    )

    def __init__(self, *, is_dead: Callable[[object], bool], release: Callable[[object], None]) -> None:
        self.aliases: dict[int, Alias] = {}
        self.writes: dict[int, tuple[object, list[Suspect]]] = {}
        self.moves: dict[int, Moves] = {}
        self.shared: dict[int, object] = {}
        """Weak references to storages that several tensors, each with its own counter, were given by assignment."""
        self._released: dict[int, tuple[object, GivenUp]] = {}
        self.has_cuts = False
        """Whether a value with history was put into a leaf."""
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
            if not alias.producers and before.producers:
                alias.producers, alias.origin = before.producers, before.origin
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
        self.has_cuts = self.has_cuts or suspect.cuts_graph
        entries = known[1]
        suspect.beginnings = (_beginning_of(suspect),)
        for at, last in enumerate(entries):
            same_place = last.code is suspect.code and (last.offset, last.line) == (suspect.offset, suspect.line)
            if same_place and last.operation == suspect.operation and last.region == suspect.region:
                suspect.n_times = last.n_times + 1
                if last.number == suspect.number:
                    suspect.beginnings = last.beginnings
                else:
                    suspect.beginnings = (*last.beginnings, *suspect.beginnings)[-MAX_BEGINNINGS:]
                del entries[at]
                break
        if len(entries) >= MAX_PER_STORAGE:
            del entries[0]
        entries.append(suspect)

    def add_move(self, identity: int, tensor: Callable[[], object], move: Move) -> None:
        """Remember that a tensor was given other memory.

        ``identity`` may be recycled: the entries of a tensor that has died are dropped.
        """
        known = self.moves.get(identity)
        if known is None or known.tensor() is not tensor():
            if known is not None:
                self._forget(known)
            elif len(self.moves) >= self._sweep_at:
                self.sweep()
            known = self.moves[identity] = Moves(tensor, [])
        if len(known.entries) >= MAX_PER_STORAGE:
            self._release(known.entries.pop(0).weak_before)
        known.entries.append(move)
        self.last_number = max(self.last_number, move.suspect.number)
        self.has_cuts = self.has_cuts or move.suspect.cuts_graph

    def add_shared(self, key: int, weak: object) -> None:
        """Remember that several tensors live in a storage, each with a counter of its own."""
        if key in self.shared:
            self._release(weak)
        else:
            self.shared[key] = weak

    def add_given_up(self, key: int, weak: object, given_up: GivenUp) -> None:
        """Remember that the memory of a storage was given up."""
        before = self._released.get(key)
        if before is not None:
            self._release(before[0])
        elif len(self._released) >= self._sweep_at:
            self.sweep()
        self._released[key] = weak, given_up

    def given_up(self, key: int) -> GivenUp | None:
        """Return the last time that the memory of a storage was given up."""
        known = self._released.get(key)
        return None if known is None else known[1]

    def moves_of(self, tensor: object) -> list[Move]:
        """Return the moves of a tensor, oldest first."""
        known = self.moves.get(id(tensor))
        return known.entries if known is not None and known.tensor() is tensor else []

    def _forget(self, moves: Moves) -> None:
        for move in moves.entries:
            self._release(move.weak_before)

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
        for moves in self.moves.values():
            for move in moves.entries:
                yield move.after[0], move.suspect

    def sweep(self) -> None:
        """Drop the storages that have died."""
        for key in [key for key, alias in self.aliases.items() if self._is_dead(alias.weak)]:
            self._release(self.aliases.pop(key).weak)
        for key in [key for key, (weak, _) in self.writes.items() if self._is_dead(weak)]:
            self._release(self.writes.pop(key)[0])
        for key in [key for key, weak in self.shared.items() if self._is_dead(weak)]:
            self._release(self.shared.pop(key))
        for key in [key for key, (weak, _) in self._released.items() if self._is_dead(weak)]:
            self._release(self._released.pop(key)[0])
        for identity in [identity for identity, moves in self.moves.items() if moves.tensor() is None]:
            self._forget(self.moves.pop(identity))
        most = max(len(self.aliases), len(self.writes), len(self.moves), len(self._released))
        self._sweep_at = max(FIRST_SWEEP, 2 * most)

    def clear(self) -> None:
        """Forget everything."""
        for alias in self.aliases.values():
            self._release(alias.weak)
        for weak, _ in self.writes.values():
            self._release(weak)
        for moves in self.moves.values():
            self._forget(moves)
        self.aliases.clear()
        self.writes.clear()
        self.moves.clear()
        for weak in self.shared.values():
            self._release(weak)
        self.shared.clear()
        for weak, _ in self._released.values():
            self._release(weak)
        self._released.clear()
        self.has_cuts = False
        self.last_number = -1


def _beginning_of(suspect: Suspect) -> Beginning:
    alias = suspect.alias
    noted, content = (-1, None) if alias is None else (alias.number, alias.content)
    return Beginning(suspect.order, suspect.number, noted, content)
