"""The line watch looks after each line of user code, on every thread."""

from __future__ import annotations

import queue
import sys
import threading
from linecache import getline

import pytest

from gradsan.record.clock import line_clock
from gradsan.record.frames import Site, UserCode
from gradsan.record.idle import LINES_TO_SAMPLE, IdleCode
from gradsan.record.line_watch import LINES_IN_VAIN, LineWatch


class Watched:
    """A list whose first change is remembered with its line."""

    def __init__(self) -> None:
        self.value = [0]
        self.line = ""
        self.watch = LineWatch(
            UserCode(), self.look, line_clock(UserCode(), lambda: 0, IdleCode(lambda _: False, lambda: True))
        )

    def look(self, site: Site | None) -> None:
        if self.value[0] and not self.line and site is not None:
            self.line = getline(site.code.co_filename, site.line_number).strip()

    def write(self) -> None:
        self.value[0] = 1
        self.value[0] += 1


def test_the_line_that_wrote() -> None:
    watched = Watched()
    watched.watch.start()
    watched.write()
    watched.watch.stop()
    assert watched.line == "self.value[0] = 1"


def test_a_line_of_a_thread_that_begins_later() -> None:
    watched = Watched()
    watched.watch.start()
    thread = threading.Thread(target=watched.write)
    thread.start()
    thread.join()
    watched.watch.stop()
    assert watched.line == "self.value[0] = 1"
    assert not isinstance(threading.gettrace(), type(watched.watch._trace)) or sys.version_info >= (3, 12)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="before, only threads that the clock follows are followed")
def test_a_line_of_a_thread_that_ran_before() -> None:
    watched, orders = Watched(), queue.Queue[bool]()

    def wait() -> None:
        orders.get()
        watched.write()

    thread = threading.Thread(target=wait)
    thread.start()
    watched.watch.start()
    orders.put(True)
    thread.join()
    watched.watch.stop()
    assert watched.line == "self.value[0] = 1"


def test_nothing_is_traced_after_the_end() -> None:
    before = sys.gettrace(), threading.gettrace()
    watched = Watched()
    watched.watch.start()
    watched.watch.stop()
    watched.write()
    assert not watched.line
    assert (sys.gettrace(), threading.gettrace()) == before


def test_a_line_of_a_function_that_the_clock_takes_for_idle() -> None:
    watched = Watched()
    user_code = UserCode()
    idle = IdleCode(lambda _: False, lambda: True)
    clock = line_clock(user_code, lambda: 0, idle)
    watched.watch = LineWatch(user_code, watched.look, clock)

    def count_to(end: int) -> int:
        total = 0
        for n in range(end):
            total += n
        watched.value[0] = total - 1
        return total

    before = sys.gettrace()
    sys.settrace(None)
    clock.start()
    try:
        for _ in range(3):
            count_to(LINES_TO_SAMPLE)
        watched.value[0] = 0
        count_to(2)
        assert idle.ids
        watched.watch.start()
        watched.value[0] = 0
        count_to(3)
        watched.watch.stop()
    finally:
        clock.stop()
        sys.settrace(before)
    assert watched.line == "watched.value[0] = total - 1"


def test_it_stops_when_there_was_nothing_to_look_at_for_long() -> None:
    watched = Watched()
    before = sys.gettrace()
    watched.watch.start()
    for _ in range(LINES_IN_VAIN // 2):
        watched.watch.rest()
    watched.watch.start()  # somebody has something to look at
    for _ in range(LINES_IN_VAIN - 1):
        watched.watch.rest()
    assert watched.watch.is_on
    watched.watch.rest()
    assert not watched.watch.is_on
    assert sys.gettrace() is before
