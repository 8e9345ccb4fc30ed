"""What the tasks may ask of a framework, and what it may answer that it cannot do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gradsan.model.history import History
from gradsan.model.report import Framework
from gradsan.record.session import Session


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can see; each False is said in a report's ``not_covered``."""

    records_writes: bool
    inspects_graphs: bool
    names_saving_line: bool


class Adapter(Protocol):
    """One framework behind one door."""

    @property
    def framework(self) -> Framework:
        """Name and version of the framework."""

    @property
    def capabilities(self) -> Capabilities:
        """What this adapter can see here and now."""

    def start(self, session: Session) -> None:
        """Begin to record into a session.

        Effect: wraps what writes and starts the line clock, until `stop`.
        """

    def stop(self, session: Session) -> None:
        """Undo `start`.

        Effect: unwraps; a session that is not recording is left as it is.
        """

    def inspect(self, *roots: object) -> tuple[History, ...]:
        """Return the conflicts that a backward pass from ``roots`` would meet, without running it."""
