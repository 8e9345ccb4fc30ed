"""Both cores of the line clock, driven with a counter for a framework: which line made node N."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, SimpleNamespace
from typing import Any

import pytest

from gradsan.record.clock import LineClock, Timeline, site_among
from gradsan.record.clock_settrace import SettraceClock
from gradsan.record.frames import UserCode
from gradsan.record.idle import CLEAN_RETURNS_IN_REACH, LINES_TO_SAMPLE, IdleCode


class Nodes:
    """A framework that only counts."""

    def __init__(self) -> None:
        self.n = 0
        self.lines: dict[int, int] = {}

    def next_number(self) -> int:
        return self.n

    def make(self, value: Any = None, *_: Any) -> Any:
        """Make a node on the caller's line."""
        self.lines[self.n] = sys._getframe(1).f_lineno
        self.n += 1
        return value


for function in (Nodes.make, Nodes.next_number):
    function.__code__ = function.__code__.replace(co_filename="fake_framework.py")


def user_code() -> UserCode:
    return UserCode(foreign_marks=("fake_framework",))


class Value:
    """What the framework makes."""


def idle_code() -> IdleCode:
    return IdleCode(lambda value: isinstance(value, (Value, Nodes)), lambda: True)


def monitoring(user_code: UserCode, next_number: Callable[[], int], idle: IdleCode) -> LineClock:
    from gradsan.record.clock_monitoring import MonitoringClock

    return MonitoringClock(user_code, next_number, idle)


CORES = [
    pytest.param(SettraceClock, id="settrace"),
    pytest.param(
        monitoring,
        id="monitoring",
        marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="needs Python 3.12"),
    ),
]


