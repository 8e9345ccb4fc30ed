"""The ordered events of one storage, and what is known of the tensor they happened to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from gradsan.model.diagnostic import Certainty
from gradsan.model.event import Event, Needed, Raised, Refusal, Saved, Writer, Written

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

    @property
    def title(self) -> str:
        """How a headline names the tensor, in back-ticks; empty when it has no name."""
        if self.kind in (TensorKind.PARAMETER, TensorKind.BUFFER) and self.qualified_name:
            return f"`{self.qualified_name}`"
        return f"`{self.name or self.qualified_name}`" if self.name or self.qualified_name else ""

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
class Overwriting:
    """A saved tensor, the counted writes that came after the save, and the backward that found them.

    ``saved`` is None where the save could not be located, ``writes`` is empty where no write could.
    """

    saved: Saved | None
    writes: tuple[Written, ...]
    needed: Needed | None

    @property
    def first(self) -> Written | None:
        """The write that was enough to break it."""
        return self.writes[0] if self.writes else None

    @property
    def n_counted(self) -> int | None:
        """How far the version counter moved between the save and the backward; None when unknown."""
        if self.saved is None or self.needed is None:
            return None
        return self.needed.version - self.saved.version

    @property
    def counter_moved(self) -> bool:
        """Whether the version counter itself proves a write, seen or not; a value whose check is off proves nothing."""
        is_checked = self.saved is not None and self.saved.is_checked
        return is_checked and self.n_counted is not None and self.n_counted > 0

    @property
    def n_seen(self) -> int:
        """How much of that the recorded writes account for."""
        return sum(write.version - write.version_before + write.n_later for write in self.writes)

    @property
    def is_loss_younger(self) -> bool | None:
        """Whether the loss was computed after the first write; None when unknown."""
        if self.first is None or self.needed is None or self.needed.root_sequence is None:
            return None
        return self.needed.root_sequence >= self.first.sequence


class Witness(Enum):
    """What saw a write that no version counter and no wrapper saw; see the page of the audit."""

    CONTENT = "content"
    """The bytes of a saved tensor differed between save and need."""
    UNPACKED = "unpacked"
    """... of what an unpack hook gave, while the node that asked for it asked for more."""
    CONTEXT = "context"
    """... of a tensor that a custom Function keeps on ``ctx``."""
    HOOK_STATE = "hook-state"
    """... of what the hook of a tensor reads beside its gradient."""
    FUNCTION_INPUT = "function-input"
    """... of an input of a custom Function, before and after its forward."""
    GRADIENT = "gradient"
    """... of a gradient that others wait for, before and after a hook or a custom backward."""
    RETURNED_GRADIENT = "returned-gradient"
    """A custom backward wrote a buffer that it had returned as a gradient before, and that waits to be used."""
    RECOMPUTATION = "recomputation"
    """A checkpointed region computed other values when it was run again."""
    KEPT_GRADIENT = "kept-gradient"
    """An optimizer's state is the gradient's own buffer."""
    LISTED_GRADIENTS = "listed-gradients"
    """A list holds one gradient tensor once for each backward pass."""
    MINUS_ITSELF = "minus-itself"
    """A gradient that was kept by reference was subtracted from itself, after another backward had written it."""
    PLUS_ITSELF = "plus-itself"
    """... was added to itself."""
    OLDER_SELF = "older-self"
    """An alias was subtracted from what its memory became: from itself."""
    EXPANDED = "expanded"
    """An item of an expanded tensor was written, and so were the others in the same memory."""
    KEPT_STATE = "kept-state"
    """One tensor that several steps wrote was kept at each of them."""
    GRADIENT_OF_TWO = "gradient-of-two"
    """One tensor was the gradient of two leaves, and both accumulated into it."""
    LEAF_OVER_LEAF = "leaf-over-leaf"
    """A parameter was made over the memory of another leaf, and a backward pass reached both."""
    STALE_CAST = "stale-cast"
    """A copy that autocast had cast was used after its leaf had been written."""
    DROPPED_VIEW = "dropped-view"
    """An optimizer stepped while gradients that had been views of a buffer were not in it any more."""
    STALE_GRADIENT = "stale-gradient"
    """An optimizer stepped a second time with the same gradient tensor, which was another leaf's too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What happened to one storage, oldest event first."""

    subject: Subject
    events: tuple[Event, ...]
    certainty: Certainty = Certainty.OBSERVED
    notes: tuple[str, ...] = ()
    """Facts that the producer adds: an earlier iteration, a condition on a path."""
    witness: Witness | None = None
    """What the audit saw it by; None for what the recorder always sees."""

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

    def overwriting(self) -> Overwriting | None:
        """Return the story of a saved tensor that was overwritten; None when these events tell another one.

        Writes that bypass the version counter are not part of it: backward does not notice them.
        """
        if self.refusal is not None and self.refusal.refusal is not Refusal.SAVED_OVERWRITTEN:
            return None
        saved = self.first(Saved)
        after = self.events[self.events.index(saved) + 1 :] if saved is not None else self.events
        writes = tuple(e for e in after if isinstance(e, Written) and e.bumps_version)
        story = Overwriting(saved=saved, writes=writes, needed=self.last(Needed))
        if self.refusal is None and (saved is None or not (writes or story.counter_moved)):
            return None
        return story

    def unseen(self) -> Overwriting | None:
        """Return the story of a saved tensor that was overwritten without the framework noticing; None without one."""
        saved = self.first(Saved)
        if self.refusal is not None or saved is None:
            return None
        after = self.events[self.events.index(saved) + 1 :]
        writes = tuple(e for e in after if isinstance(e, Written) and not e.bumps_version)
        return Overwriting(saved=saved, writes=writes, needed=self.last(Needed)) if writes else None

    def at_lines_of_program(self) -> History:
        """Tell a step and the backward after it at the program's own lines, not at an installed package's between.

        Where one line of the program ran both (``trainer.fit(model)``), the package's lines tell more and are kept.
        """
        steps = [write for write in self.all(Written) if write.writer is Writer.OPTIMIZER]
        needed = self.last(Needed)
        if not steps or needed is None:
            return self
        place = needed.in_program or needed.span
        if any((step.in_program or step.span) == place for step in steps):
            return self
        return replace(self, events=tuple(_at_line_of_program(event, needed) for event in self.events))

    @property
    def was(self) -> str:
        """*was* for what we saw, *may be* for what we infer."""
        return "was" if self.certainty is Certainty.OBSERVED else "may be"

    @property
    def refusal(self) -> Raised | None:
        """What the framework raised, if it did."""
        return self.last(Raised)


def _at_line_of_program(event: Event, needed: Needed) -> Event:
    if isinstance(event, Needed) or (isinstance(event, Written) and event.writer is Writer.OPTIMIZER):
        return event if event.in_program is None else replace(event, span=event.in_program)
    if isinstance(event, Raised) and event.span == needed.span:  # the backward itself raised
        return replace(event, span=needed.in_program or event.span)
    return event
