"""Undoing and joining: what a branch set, so that the other branch starts from the same state.

# NOTE [Journal]
Everything that a path may set (local names, attributes, items) lives in a dict or a `Sequence`, and is set through the
journal.  A branch is run, its settings are collected and undone, the next branch is run, and the settings of all
branches that go on are joined.  So a fork costs what it changes, not what there is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gradsan.source.flow.graph import Guard
from gradsan.source.flow.values import ABSENT, Sequence, Value, join

Holder: TypeAlias = "dict[str, Value] | dict[object, Value] | Sequence"
Change: TypeAlias = "tuple[Holder, object, object]"
Changes: TypeAlias = "dict[tuple[int, object], Change]"
Exit: TypeAlias = "tuple[Guard, Changes]"
State: TypeAlias = "tuple[list[Value], bool, tuple[str, ...]]"
"""What is in a sequence: its items, whether these are all, their names."""


class _Missing:
    pass


MISSING = _Missing()
ITEMS = "<items>"


@dataclass(slots=True)
class Journal:
    """What was set since the analysis of an entry began, oldest first, with the values before."""

    entries: list[Change] = field(default_factory=list)

    def set(self, holder: dict[str, Value] | dict[object, Value], key: object, value: Value) -> None:
        """Set an item of a dict."""
        table: Any = holder
        self.entries.append((holder, key, table.get(key, MISSING)))
        table[key] = value

    def set_items(
        self, sequence: Sequence, items: list[Value], *, is_exact: bool, fields: tuple[str, ...] | None = None
    ) -> None:
        """Set the items of a sequence, and their names where these are given."""
        self.entries.append((sequence, ITEMS, _state(sequence)))
        sequence.items, sequence.is_exact = items, is_exact
        if fields is not None:
            sequence.fields = fields

    def mark(self) -> int:
        """Return a point to come back to."""
        return len(self.entries)

    def changes(self, mark: int, *, but: object = None) -> Changes:
        """Return what was set since a point, with the values now; what was set in the holder ``but`` is left out."""
        found: Changes = {}
        if len(self.entries) == mark:
            return found
        for holder, key, _ in self.entries[mark:]:
            if holder is but:
                continue
            at = id(holder), key
            if at not in found:
                found[at] = holder, key, _read(holder, key)
        return found

    def undo(self, mark: int, *, but: object = None) -> None:
        """Go back to a point; what was set in the holder ``but`` stays."""
        entries = self.entries
        if len(entries) == mark:
            return
        for holder, key, old in reversed(entries[mark:]):
            if holder is not but:
                _write(holder, key, old)
        del entries[mark:]

    def merge(self, exits: list[Exit]) -> None:
        """Set what several ways out of a block set, each on its own paths."""
        if len(exits) == 1:
            for holder, key, value in exits[0][1].values():
                self._put(holder, key, value)
            return
        keys: Changes = {}
        for _, changes in exits:
            keys.update(changes)
        for at, (holder, key, _) in keys.items():
            now = _read(holder, key)
            values = [(changes[at][2] if at in changes else now, guard) for guard, changes in exits]
            self._put(holder, key, _join_any(values))

    def _put(self, holder: Holder, key: object, value: Any) -> None:
        if value is MISSING:
            return
        if isinstance(holder, Sequence):
            items, is_exact, fields = value
            self.set_items(holder, items, is_exact=is_exact, fields=fields)
        else:
            self.set(holder, key, value)


def _join_any(values: list[tuple[Any, Guard]]) -> object:
    present = [pair for pair in values if pair[0] is not MISSING]
    if present and present[0][0].__class__ is tuple:
        lists: list[State] = [value for value, _ in present]
        first, _, fields = lists[0]
        if all(len(items) == len(first) and names == fields for items, _, names in lists):
            joined: list[Value] = [
                join([(items[i], guard) for (items, _, _), (_, guard) in zip(lists, present, strict=True)])
                for i in range(len(first))
            ]
            return joined, all(exact for _, exact, _ in lists), fields
        return _join_lengths(lists, [guard for _, guard in present])
    return join(present)


def _join_lengths(lists: list[State], guards: list[Guard]) -> State:
    """Join lists of several lengths; what only some paths appended is absent on the others."""
    longest, _, fields = max(lists, key=lambda state: len(state[0]))
    ways = list(zip((items for items, _, _ in lists), guards, strict=True))
    rows: list[Value] = []
    for at in range(len(longest)):
        present = [(items[at], guard) for items, guard in ways if at < len(items)]
        rows.append(join([*present, *((ABSENT, guard) for items, guard in ways if at >= len(items))]))
    return rows, all(is_exact for _, is_exact, _ in lists), fields


def _state(sequence: Sequence) -> State:
    return sequence.items, sequence.is_exact, sequence.fields


def _read(holder: Holder, key: object) -> object:
    if type(holder) is Sequence:
        return _state(holder)
    table: Any = holder
    return table.get(key, MISSING)


def _write(holder: Holder, key: object, value: Any) -> None:
    table: Any = holder
    if type(holder) is Sequence:
        holder.items, holder.is_exact, holder.fields = value
    elif value is MISSING:
        table.pop(key, None)
    else:
        table[key] = value
