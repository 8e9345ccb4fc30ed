"""What `fix` did, or would do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """What came of a repair."""

    NOTHING = "nothing-to-repair"
    REPAIRED = "repaired"
    """Clean and proven."""
    UNPROVEN = "unproven"
    """Clean, but not proven to compute the same."""
    REMAINS = "remains"
    """Nothing that was tried is clean and right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """The outcome of one repair: the edits as a diff, what was proven, and what was not."""

    outcome: Outcome
    diff: str = ""
    """Unified, paths relative to the working directory."""
    is_written: bool = False
    titles: tuple[str, ...] = ()
    """The edits, in the order in which they were found."""
    proof: tuple[str, ...] = ()
    """What was compared and agreed, one sentence each."""
    remains: tuple[str, ...] = ()
    """What was tried and failed, what could not be proven, what was refused; one sentence each."""
