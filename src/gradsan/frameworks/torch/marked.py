"""A tensor beside what it contained when somebody looked at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradsan.frameworks.torch.fingerprints import fingerprint, same
from gradsan.frameworks.torch.regions import key_of
from gradsan.model.event import SequenceNumber, Version, Writer, Written
from gradsan.record.frames import Site, span_of
from gradsan.record.writes import IN_BACKWARD, WriteLog


class Marked:
    """A tensor with its fingerprint; something to watch by."""

    __slots__ = ("__weakref__", "held", "mark", "name", "tensor", "version")

    def __init__(self, name: str, tensor: Any, mark: object, held: Any = None) -> None:
        self.name = name
        self.tensor = tensor
        self.held = tensor if held is None else held
        """The tensor itself, or the array whose memory it is."""
        self.mark = mark
        self.version = tensor._version

    def differs(self, *, is_full: bool) -> bool:
        """Return whether it contains something else now."""
        return not same(fingerprint(self.tensor, is_full=is_full), self.mark)


class Watched:
    """A tensor that is compared after each line, for as long as a value lives."""

    __slots__ = ("is_close", "mark", "tensor", "then", "value")

    def __init__(
        self,
        value: Callable[[], object],
        tensor: Any,
        mark: object,
        *,
        is_close: bool,
        then: Callable[[Site | None], None] | None,
    ) -> None:
        self.is_close = is_close
        self.value = value
        self.tensor = tensor
        self.mark = mark
        self.then = then
        """Called with the line after which it differed."""


def first_write_since(writes: WriteLog, marked: Marked) -> Written | None:
    """Return the first write on record to a tensor since it was marked; None where its version has not moved."""
    key = key_of(marked.tensor)
    log = None if key is None else writes.find(key)
    runs = [] if log is None else [run for run in log.runs if run.is_counted and run.last_after > marked.version]
    if not runs:
        return None
    run = runs[0]
    return Written(
        span=span_of(run.site),
        in_program=span_of(run.in_program),
        operation=run.operation,
        version_before=Version(marked.version),
        version=Version(marked.tensor._version),
        sequence=SequenceNumber(run.last_number),
        access=run.access,
        writer=Writer.BACKWARD if run.flags & IN_BACKWARD else Writer.PROGRAM,
        n_times=1,
    )
