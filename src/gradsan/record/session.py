"""One recording: its switches, what was found, and what could not be looked at."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from gradsan.model.copied import Copied
from gradsan.model.errors import SilentCorruption
from gradsan.model.history import History
from gradsan.model.span import Span

Listener = Callable[[History, BaseException | None], str]
"""Told each history as soon as it is known; returns the note to put on the exception, or an empty string."""

MAX_NOT_COVERED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a session records beyond what is always recorded."""

    trace_full: bool = False
    """Follow every operation, not only those that are known to write: slower, sees every counted write."""
    audit: str = ""
    """Compare the contents of saved tensors when they are saved and when they are needed: "sampled", "full"; empty for
    not at all."""
    protect: bool = False
    """Copy saved tensors before they are overwritten, so that backward gets what was saved."""
    closely: tuple[Span, ...] = ()
    """Lines that an audit asks about: what they save, and nothing else that nobody handed out, is compared after each
    line, to the program's end."""
    protect_at_once: bool = False
    """Copy them when they are saved: right whoever writes, seen or not, at the price of copying all of them."""


@dataclass(slots=True, eq=False)
class Session:
    """One recording.

    The recorder tells it what it finds; it never raises into the program that is being recorded.
    """

    listener: Listener
    is_strict: bool = False
    """Whether silent corruption is raised where it would be used."""
    options: Options = field(default_factory=Options)
    is_on: bool = True
    file_for_children: int | None = None
    """The number of the file to which child processes write where they wrote to shared memory, under an audit."""
    file_of_parent: int | None = None
    """In a spawned child, that of its parent."""
    copies: tuple[Copied, ...] = ()
    """What was copied to protect saved tensors, final once recording has stopped."""
    _not_covered: dict[str, None] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def not_covered(self) -> tuple[str, ...]:
        """What was not looked at, and why."""
        return tuple(self._not_covered)

    def say_not_covered(self, sentence: str) -> None:
        """Note once that something was not looked at."""
        if len(self._not_covered) < MAX_NOT_COVERED:
            self._not_covered.setdefault(sentence)

    def raise_if_strict(self, histories: Sequence[History]) -> None:
        """Stop a backward that would use a value that was silently overwritten.

        Raises:
            SilentCorruption: the session is strict and there is a history.
        """
        if self.is_strict and histories:
            error = SilentCorruption("backward would use a value that was overwritten without the framework noticing")
            for history in histories:
                self.tell(history, error)
            if getattr(error, "__notes__", ()):  # what the listener holds for grave is noted on the error
                raise error

    def tell(self, history: History, exception: BaseException | None) -> None:
        """Hand a history to the listener and put its note on the exception."""
        with self.border():
            note = self.listener(history, exception)
            if note and exception is not None:
                attach_note(exception, note)

    @contextmanager
    def border(self) -> Iterator[None]:
        """Keep whatever goes wrong inside from the user's program.

        Effect: on an exception of ours the session is switched off, and this is said once, here and on stderr.
        """
        try:
            yield
        except Exception as error:
            self.switch_off(error)

    def switch_off(self, error: BaseException) -> None:
        """Stop recording because of an error of ours; the program goes on.

        Effect: one line on stderr.
        """
        if not self.is_on:
            return
        self.is_on = False
        frames = traceback.extract_tb(error.__traceback__)
        place = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
        sentence = f"switched itself off after an internal error ({type(error).__name__}: {error}{place})"
        self.say_not_covered(f"gradsan {sentence}")
        print(f"gradsan: {sentence}; the program goes on", file=sys.stderr)


def attach_note(exception: BaseException, note: str) -> None:
    """Add a note to an exception; before Python 3.11 it is kept in ``__notes__`` as `add_note` keeps it."""
    if hasattr(exception, "add_note"):
        exception.add_note(note)
    else:
        notes = getattr(exception, "__notes__", [])
        exception.__notes__ = [*notes, note]  # type: ignore[attr-defined]
