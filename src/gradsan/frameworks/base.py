"""What the tasks may ask of a framework, and what it may answer that it cannot do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gradsan.model.copied import Copied
    from gradsan.model.history import History
    from gradsan.model.report import Framework
    from gradsan.model.verification import Verification
    from gradsan.record.observations import Observations
    from gradsan.record.session import Session


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can see; each False is said in a report's ``not_covered``."""

    records_writes: bool
    inspects_graphs: bool
    names_saving_line: bool


class Witness(Protocol):
    """Notes what a program computes between `start` and `stop`."""

    observations: Observations

    def start(self) -> None:
        """Begin to note.

        Effect: wraps the framework's backward; where refused writes are performed, whatever writes.
        """

    def stop(self) -> None:
        """Undo `start`, and note the state of ``__main__``."""


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

    def copies(self, session: Session) -> tuple[Copied, ...]:
        """Return what was copied for a session with ``protect``, the largest first."""

    def explain(self, error: BaseException) -> None:
        """Look at an exception that no wrapper has seen yet.

        Effect: tells the sessions what it means, if it is a refusal of the framework.
        """

    def verify(
        self, fn: object, inputs: tuple[object, ...], *, protecting: Callable[[], AbstractContextManager[object]]
    ) -> Verification:
        """Compare a function's gradient with the true one; ``protecting`` opens a protected stretch."""

    def inspect(self, *roots: object) -> tuple[History, ...]:
        """Return the conflicts that a backward pass from ``roots`` would meet, without running it."""

    def witness(
        self,
        performs_refused: str = "",
        *,
        files: Sequence[str] = (),
        is_interpreted: bool = False,
        is_apart: bool = False,
    ) -> Witness:
        """Return a witness, not started.

        Args:
            performs_refused: How writes that the framework refuses are performed for it; empty if they are not.
            files: The program's source files, for the functions that it calls with ``out=``.
            is_interpreted: Whether what the program compiles runs as Python.
            is_apart: Whether operations inside the framework's own transforms compute on copies.
        """
