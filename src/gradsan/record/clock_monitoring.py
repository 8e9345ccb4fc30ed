"""The line clock on `sys.monitoring`, for Python 3.12 and later; it coexists with debuggers and coverage."""

from __future__ import annotations

import sys
import weakref
from types import CodeType, FrameType
from typing import Any

from gradsan.record.clock import NextNumber, ThreadState, Timeline, Timelines
from gradsan.record.frames import UserCode

TOOL_NAME = "gradsan"
TAKEN = "all tool places of `sys.monitoring` are taken: lines that saved a tensor are not known"


class MonitoringClock:
    """Follows user code only: framework code is met once for each function, then runs unobserved."""

    def __init__(self, user_code: UserCode, next_number: NextNumber) -> None:
        self._user_code = user_code
        self._next_number = next_number
        self._timelines = Timelines()
        self.paused: dict[int, object] = {}
        self._followed: dict[int, weakref.ref[CodeType]] = {}
        """By identity: code of two files may be equal, and generated code must be free to die."""
        self._tool = -1
        self._refusal = ""

    def start(self) -> None:
        """Begin to follow.

        Effect: takes a free tool place of `sys.monitoring`.
        """
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        free = [tool for tool in (3, 4, 2, 5, 1, 0) if monitoring.get_tool(tool) is None]
        if not free:
            self._refusal = TAKEN
            return
        self._refusal = ""
        self._tool = free[0]
        monitoring.use_tool_id(self._tool, TOOL_NAME)
        events = monitoring.events
        self._local_events = events.LINE | events.PY_RETURN | events.PY_YIELD | events.PY_RESUME
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
                self._follow(frame.f_code)
            frame = frame.f_back

    def stop(self) -> None:
        """Stop.

        Effect: gives the tool place back.
        """
        if self._tool < 0:
            return
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        monitoring.set_events(self._tool, 0)
        for reference in list(self._followed.values()):
            code = reference()
            if code is not None:
                monitoring.set_local_events(self._tool, code, 0)
        self._followed.clear()
        for event in ("PY_START", "PY_UNWIND", "LINE", "PY_RETURN", "PY_YIELD", "PY_RESUME"):
            monitoring.register_callback(self._tool, getattr(monitoring.events, event), None)
        monitoring.free_tool_id(self._tool)
        self._tool = -1

    def follow(self) -> None:
        """Do nothing: every thread is followed."""

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
        """Why the clock does not run; empty while it does."""
        return self._refusal

    @property
    def local(self) -> ThreadState:
        """Return what is known of the calling thread."""
        return self._timelines.local

    def _on_start(self, code: CodeType, _offset: int) -> object:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        if self._tool >= 0 and self._user_code(code) and code.co_name not in self._user_code.handlers:
            self._follow(code)
        return monitoring.DISABLE

    def _follow(self, code: CodeType) -> None:
        key, followed = id(code), self._followed
        followed[key] = weakref.ref(code, lambda _: followed.pop(key, None))
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        monitoring.set_local_events(self._tool, code, self._local_events)

    def _callbacks(self) -> tuple[Any, Any, Any, Any]:
        # Hot: everything they need is a local of this closure.
        next_number = self._next_number
        innermost = self._user_code.innermost
        local = self._timelines.local
        mine = self._timelines.mine
        get_frame = sys._getframe

        def put(code: CodeType, position: int) -> None:
            entries = (local.timeline or mine()).entries
            number = next_number()
            if entries[-1][0] == number:  # the line before made no node
                entries[-1] = (number, code, position)
            else:
                entries.append((number, code, position))

        def on_line(code: CodeType, line: int) -> None:
            entries = (local.timeline or mine()).entries
            number = next_number()
            if entries[-1][0] == number:
                entries[-1] = (number, code, line)
            else:
                entries.append((number, code, line))

        def on_return(_code: CodeType, _offset: int, _value: object) -> None:
            # NOTE [Return to the middle of a line]
            caller = innermost(get_frame(1).f_back)
            if caller is not None:
                put(caller.f_code, -1 - caller.f_lasti)

        def on_resume(code: CodeType, offset: int) -> None:
            put(code, -1 - offset)

        answers = self._user_code.answers

        def on_unwind(code: CodeType, _offset: int, _error: BaseException) -> None:
            # An exception may be caught in the middle of the caller's line: `getattr(self, "scale", 1.0) * x`.
            if answers.get(code.co_filename):
                caller = innermost(get_frame(1).f_back)
                if caller is not None:
                    put(caller.f_code, -1 - caller.f_lasti)

        return on_line, on_return, on_resume, on_unwind
