"""The ordered events of one storage, and what is known of the tensor they happened to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from gradsan.model.diagnostic import Certainty
from gradsan.model.event import Event, Raised, Saved, Written

E = TypeVar("E")


class TensorKind(Enum):
    """What part the tensor plays in the program."""

    INTERMEDIATE = "intermediate"
    LEAF = "leaf"
    PARAMETER = "parameter"
    BUFFER = "buffer"
    CONSTANT = "constant"
    """Neither requires a gradient nor is registered: a target, a mask, an index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The tensor a history is about.

    ``shape`` counts elements; ``dtype`` is the framework's short name, ``float32``.
    """

    name: str = ""
    """As the source names it at the write, else at the save; empty when unknown."""
    qualified_name: str = ""
    """``encoder.block.0.weight`` for parameters and buffers."""
    module: str = ""
    """Path of the module in which it was saved."""
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    kind: TensorKind = TensorKind.INTERMEDIATE

    def describe(self) -> str:
        """Say shape, dtype and module as one note; empty when nothing is known."""
        parts = []
        if self.shape is not None:
            parts.append(f"shape {self.shape} {self.dtype}".rstrip())
        if self.qualified_name:
            parts.append(f"`{self.qualified_name}`")
        elif self.module:
            parts.append(f"in `{self.module}`")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What happened to one storage, oldest event first."""

    subject: Subject
    events: tuple[Event, ...]
    certainty: Certainty = Certainty.OBSERVED
    notes: tuple[str, ...] = ()
    """Facts that the producer adds: an earlier iteration, a condition on a path."""

    def all(self, kind: type[E]) -> tuple[E, ...]:
        """Return the events of one kind, oldest first."""
        return tuple(e for e in self.events if isinstance(e, kind))

    def first(self, kind: type[E]) -> E | None:
        """Return the oldest event of one kind."""
        return next((e for e in self.events if isinstance(e, kind)), None)

    def last(self, kind: type[E]) -> E | None:
        """Return the youngest event of one kind."""
        return next((e for e in reversed(self.events) if isinstance(e, kind)), None)

    def conflict(self) -> tuple[Saved, tuple[Written, ...]] | None:
        """Return what was saved, and the writes that came after it; None without both."""
        saved = self.first(Saved)
        if saved is None:
            return None
        at = self.events.index(saved)
        writes = tuple(e for e in self.events[at + 1 :] if isinstance(e, Written))
        return (saved, writes) if writes else None

    @property
    def refusal(self) -> Raised | None:
        """What the framework raised, if it did."""
        return self.last(Raised)
