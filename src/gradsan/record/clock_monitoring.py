"""The line clock on `sys.monitoring`, for Python 3.12 and later; it coexists with debuggers and coverage."""

from __future__ import annotations

import sys
import weakref
from types import CodeType, FrameType
from typing import Any

from gradsan.record.clock import NextNumber, ThreadState, Timeline, Timelines
from gradsan.record.frames import UserCode
from gradsan.record.idle import LINES_TO_SAMPLE, IdleCode

TOOL_NAME = "gradsan"
RETURNS_TO_LEAVE = 1024
RETURNS_TO_LEAVE_AGAIN = 32
TAKEN = "all tool places of `sys.monitoring` are taken: lines that saved a tensor are not known"


# NOTE [Left functions] Hearing of each return of an idle function still doubles the time of an environment in plain
# Python.  One that has returned often without a node is left alone: it passes for code that isn't the user's, and is
# visited again from time to time, for a few returns.


class MonitoringClock:
    """Follows user code only: framework code is met once for each function, then runs unobserved."""

    def __init__(self, user_code: UserCode, next_number: NextNumber, idle: IdleCode) -> None:
        self._user_code = user_code
        self.idle = idle
        self._next_number = next_number
        self._timelines = Timelines()
        self.paused: dict[int, object] = {}
        self._followed: dict[int, weakref.ref[CodeType]] = {}
        """By identity: code of two files may be equal, and generated code must be free to die."""
        self._n_returns: dict[int, int] = {}
        """Of idle functions, without a node."""
        self._left: set[int] = set()
        """See NOTE [Left functions]."""
        self._tool = -1
        self._monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        self._refusal = ""

    def start(self) -> None:
        """Begin to follow.

        Effect: takes a free tool place of `sys.monitoring`.
        """
        monitoring = self._monitoring
        free = [tool for tool in (3, 4, 2, 5, 1, 0) if monitoring.get_tool(tool) is None]
        if not free:
            self._refusal = TAKEN
            return
        self._refusal = ""
        self._tool = free[0]
        monitoring.use_tool_id(self._tool, TOOL_NAME)
        events = monitoring.events
        self._local_events = events.LINE | events.PY_RETURN | events.PY_YIELD | events.PY_RESUME
        self._idle_events = events.PY_RETURN
        on_line, on_return, on_resume, on_unwind = self._callbacks()
        monitoring.register_callback(self._tool, events.PY_START, self._on_start)
        monitoring.register_callback(self._tool, events.LINE, on_line)
        monitoring.register_callback(self._tool, events.PY_RETURN, on_return)
        monitoring.register_callback(self._tool, events.PY_YIELD, on_return)
        monitoring.register_callback(self._tool, events.PY_RESUME, on_resume)
        monitoring.register_callback(self._tool, events.PY_UNWIND, on_unwind)
        monitoring.set_events(self._tool, events.PY_START | events.PY_UNWIND)
        monitoring.restart_events()  # functions that an earlier clock of this place has met are met again
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if self._user_code(frame.f_code):
                self._follow(frame.f_code, self._local_events)
            frame = frame.f_back

    def stop(self) -> None:
        """Stop.

        Effect: gives the tool place back.
        """
        if self._tool < 0:
            return
        monitoring = self._monitoring
        monitoring.set_events(self._tool, 0)
        for reference in list(self._followed.values()):
            code = reference()
            if code is not None:
                monitoring.set_local_events(self._tool, code, 0)
        self._followed.clear()
        self._left.clear()
        self._n_returns.clear()
        for event in ("PY_START", "PY_UNWIND", "LINE", "PY_RETURN", "PY_YIELD", "PY_RESUME"):
            monitoring.register_callback(self._tool, getattr(monitoring.events, event), None)
        monitoring.free_tool_id(self._tool)
        self._tool = -1

    def follow(self) -> None:
        """Do nothing: every thread is followed."""

    def regain(self) -> None:
        """Do nothing: nobody else can take this tool's place."""

    def pause(self) -> None:
        """Do nothing: code of the framework runs unobserved as it is."""

    def resume(self) -> None:
        """Do nothing, as `pause`."""

    @property
    def slows_framework(self) -> bool:
        """False: see `pause`."""
        return False

    def timelines(self) -> tuple[Timeline, ...]:
        """Return the timelines of all threads; the calling thread's first."""
        return self._timelines.all()

    @property
    def refusal(self) -> str:
        """Why lines are not known; empty while all are."""
        return self._refusal

    @property
    def local(self) -> ThreadState:
        """Return what is known of the calling thread."""
        return self._timelines.local

    def _on_start(self, code: CodeType, _offset: int) -> object:
        if self._tool >= 0 and self._user_code.is_followed(code):
            self._follow(code, self._local_events)
        return self._monitoring.DISABLE

    def _follow(self, code: CodeType, local_events: int) -> None:
        key = id(code)
        self._left.discard(key)
        self._n_returns.pop(key, None)
        self._followed[key] = weakref.ref(code, lambda _: self._forget(key))
        self._monitoring.set_local_events(self._tool, code, local_events)

    def _forget(self, key: int) -> None:
        self._followed.pop(key, None)
        self._left.discard(key)
        self._n_returns.pop(key, None)

    def _count_return(self, code: CodeType) -> None:
        key = id(code)
        self._n_returns[key] = self._n_returns.get(key, 0) + 1
        if self._n_returns[key] >= RETURNS_TO_LEAVE:
            self._left.add(key)
            self._monitoring.set_local_events(self._tool, code, 0)

    def _visit_left(self) -> None:
        for key in list(self._left):
            reference = self._followed.get(key)
            code = None if reference is None else reference()
            if code is not None:
                self._follow(code, self._idle_events)
                self._n_returns[key] = RETURNS_TO_LEAVE - RETURNS_TO_LEAVE_AGAIN

    # Hot: everything that these need is a local of the closure.

    def _callbacks(self) -> tuple[Any, Any, Any, Any]:
        next_number = self._next_number
        local, mine = self._timelines.local, self._timelines.mine
        get_frame, answers = sys._getframe, self._user_code.answers
        idle, in_reach, n_left = self.idle, self.idle.in_reach, LINES_TO_SAMPLE

        def on_line(code: CodeType, line: int) -> None:
            nonlocal n_left
            entries = (local.timeline or mine()).entries
            number = next_number()
            if entries[-1][0] == number:  # as `Timeline.put`
                entries[-1] = (number, code, line)
                n_left -= 1
                if n_left <= 0:  # threads count together
                    n_left = LINES_TO_SAMPLE
                    idle.nominate(code)
                    self._visit_left()
            else:
                if in_reach and entries[-1][1] is not code:
                    self._doubt_caller(local.timeline or mine(), get_frame(1))
                entries.append((number, code, line))

        def on_resume(code: CodeType, offset: int) -> None:
            (local.timeline or mine()).put(next_number(), code, -1 - offset)

        def on_unwind(code: CodeType, _offset: int, _error: BaseException) -> None:
            # An exception may be caught in the middle of the caller's line: `getattr(self, "scale", 1.0) * x`.
            if answers.get(code.co_filename):
                self._put_caller(local.timeline or mine(), get_frame(1))

        return on_line, self._return_callback(), on_resume, on_unwind

    def _return_callback(self) -> Any:
        next_number = self._next_number
        local, mine = self._timelines.local, self._timelines.mine
        get_frame = sys._getframe
        idle, candidates, is_idle = self.idle, self.idle.candidates, self.idle.ids

        def on_return(code: CodeType, _offset: int, value: object) -> None:
            timeline = local.timeline or mine()
            if is_idle and id(code) in is_idle:
                number, latest, _ = timeline.entries[-1]
                if number != next_number():
                    self._doubt(timeline, code)
                elif latest is not code:  # nothing that it called has returned to it
                    if id(code) not in idle.in_reach:
                        self._count_return(code)
                    return
            frame = get_frame(1)
            is_judged = candidates and id(code) in candidates
            if is_judged and idle.judge(frame, value, timeline.made_nodes):
                self._follow(code, self._idle_events)
            self._put_caller(timeline, frame)

        return on_return

    def _doubt_caller(self, timeline: Timeline, frame: FrameType) -> None:
        caller = self._user_code.innermost(frame.f_back)
        if caller is not None and self.idle.may_make_nodes(caller.f_code):
            self._doubt(timeline, caller.f_code)

    def _doubt(self, timeline: Timeline, code: CodeType) -> None:
        if self.idle.doubt(code):
            self._follow(code, self._local_events)
            if id(code) in self.idle.in_reach:
                timeline.doubt()

    def _put_caller(self, timeline: Timeline, frame: FrameType) -> None:
        # NOTE [Return to the middle of a line]
        caller = self._user_code.innermost(frame.f_back)
        while caller is not None and id(caller.f_code) in self._left:
            caller = self._user_code.innermost(caller.f_back)
        if caller is not None:
            timeline.put(self._next_number(), caller.f_code, -1 - caller.f_lasti)