@pytest.fixture(params=CORES)
def core(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


@pytest.fixture
def clock(core: Any, nodes: Nodes) -> Iterator[LineClock]:
    before = sys.gettrace()
    sys.settrace(None)
    made = core(user_code(), nodes.next_number, idle_code())
    yield made
    made.stop()
    sys.settrace(before)


def check(clock: LineClock, nodes: Nodes, program: Callable[[], Any]) -> None:
    """Every node that the program makes is found on its line."""
    clock.start()
    assert clock.refusal == ""
    program()
    clock.stop()
    found = {}
    for number in nodes.lines:
        sites = [site for timeline in clock.timelines() if (site := timeline.site_of(number)) is not None]
        found[number] = sites[0].line_number if sites else None
    assert found == nodes.lines
    assert found


def test_lines_one_after_another(clock: LineClock, nodes: Nodes) -> None:
    def program() -> None:
        nodes.make()
        nodes.make()
        for _ in range(3):
            nodes.make()
        nodes.make(nodes.make())

    check(clock, nodes, program)


def test_a_return_to_the_middle_of_a_line(clock: LineClock, nodes: Nodes) -> None:
    def inner() -> int:
        nodes.make()
        return 1

    def program() -> None:
        nodes.make(inner(), inner(), nodes.make(inner()))
        inner() and nodes.make() and inner()

    check(clock, nodes, program)


def test_a_return_through_code_of_others(clock: LineClock, nodes: Nodes) -> None:
    def inner() -> None:
        nodes.make()

    def program() -> None:
        max([3, 1, 2], key=lambda n: nodes.make(n) or n)
        nodes.make(list(map(nodes.make, [1, 2])), nodes.make(inner()))
        nodes.make(sorted([2, 1], key=lambda n: inner() or n))

    check(clock, nodes, program)


def test_a_generator_resumed_in_the_middle_of_a_line(clock: LineClock, nodes: Nodes) -> None:
    def rows() -> Iterator[Any]:
        nodes.make((yield 1), nodes.make((yield 2)))
        nodes.make((yield from inner()))
        yield nodes.make()

    def inner() -> Iterator[Any]:
        yield nodes.make()
        nodes.make((yield))

    def bare() -> Iterator[Any]:
        nodes.make((yield))

    def program() -> None:
        for _ in rows():
            nodes.make()
        rest = bare()
        nodes.make(next(rest), nodes.make())
        nodes.make(next(rest, None), nodes.make())

    check(clock, nodes, program)


def test_an_exception_caught_in_the_middle_of_a_line(clock: LineClock, nodes: Nodes) -> None:
    class Lazy:
        @property
        def scale(self) -> float:
            nodes.make()
            raise AttributeError("scale")

    def raises() -> None:
        nodes.make()
        raise ValueError

    def program() -> None:
        nodes.make(getattr(Lazy(), "scale", 1.0), nodes.make())
        try:
            nodes.make(raises())
        except ValueError:
            nodes.make()
        finally:
            nodes.make()
        nodes.make(hasattr(Lazy(), "scale"))

    check(clock, nodes, program)


def test_expressions_over_several_lines(clock: LineClock, nodes: Nodes) -> None:
    def program() -> None:
        nodes.make(
            1,
        )
        [nodes.make() for _ in range(2)]
        {nodes.make(n): (lambda: nodes.make())() for n in range(2)}

    check(clock, nodes, program)


def test_classes_decorators_and_closures(clock: LineClock, nodes: Nodes) -> None:
    def decorate(function: Callable[[], Any]) -> Callable[[], Any]:
        nodes.make()

        def wrapped() -> Any:
            return nodes.make(function(), nodes.make())

        return wrapped

    def program() -> None:
        class Block:
            nodes.make()

            @staticmethod
            @decorate
            def forward() -> None:
                nodes.make()

            def __enter__(self) -> None:
                nodes.make()

            def __exit__(self, *_: object) -> None:
                nodes.make()

        Block.forward()
        with Block():
            nodes.make()
        nodes.make()

    check(clock, nodes, program)


def test_generated_code(clock: LineClock, nodes: Nodes) -> None:
    def program() -> None:
        exec("make()\nmake(make())\ndef f():\n    make()\nf()", {"make": nodes.make})

    check(clock, nodes, program)


def test_threads_that_begin_later(clock: LineClock, nodes: Nodes) -> None:
    def work() -> None:
        nodes.make()
        nodes.make(nodes.make())

    def program() -> None:
        nodes.make()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        nodes.make()

    clock.start()
    program()
    clock.stop()
    own, other = clock.timelines()
    assert {n: own.site_of(n).line_number for n in (0, 4)} == {n: nodes.lines[n] for n in (0, 4)}  # type: ignore[union-attr]
    assert {n: other.site_of(n).line_number for n in (1, 2, 3)} == {n: nodes.lines[n] for n in (1, 2, 3)}  # type: ignore[union-attr]


def test_nothing_is_known_of_the_time_before_the_start(clock: LineClock, nodes: Nodes) -> None:
    nodes.make()
    nodes.make()
    check_from = nodes.n
    clock.start()
    nodes.make()
    clock.stop()
    [timeline] = clock.timelines()
    assert timeline.site_of(0) is None
    assert timeline.site_of(check_from) is not None


def test_a_clock_started_after_another_follows_what_that_one_met(core: Any, nodes: Nodes) -> None:
    def again() -> None:
        nodes.make()

    def never_in_between() -> None:
        nodes.make()

    for _ in range(3):
        check(core(user_code(), nodes.next_number, idle_code()), nodes, lambda: (again(), never_in_between()))
        nodes.lines.clear()
        again()
        nodes.lines.clear()


def test_a_stopped_clock_records_no_more(clock: LineClock, nodes: Nodes) -> None:
    clock.start()
    nodes.make()
    clock.stop()
    [timeline] = clock.timelines()
    entries = list(timeline.entries)
    nodes.make()
    (lambda: nodes.make())()
    assert list(timeline.entries) == entries


def test_a_pause(clock: LineClock, nodes: Nodes) -> None:
    def program() -> None:
        nodes.make()
        clock.pause()
        clock.resume()
        nodes.make()
        nodes.make()

    check(clock, nodes, program)


@pytest.mark.parametrize("core", CORES[:1], indirect=True)
def test_a_debugger_that_has_come_and_gone(clock: LineClock, nodes: Nodes) -> None:
    def program() -> None:
        nodes.make()
        sys.settrace(None)  # as a debugger's `continue`, or Python after an exception in a trace function
        nodes.make()
        clock.pause()
        clock.resume()
        nodes.make()

    clock.start()
    program()
    assert "was empty" in clock.refusal
    clock.stop()
    [timeline] = clock.timelines()
    sites = [timeline.site_of(number) for number in nodes.lines]
    assert [site and site.line_number for site in sites] == [nodes.lines[0], None, nodes.lines[2]]


def test_lines_that_make_nothing_take_no_room(clock: LineClock, nodes: Nodes) -> None:
    def program() -> int:
        total = 0
        for n in range(1000):
            total += n
            total -= 1
        return total

    clock.start()
    program()
    clock.stop()
    assert len(clock.timelines()[0].entries) < 5


def check_all_but(number: int, clock: LineClock, nodes: Nodes) -> None:
    """Every node is found on its line, but for one whose line is not known."""
    own = clock.timelines()[0]
    assert own.site_of(number) is None
    for each in set(nodes.lines) - {number}:
        assert own.site_of(each).line_number == nodes.lines[each]  # type: ignore[union-attr]


class TestIdle:
    """NOTE [Idle functions]."""

    @pytest.fixture
    def idle(self) -> IdleCode:
        return idle_code()

    @pytest.fixture
    def clock(self, core: Any, nodes: Nodes, idle: IdleCode) -> Iterator[LineClock]:
        before = sys.gettrace()
        sys.settrace(None)
        made = core(user_code(), nodes.next_number, idle)
        yield made
        made.stop()
        sys.settrace(before)

    def test_its_lines_are_followed_no_more(self, clock: LineClock, nodes: Nodes, idle: IdleCode) -> None:
        def count_to(end: int) -> int:
            total = 0
            for n in range(end):
                total += n
            return total

        def program() -> None:
            nodes.make(count_to(1), nodes.make())
            for _ in range(3):
                nodes.make(count_to(LINES_TO_SAMPLE), nodes.make())
            assert id(count_to.__code__) in idle.ids
            nodes.make(count_to(3), nodes.make())
            count_to(1)
            nodes.make(count_to(count_to(3)))

        check(clock, nodes, program)

    def test_a_node_of_an_idle_function_passes_for_its_callers_once(
        self, clock: LineClock, nodes: Nodes, idle: IdleCode
    ) -> None:
        class Maker:
            make: Any = None

        def work(maker: Maker) -> None:
            for _ in range(LINES_TO_SAMPLE):
                pass
            if maker.make is not None:
                maker.make()

        clock.start()
        maker = Maker()
        for _ in range(3):
            work(maker)
        assert id(work.__code__) in idle.ids
        maker.make = nodes.make
        work(maker)
        call = sys._getframe().f_lineno - 1
        assert not idle.ids
        work(maker)
        clock.stop()
        lines = [clock.timelines()[0].site_of(number).line_number for number in (0, 1)]  # type: ignore[union-attr]
        assert lines == [call, nodes.lines[1]]

    def test_nodes_made_before_it_on_its_callers_line(self, clock: LineClock, nodes: Nodes, idle: IdleCode) -> None:
        def count_to(end: int) -> int:
            return end if end < 2 else count_in_loop(end)

        def count_in_loop(end: int) -> int:
            total = 0
            for n in range(end):
                total += n
            return total

        def program() -> None:
            for _ in range(16):
                nodes.make(nodes.make(), count_to(LINES_TO_SAMPLE))
            assert id(count_in_loop.__code__) in idle.ids

        check(clock, nodes, program)

    def test_what_an_idle_function_calls(self, clock: LineClock, nodes: Nodes, idle: IdleCode) -> None:
        def tick() -> None:
            nodes.make()

        def work(calls: bool) -> int:
            for _ in range(LINES_TO_SAMPLE):
                pass
            return (tick() or 1) if calls else 0

        def program() -> None:
            for _ in range(3):
                work(False)
            assert id(work.__code__) in idle.ids
            nodes.make(work(True), nodes.make())
            nodes.make(work(True), nodes.make())

        check(clock, nodes, program)

    @pytest.mark.parametrize(
        "held",
        [Value(), [Value()], {"a": (1, Value())}, SimpleNamespace(x=[Value()]), deque([Value()]), {Value()}],
        ids=lambda held: type(held).__name__,
    )
    def test_what_has_the_frameworks_values_in_reach_is_followed(
        self, clock: LineClock, nodes: Nodes, idle: IdleCode, held: Any
    ) -> None:
        def work(given: Any) -> Any:
            for _ in range(LINES_TO_SAMPLE):
                pass
            return None if given is None else nodes.make()

        clock.start()
        for _ in range(3):
            work(held)
        work(None)
        clock.stop()
        assert not idle.ids

    def test_a_function_with_values_in_reach_that_never_makes_a_node(
        self, clock: LineClock, nodes: Nodes, idle: IdleCode
    ) -> None:
        def work(given: Value, make: Any = None) -> Any:
            for _ in range(LINES_TO_SAMPLE // 8):
                pass
            return make and make(given)

        clock.start()
        for _ in range(2 * CLEAN_RETURNS_IN_REACH):
            nodes.make()
            work(Value())
        assert id(work.__code__) in idle.ids
        number = nodes.n
        work(Value(), nodes.make)
        assert not idle.ids
        nodes.make()
        work(Value(), nodes.make)
        clock.stop()
        check_all_but(number, clock, nodes)

    def test_a_node_that_such_a_function_makes_before_what_it_calls(
        self, clock: LineClock, nodes: Nodes, idle: IdleCode
    ) -> None:
        def tick() -> None:
            nodes.make()

        def work(given: Value, make: Any = None) -> Any:
            for _ in range(LINES_TO_SAMPLE // 8):
                pass
            make and make(given)
            return make and tick()

        clock.start()
        for _ in range(2 * CLEAN_RETURNS_IN_REACH):
            nodes.make()
            work(Value())
        assert id(work.__code__) in idle.ids
        number = nodes.n
        work(Value(), nodes.make)
        assert not idle.ids
        work(Value(), nodes.make)
        clock.stop()
        check_all_but(number, clock, nodes)

    def test_returns_while_nothing_makes_nodes_do_not_count(self, core: Any, nodes: Nodes) -> None:
        idle = IdleCode(lambda value: isinstance(value, Value), lambda: False)
        clock = core(user_code(), nodes.next_number, idle)

        def work(_given: Value) -> None:
            for _ in range(LINES_TO_SAMPLE // 8):
                pass

        before = sys.gettrace()
        sys.settrace(None)
        clock.start()
        for _ in range(2 * CLEAN_RETURNS_IN_REACH):
            work(Value())
        clock.stop()
        sys.settrace(before)
        assert not idle.ids

    def test_a_function_that_runs_once_and_generators_are_followed(
        self, clock: LineClock, nodes: Nodes, idle: IdleCode
    ) -> None:
        def rows() -> Iterator[int]:
            yield from range(LINES_TO_SAMPLE)

        def once() -> None:
            for _ in range(2 * LINES_TO_SAMPLE):
                pass
            nodes.make()

        def program() -> None:
            for _ in range(4):
                for _row in rows():
                    pass
            once()
            nodes.make()

        check(clock, nodes, program)
        assert not idle.ids


class TestSettrace:
    @pytest.fixture(autouse=True)
    def _bare(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(None)
        yield
        sys.settrace(before)

    def test_another_tracer_keeps_its_place(self, nodes: Nodes) -> None:
        def tracer(*_: Any) -> None:
            return None

        sys.settrace(tracer)
        clock = SettraceClock(user_code(), nodes.next_number, idle_code())
        clock.start()
        assert sys.gettrace() is tracer
        assert "another tracer" in clock.refusal
        clock.stop()
        assert sys.gettrace() is tracer

    def test_a_tracer_that_comes_later(self, nodes: Nodes) -> None:
        def tracer(*_: Any) -> None:
            return None

        clock = SettraceClock(user_code(), nodes.next_number, idle_code())
        clock.start()
        sys.settrace(tracer)
        clock.pause()
        assert sys.gettrace() is tracer
        clock.resume()
        assert "another tracer" in clock.refusal
        clock.stop()
        assert sys.gettrace() is tracer
        assert "another tracer" in clock.refusal

    def test_no_frame_keeps_a_trace_function(self, nodes: Nodes) -> None:
        clock = SettraceClock(user_code(), nodes.next_number, idle_code())
        clock.start()
        clock.stop()
        assert sys.gettrace() is None
        assert sys._getframe().f_trace is None

    def test_a_thread_stops_following_after_the_stop_in_another(self, nodes: Nodes) -> None:
        clock = SettraceClock(user_code(), nodes.next_number, idle_code())
        go, traces = threading.Event(), []

        def work() -> None:
            go.wait(30)
            (lambda: None)()
            traces.append(sys.gettrace())

        clock.start()
        thread = threading.Thread(target=work)
        thread.start()
        clock.stop()
        go.set()
        thread.join()
        assert traces == [None]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="needs Python 3.12")
class TestMonitoring:
    def test_the_place_is_given_back(self, nodes: Nodes) -> None:
        before = [sys.monitoring.get_tool(place) for place in range(6)]
        clock = monitoring(user_code(), nodes.next_number, idle_code())
        clock.start()
        assert [sys.monitoring.get_tool(place) for place in range(6)] != before
        clock.stop()
        assert [sys.monitoring.get_tool(place) for place in range(6)] == before

    def test_no_place_left(self, nodes: Nodes) -> None:
        free = [place for place in range(6) if sys.monitoring.get_tool(place) is None]
        for place in free:
            sys.monitoring.use_tool_id(place, "other")
        try:
            clock = monitoring(user_code(), nodes.next_number, idle_code())
            clock.start()
            assert "taken" in clock.refusal
            clock.stop()
        finally:
            for place in free:
                sys.monitoring.free_tool_id(place)

    def test_a_tracer_runs_beside(self, nodes: Nodes) -> None:
        events: list[str] = []

        def tracer(_frame: Any, event: str, _argument: Any) -> Any:
            events.append(event)
            return tracer

        before = sys.gettrace()
        sys.settrace(tracer)
        try:
            check(monitoring(user_code(), nodes.next_number, idle_code()), nodes, lambda: nodes.make())
            assert sys.gettrace() is tracer
        finally:
            sys.settrace(before)
        assert "line" in events


@pytest.mark.skipif(sys.version_info < (3, 12), reason="needs Python 3.12")
class TestLeft:
    """NOTE [Left functions]."""

    @staticmethod
    def events_of(function: Any) -> int:
        places = [place for place in range(6) if sys.monitoring.get_tool(place) == "gradsan"]
        return sys.monitoring.get_local_events(places[0], function.__code__)

    def test_what_it_calls_and_that_it_is_visited_again(self, nodes: Nodes) -> None:
        from gradsan.record.clock_monitoring import RETURNS_TO_LEAVE

        calls: list[Callable[[], Any]] = []

        def tick() -> int:
            nodes.make()
            return 1

        def work(n: int) -> int:
            for _ in range(n):
                pass
            return calls[0]() if calls else 0

        def spin() -> None:
            for _ in range(LINES_TO_SAMPLE):
                pass

        def program() -> None:
            for _ in range(3):
                work(LINES_TO_SAMPLE)
            for _ in range(RETURNS_TO_LEAVE):
                work(1)
            assert self.events_of(work) == 0
            calls.append(tick)
            nodes.make(work(1), nodes.make())
            spin()
            assert self.events_of(work) == sys.monitoring.events.PY_RETURN
            calls[:] = [partial(setattr, nodes, "n", nodes.n + 1)]
            work(1)
            calls[:] = [tick]
            assert self.events_of(work) & sys.monitoring.events.LINE
            nodes.make(work(1), nodes.make())

        check(monitoring(user_code(), nodes.next_number, idle_code()), nodes, program)


def timeline_of(*entries: tuple[int, CodeType | None, int]) -> Timeline:
    timeline = Timeline()
    timeline.entries.extend(entries)
    return timeline


ONE = compile("a = b.exp()\n", "one.py", "exec")
OTHER = compile("pass\nc = d\n", "other.py", "exec")


class TestSiteAmong:
    def test_the_calling_thread_where_it_has_come_so_far(self) -> None:
        timelines = [timeline_of((0, ONE, 1), (4, ONE, 2)), timeline_of((0, OTHER, 1))]
        site = site_among(timelines, 2, now=6)
        assert site is not None
        assert (site.code, site.line_number) == (ONE, 1)

    def test_another_thread_where_the_calling_one_has_not(self) -> None:
        timelines = [timeline_of((0, ONE, 1)), timeline_of((0, OTHER, 1), (5, OTHER, 2))]
        site = site_among(timelines, 7, now=3)
        assert site is not None
        assert (site.code, site.line_number) == (OTHER, 2)

    def test_the_line_on_which_most_threads_were(self) -> None:
        workers = [timeline_of((0, OTHER, 2), (9, OTHER, 1)) for _ in range(2)]
        site = site_among([timeline_of((0, ONE, 1), (9, ONE, 2)), *workers], 3, now=20)
        assert site is not None
        assert (site.code, site.line_number) == (OTHER, 2)

    def test_nowhere(self) -> None:
        assert site_among([timeline_of((5, ONE, 1)), timeline_of((5, OTHER, 1))], 2, now=9) is None
