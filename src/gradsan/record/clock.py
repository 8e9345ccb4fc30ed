"""The line clock: which line of user code was running when a node was made.

A framework numbers the nodes of its graph in the order in which it makes them.  The clock keeps, for each line of user
code that made at least one node, the number that was next when the line began; the line of node N is then the
youngest entry that is not younger than N.  Two cores drive it: `sys.monitoring` (Python 3.12 and later) and
`sys.settrace`.

# NOTE [Return to the middle of a line] In ``y = f(x) + g(x)`` the lines of ``f`` run before the addition does.  No line
event comes when ``f`` returns, so a return records the caller's line again; a generator that is resumed likewise.
"""

from __future__ import annotations

import linecache
import sys
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from types import CodeType
from typing import Any, Protocol

from gradsan.record.frames import Site, UserCode, site_at
from gradsan.record.idle import IdleCode

MAX_ENTRIES = 1 << 17
"""Lines that made nodes, kept per thread; about 12 MB when full."""

LATELY = 1024
"""Entries that tell whether a function makes nodes."""

NextNumber = Callable[[], int]


class Timeline:
    """The entries of one thread: (next number, code, position), oldest first.

    A position is a line number, or, where it is negative, ``-1 - offset`` of an instruction.
    """

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: deque[tuple[int, CodeType | None, int]] = deque([(-1, None, 0)], MAX_ENTRIES)

    def put(self, number: int, code: CodeType, position: int) -> None:
        """Begin a line; it takes the place of the one before where that made no node."""
        entries = self.entries
        if entries[-1][0] == number:
            entries[-1] = (number, code, position)
        else:
            entries.append((number, code, position))

    def doubt(self) -> None:
        """Forget which line has run since the last one began: others may have run unseen."""
        self.entries[-1] = (self.entries[-1][0], None, 0)

    def site_of(self, number: int) -> Site | None:
        """Return where node ``number`` was made; None where the clock was not running or has forgotten."""
        entries = list(self.entries)
        at = bisect_right(entries, number, key=lambda entry: entry[0]) - 1
        if at < 0:
            return None
        _, code, position = entries[at]
        return None if code is None else site_at(code, position)

    def made_nodes(self, code: CodeType) -> bool:
        """Return whether a line of a function made a node lately."""
        lately = islice(reversed(self.entries), 1, 1 + LATELY)
        return any(each is code for _, each, _ in lately)

    def ran(self, site: Site, *, after: int) -> bool:
        """Return whether a line ran, and made a node, after number ``after``."""
        for number, code, position in reversed(tuple(self.entries)):
            if number < after:
                return False
            if code is site.code and site_at(code, position).line_number == site.line_number:
                return True
        return False


# NOTE [Numbers of threads] A framework counts the nodes of each thread apart, and a node does not tell its thread: a
# graph made by workers, or a backward called in another thread than the forward, leaves several lines to choose from.


def site_among(timelines: Sequence[Timeline], number: int, *, now: int, operation: str = "") -> Site | None:
    """Return where node ``number`` was made; among several threads, where it was most likely made.

    Args:
        timelines: The calling thread's first.
        number: Of the node.
        now: The calling thread's next number: it has not made this node where ``number`` is not below.
        operation: What made the node, as its line may spell it.
    """
    reached = [timeline for at, timeline in enumerate(timelines) if at > 0 or number < now]
    own = timelines[0]
    passed = [timeline for timeline in reached if timeline is own or number < timeline.entries[-1][0]]
    for group in (passed, reached):
        sites = [site for timeline in group if (site := timeline.site_of(number)) is not None]
        if len(sites) > 1:
            lines = [(site.code, site.line_number) for site in sites]
            return max(sites, key=lambda site: (_spells(site, operation), lines.count((site.code, site.line_number))))
        if sites:
            return sites[0]
    return None


def _spells(site: Site, operation: str) -> bool:
    return bool(operation) and operation in linecache.getline(site.code.co_filename, site.line_number)


class LineClock(Protocol):
    """What the recorder asks of a clock."""

    def start(self) -> None:
        """Begin to follow every thread, from the next line on."""

    def follow(self) -> None:
        """Follow the calling thread too, which may have begun before the clock did."""

    def regain(self) -> None:
        """Follow the calling thread again where somebody else has put an end to it."""

    def stop(self) -> None:
        """Stop; what was recorded stays readable."""

    def pause(self) -> None:
        """Stop following on the calling thread for a stretch in which no node is made."""

    def resume(self) -> None:
        """Follow again after `pause`."""

    idle: IdleCode
    """The functions that it does not follow line by line."""
    paused: dict[int, object]
    """The threads on which `pause` has stopped following, by their identity; and for each the framework's module that
    was called last, once one was.  Hot paths read it."""

    @property
    def slows_framework(self) -> bool:
        """Whether code that is not the user's runs slower while the clock follows, so that pausing it pays."""

    def timelines(self) -> tuple[Timeline, ...]:
        """Return the timelines of all threads; the calling thread's first."""

    @property
    def refusal(self) -> str:
        """Why lines are not known, in one sentence; empty while all are."""

    @property
    def local(self) -> ThreadState:
        """Return what is known of the calling thread."""


class ThreadState(threading.local):
    """What a clock knows of one thread; hot paths read it."""

    timeline: Timeline | None = None
    """Its last entry is the line that runs now."""
    tracer: Any = None
    """Where a clock can lose its place to another tracer: what must be installed for ``timeline`` to be true, unless
    the clock is paused."""


class Timelines:
    """One timeline a thread."""

    __slots__ = ("_all", "local")

    def __init__(self) -> None:
        self.local = ThreadState()
        self._all: deque[Timeline] = deque(maxlen=256)

    def mine(self) -> Timeline:
        """Return the calling thread's timeline."""
        timeline = self.local.timeline
        if timeline is None:
            timeline = self.local.timeline = Timeline()
            self._all.append(timeline)
        return timeline

    def all(self) -> tuple[Timeline, ...]:
        """Return every timeline, the calling thread's first."""
        mine = self.mine()
        return (mine, *(timeline for timeline in tuple(self._all) if timeline is not mine))


def line_clock(user_code: UserCode, next_number: NextNumber, idle: IdleCode) -> LineClock:
    """Return the clock that this Python offers."""
    if sys.version_info >= (3, 12):
        from gradsan.record.clock_monitoring import MonitoringClock

        return MonitoringClock(user_code, next_number, idle)
    from gradsan.record.clock_settrace import SettraceClock

    return SettraceClock(user_code, next_number, idle)
