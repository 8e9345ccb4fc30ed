"""The line clock on `sys.settrace`, for Python before 3.12."""

from __future__ import annotations

import sys
import threading
from threading import get_ident
from types import CodeType, FrameType
from typing import Any

from gradsan.record.clock import NextNumber, ThreadState, Timeline, Timelines
from gradsan.record.frames import UserCode
from gradsan.record.idle import LINES_TO_SAMPLE, IdleCode

TraceFunction = Any  # the interpreter's own recursive type

TAKEN = (
    "another tracer (a debugger or coverage) holds `sys.settrace`: lines that saved a tensor are not known; "
    "Python 3.12 and later can run both"
)
INTERRUPTED = (
    "for a while `sys.settrace` was empty (a debugger had left it so, or Python after a RecursionError): "
    "lines that saved a tensor meanwhile are not known"
)

_AT_START = 8 if sys.version_info >= (3, 11) else -1
"""The highest offset at which a frame begins: since Python 3.11 instructions that prepare it come first."""


class SettraceClock:
    """Follows user frames line by line; framework frames cost one call each."""

    def __init__(self, user_code: UserCode, next_number: NextNumber, idle: IdleCode) -> None:
        self._user_code = user_code
        self.idle = idle
        self._next_number = next_number
        self._timelines = Timelines()
        self.paused: dict[int, object] = {}
        self._running = False
        self._refusal = ""
        self._is_interrupted = False
        self._global_trace = self._trace_of_thread

    def start(self) -> None:
        """Begin to follow.

        Effect: installs the trace function, unless another tracer holds the place; then says so in `refusal`.
        """
        if sys.gettrace() is not None:
            self._refusal = TAKEN
            return
        self._refusal = ""
        self._is_interrupted = False
        self._running = True
        if threading.gettrace() is None:
            threading.settrace(self._global_trace)
        self.follow()

    def follow(self) -> None:
        """Follow the calling thread too.

        Effect: installs the trace function, unless another tracer holds the place.
        """
        if not self._running or sys.gettrace() is not None:
            return
        trace = self._make_trace(self._timelines.mine())
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if self._user_code(frame.f_code):
                frame.f_trace = trace
            frame = frame.f_back
        self._timelines.local.tracer = trace
        sys.settrace(trace)

    def regain(self) -> None:
        """Follow the calling thread again where it is not followed any more.

        Effect: forgets the lines since the last sure one; installs the trace function where the place is empty.
        """
        trace, tracer = sys.gettrace(), self._timelines.local.tracer
        if not self._running or tracer is None or trace is tracer or get_ident() in self.paused:
            return
        timeline = self._timelines.mine()
        timeline.doubt()
        if trace is None:
            self._is_interrupted = True
            self.follow()
            self._put_caller(timeline, sys._getframe())

    def stop(self) -> None:
        """Stop.

        Effect: removes the trace function, unless somebody else has taken the place since.
        """
        if not self._running:
            return
        self._running = False
        if self._is_ours(sys.gettrace()):
            sys.settrace(None)
        elif not self._refusal:
            self._refusal = TAKEN
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if self._is_ours(frame.f_trace):
                frame.f_trace = None
            frame = frame.f_back
        if self._is_ours(getattr(threading, "_trace_hook", None)):
            threading.settrace(None)  # type: ignore[arg-type,unused-ignore]

    def pause(self) -> None:
        """Stop following on the calling thread until `resume`: tracing slows every instruction of it.

        Effect: as `regain`; then removes the trace function, if it is ours.
        """
        trace = sys.gettrace()
        if trace is None:
            self.regain()
            trace = sys.gettrace()
        if trace is not None and self._running and trace is self._timelines.local.tracer:
            self.paused[get_ident()] = None
            sys.settrace(None)

    def resume(self) -> None:
        """Follow again after `pause`.

        Effect: puts the trace function back, unless somebody else has taken the place since.
        """
        thread = get_ident()
        if thread in self.paused:
            del self.paused[thread]
            if self._running and sys.gettrace() is None:
                sys.settrace(self._timelines.local.tracer)

    @property
    def slows_framework(self) -> bool:
        """Whether code that is not the user's runs slower while the clock follows."""
        return True

    def timelines(self) -> tuple[Timeline, ...]:
        """Return the timelines of all threads; the calling thread's first."""
        self.regain()
        return self._timelines.all()

    @property
    def refusal(self) -> str:
        """Why lines are not known; empty while all are."""
        self.regain()
        if self._running and get_ident() not in self.paused and not self._is_ours(sys.gettrace()):
            return TAKEN
        return self._refusal or (INTERRUPTED if self._is_interrupted else "")

    @property
    def local(self) -> ThreadState:
        """Return what is known of the calling thread."""
        return self._timelines.local

    def _is_ours(self, trace: object) -> bool:
        return getattr(trace, "clock", None) is self or trace == self._global_trace

    def _trace_of_thread(self, frame: FrameType, event: str, argument: object) -> TraceFunction:
        """Trace function of a new thread: replaces itself by one that holds the thread's timeline."""
        if not self._running:
            sys.settrace(None)
            return None
        trace = self._timelines.local.tracer = self._make_trace(self._timelines.mine())
        sys.settrace(trace)
        return trace(frame, event, argument)

    # Hot: everything that these need is a local of the closure.

    def _make_trace(self, timeline: Timeline) -> TraceFunction:
        next_number, put = self._next_number, timeline.put
        is_user_code = self._user_code
        answers, handlers = self._user_code.answers, self._user_code.handlers
        is_compiled, compiler, modules = self._user_code.is_compiled, self._user_code.compiler, sys.modules
        is_idle = self.idle.ids
        trace_line, trace_idle = self._make_line_trace(timeline), self._make_idle_trace(timeline)

        def trace_call(frame: FrameType, _event: str, _argument: object) -> TraceFunction:
            code = frame.f_code
            is_user = answers.get(code.co_filename)
            if not is_user and (is_user is not None or not is_user_code(code)):
                return None
            if is_idle and id(code) in is_idle:
                frame.f_trace_lines = False
                return trace_idle
            if code.co_name in handlers or (compiler in modules and is_compiled(code)):
                return None
            if not self._running:  # stopped by another thread, which can't remove this one's trace function
                sys.settrace(None)
                return None
            if frame.f_lasti > _AT_START:  # a generator or coroutine resumed in the middle of a line
                put(next_number(), code, frame.f_lineno)
            return trace_line

        trace_call.clock = self  # type: ignore[attr-defined]
        return trace_call

    def _make_line_trace(self, timeline: Timeline) -> TraceFunction:
        entries, next_number = timeline.entries, self._next_number
        idle, candidates, in_reach = self.idle, self.idle.candidates, self.idle.in_reach
        n_left = LINES_TO_SAMPLE

        def trace_line(frame: FrameType, event: str, argument: object) -> TraceFunction:
            nonlocal n_left
            if event == "line":
                number = next_number()
                if entries[-1][0] == number:  # as `Timeline.put`
                    entries[-1] = (number, frame.f_code, frame.f_lineno)
                    n_left -= 1
                    if n_left <= 0:
                        n_left = LINES_TO_SAMPLE
                        idle.nominate(frame.f_code)
                else:
                    if in_reach and entries[-1][1] is not frame.f_code:
                        self._doubt_caller(timeline, frame)
                    entries.append((number, frame.f_code, frame.f_lineno))
            elif event == "return":
                if candidates and id(frame.f_code) in candidates:
                    idle.judge(frame, argument, timeline.made_nodes)
                self._put_caller(timeline, frame)
            return trace_line

        trace_line.clock = self  # type: ignore[attr-defined]
        return trace_line

    def _make_idle_trace(self, timeline: Timeline) -> TraceFunction:
        entries, next_number = timeline.entries, self._next_number

        def trace_idle(frame: FrameType, event: str, _argument: object) -> TraceFunction:
            if event == "return":
                number, code, _ = entries[-1]
                made_nodes = number != next_number()
                if made_nodes:
                    self._doubt(timeline, frame.f_code)
                if made_nodes or code is frame.f_code:  # the latter: what it called has returned to it
                    self._put_caller(timeline, frame)
            return trace_idle

        trace_idle.clock = self  # type: ignore[attr-defined]
        return trace_idle

    def _doubt_caller(self, timeline: Timeline, frame: FrameType) -> None:
        caller = self._user_code.innermost(frame.f_back)
        if caller is not None and self.idle.may_make_nodes(caller.f_code):
            self._doubt(timeline, caller.f_code)

    def _doubt(self, timeline: Timeline, code: CodeType) -> None:
        if self.idle.doubt(code) and id(code) in self.idle.in_reach:
            timeline.doubt()

    def _put_caller(self, timeline: Timeline, frame: FrameType) -> None:
        # NOTE [Return to the middle of a line]
        caller = self._user_code.innermost(frame.f_back)
        if caller is not None:
            timeline.put(self._next_number(), caller.f_code, caller.f_lineno)
