"""Findings of child processes: a worker that loads data, a rank.

A forked child inherits what its parent wrapped, and what it finds would die with it.  It writes its findings to a file
that its parent opens just before it forks; a program that never forks pays nothing.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import weakref
from contextlib import suppress
from typing import IO

from gradsan.model.diagnostic import Diagnostic


class ChildFindings:
    """One channel from the children of this process to this process."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._is_child = False
        _living.add(self)

    def close(self) -> None:
        """Listen no more; what has come stays known until then."""
        _living.discard(self)
        if self._file is not None:
            self._file.close()
            self._file = None

    def send(self, finding: Diagnostic) -> None:
        """In a child, hand a finding to the parent.

        Effect: appends to the file; in the parent nothing.
        """
        if self._is_child and self._file is not None:
            self._file.write(pickle.dumps(finding))
            self._file.flush()  # one write, which appends as a whole

    def received(self) -> tuple[Diagnostic, ...]:
        """In the parent, return what the children have found so far."""
        if self._file is None or self._is_child:
            return ()
        self._file.seek(0)
        found: list[Diagnostic] = []
        while self._file.peek(1):  # type: ignore[attr-defined]
            try:
                found.append(pickle.load(self._file))
            except (EOFError, pickle.UnpicklingError):  # a child died while it wrote
                break
        return tuple(found)

    @classmethod
    def sending_to(cls, number: int) -> ChildFindings:
        """Return the sending end of a file that this process was given."""
        end = cls()
        end._file, end._is_child = os.fdopen(number, "a+b"), True
        return end

    def file_number(self) -> int:
        """Return the number of the file that children write to.

        Effect: opens it.
        """
        self.open()
        assert self._file is not None
        return self._file.fileno()

    def open(self) -> None:
        """Get ready for a fork.

        Effect: opens a file without a name.
        """
        if self._file is None:
            self._file = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - closed in `close`

    def enter_child(self) -> None:
        """Become the sending end."""
        self._is_child = True


_living: weakref.WeakSet[ChildFindings] = weakref.WeakSet()


def _before_fork() -> None:
    for each in list(_living):
        with suppress(OSError):  # what children find is then lost, the fork is not
            each.open()


def _in_child() -> None:
    for each in list(_living):
        each.enter_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_in_child)
