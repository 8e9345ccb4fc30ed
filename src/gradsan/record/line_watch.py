"""Watches something from line to line, to tell after which line of user code it differed.

Unlike the line clock it runs only once there is something to watch.  It lays itself over the clock's trace functions
(before Python 3.12), or takes a tool place of its own in `sys.monitoring`.

# NOTE [Lines of threads] Each thread has a line of its own.  What differs after a line is taken to be written by it: a
thread mostly gets through its line before another one has its turn.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from threading import get_ident
from types import CodeType, FrameType
from typing import Any

from gradsan.record.clock import LineClock
from gradsan.record.frames import Site, UserCode

TOOL_NAME = "gradsan-audit"
LINES_IN_VAIN = 256
"""Nothing to look at after so many lines in a row, and it stops: to begin again costs as much as some hundred lines."""
Look = Callable[[Site | None], None]
"""Called after each line of user code with the place that has just run."""


class LineWatch:
    """Calls ``look`` after each line of user code, on every thread."""

    def __init__(self, user_code: UserCode, look: Look, clock: LineClock) -> None:
        self._user_code = user_code
        self._look = look
        self._clock = clock
        self._at: dict[int, Site | None] = {}
        """By thread: the line that runs now."""
        self._inner: Any = None
        self._trace: Any = None
        self._inner_of_threads: Any = None
        self._late: set[int] = set()
        """Threads that ran when the watch began: what they call is followed from their next line on."""
        self._trace_of_threads: Any = None
        self._tool = -1
        self._n_in_vain = 0
        self.is_on = False

    def start(self) -> None:
        """Begin with the line that runs now.

        Effect: traces the user's frames, until `stop`.
        """
        self._n_in_vain = 0
        if self.is_on:
            return
        self.is_on = True
        frame = self._user_code.innermost(sys._getframe(1))
        self._at = {get_ident(): None if frame is None else _line_of(frame)}
        if sys.version_info >= (3, 12):
            self._start_monitoring()
        else:
            self._start_tracing(frame)

    def stop(self) -> None:
        """Stop.

        Effect: what was traced before is traced as before.
        """
        if not self.is_on:
            return
        self.is_on = False
        if sys.version_info >= (3, 12):
            self._stop_monitoring()
        else:
            self._stop_tracing()

    def rest(self) -> None:
        """Note that there was nothing to look at after a line.

        Effect: stops after `LINES_IN_VAIN` in a row.
        """
        self._n_in_vain += 1
        if self._n_in_vain >= LINES_IN_VAIN:
            self.stop()

    @property
    def at(self) -> Site | None:
        """The line that runs now on the calling thread; None while off."""
        return self._at.get(get_ident()) if self.is_on else None

    def _step(self, at: Site | None) -> None:
        if self.is_on:
            thread = get_ident()
            self._look(self._at.get(thread))
            self._at[thread] = at

    def _start_tracing(self, frame: FrameType | None) -> None:
        clock, is_paused = self._clock.local, get_ident() in self._clock.paused
        self._inner = clock.tracer if is_paused else sys.gettrace()
        self._trace = self._trace_over(self._inner)
        while frame is not None:
            if self._user_code(frame.f_code):
                frame.f_trace, frame.f_trace_lines = self._local(frame.f_trace), True
            frame = frame.f_back
        if clock.tracer is self._inner:
            clock.tracer = self._trace  # so that the clock pauses and resumes both
        if not is_paused:
            sys.settrace(self._trace)
        self._start_in_threads()

    def _start_in_threads(self) -> None:
        for thread, top in sys._current_frames().items():
            frame: FrameType | None = top if thread != get_ident() else None
            while frame is not None:
                if frame.f_trace is not None and self._user_code(frame.f_code):
                    self._late.add(thread)
                    self._at.setdefault(thread, _line_of(frame))
                    frame.f_trace, frame.f_trace_lines = self._local(frame.f_trace), True
                frame = frame.f_back
        self._inner_of_threads = threading.gettrace()
        self._trace_of_threads = _Trace(self._begin_thread, getattr(self._inner, "clock", None))
        threading.settrace(self._trace_of_threads)

    def _begin_thread(self, frame: FrameType, event: str, argument: object) -> Any:
        """Trace function of a new thread: lets the clock begin, and lays itself over it."""
        inner = self._inner_of_threads
        local = None if inner is None else inner(frame, event, argument)
        if not self.is_on:
            return local
        self._lay_over(sys.gettrace() if inner is not None else None)
        if not self._user_code(frame.f_code):
            return local
        frame.f_trace_lines = True
        return self._local(local)

    def _lay_over(self, own: Any) -> None:
        """Lay the watch over the trace function of the calling thread."""
        trace = self._trace_over(own)
        if self._clock.local.tracer is own:
            self._clock.local.tracer = trace
        sys.settrace(trace)

    def join(self) -> None:
        """Follow what the calling thread calls, where it ran already when the watch began."""
        if get_ident() in self._late:
            self._late.discard(get_ident())
            self._lay_over(sys.gettrace())

    def _stop_tracing(self) -> None:
        self._late.clear()
        if threading.gettrace() is self._trace_of_threads:
            threading.settrace(self._inner_of_threads)
        if self._clock.local.tracer is self._trace:
            self._clock.local.tracer = self._inner
        if sys.gettrace() is self._trace:
            sys.settrace(self._inner)
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if isinstance(frame.f_trace, _Local):
                frame.f_trace = frame.f_trace.inner
            frame = frame.f_back

    def _trace_over(self, inner: Any) -> Any:
        """Return a trace function that looks after each line and runs ``inner``."""

        def trace_call(frame: FrameType, event: str, argument: object) -> Any:
            local = None if inner is None else inner(frame, event, argument)
            if not self.is_on or not self._user_code(frame.f_code):
                return local
            self._step(_line_of(frame))
            frame.f_trace_lines = True  # the clock wants none of an idle function
            return self._local(local)

        return _Trace(trace_call, getattr(inner, "clock", None))

    def _local(self, inner: Any) -> Any:
        return _Local(self, inner)

    def _start_monitoring(self) -> None:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        free = [tool for tool in (4, 3, 2, 5, 1, 0) if monitoring.get_tool(tool) is None]
        if not free:
            self.is_on = False
            return
        self._tool = free[0]
        monitoring.use_tool_id(self._tool, TOOL_NAME)
        events = monitoring.events
        monitoring.register_callback(self._tool, events.LINE, self._on_line)
        monitoring.register_callback(self._tool, events.PY_RETURN, self._on_return)
        monitoring.set_events(self._tool, events.LINE | events.PY_RETURN)
        monitoring.restart_events()

    def _stop_monitoring(self) -> None:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        monitoring.set_events(self._tool, 0)
        for event in (monitoring.events.LINE, monitoring.events.PY_RETURN):
            monitoring.register_callback(self._tool, event, None)
        monitoring.free_tool_id(self._tool)
        self._tool = -1

    def _on_line(self, code: CodeType, line: int) -> object:
        if not self._user_code(code):
            return sys.monitoring.DISABLE  # type: ignore[attr-defined,unused-ignore]
        self._step(Site(code, -1, line))
        return None

    def _on_return(self, code: CodeType, _offset: int, _value: object) -> object:
        if not self._user_code(code):
            return sys.monitoring.DISABLE  # type: ignore[attr-defined,unused-ignore]
        caller = self._user_code.innermost(sys._getframe(1).f_back)
        self._step(None if caller is None else _line_of(caller))
        return None


class _Trace:
    """A global trace function that still shows whose clock it carries."""

    def __init__(self, function: Any, clock: object) -> None:
        self._function = function
        self.clock = clock

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._function(frame, event, argument)


class _Local:
    """The trace function of one frame, over that of the clock."""

    __slots__ = ("_watch", "clock", "inner")

    def __init__(self, watch: LineWatch, inner: Any) -> None:
        self._watch = watch
        self.inner = inner
        self.clock = getattr(inner, "clock", None)

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        watch = self._watch
        if event == "line":
            watch._step(_line_of(frame))
            if watch._late and watch.is_on:
                watch.join()
        elif event == "return":
            caller = watch._user_code.innermost(frame.f_back)
            watch._step(None if caller is None else _line_of(caller))
        if self.inner is not None:
            self.inner = self.inner(frame, event, argument)
        return self if watch.is_on else self.inner


def _line_of(frame: FrameType) -> Site:
    return Site(frame.f_code, -1, frame.f_lineno)
