"""The recorder: wraps what writes, keeps the line clock, and remembers."""

from __future__ import annotations

import linecache
import os
import re
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock, get_ident
from types import CodeType
from typing import Any

import torch

from gradsan.frameworks.torch import (
    doors,
    foreign_calls,
    gates,
    held,
    inference,
    modules,
    optimizers,
    replicas,
    stepping,
    tracers,
)
from gradsan.frameworks.torch.belonging import is_framework_value
from gradsan.frameworks.torch.checkpointed import CheckpointedRegions
from gradsan.frameworks.torch.compiling import COMPILED_MARK, COMPILER
from gradsan.frameworks.torch.full_trace import FullTrace
from gradsan.frameworks.torch.running import Ended, Running
from gradsan.frameworks.torch.silent import while_running
from gradsan.frameworks.torch.storages import is_dead, is_held, locate, release
from gradsan.frameworks.torch.suspicion import DataDoor, Suspicion
from gradsan.frameworks.torch.warned import place_warnings
from gradsan.frameworks.torch.wrappers import Wrappers
from gradsan.model.history import History
from gradsan.record.clock import LineClock, line_clock, site_among
from gradsan.record.frames import Site, UserCode
from gradsan.record.idle import IdleCode
from gradsan.record.session import Session
from gradsan.record.suspects import SuspectLog
from gradsan.record.writes import WriteLog

_FOREIGN_FOLDERS = tuple(
    os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(torch.__file__))), name) + os.sep
    for name in ("torch", "functorch", "torchgen", "triton", "numpy", "scipy", "numba")
)
"""The framework's own files, and those of the libraries whose arrays share memory with its tensors."""
_FOREIGN_MARKS = ("torchinductor_",)
_HANDLERS = frozenset({"__torch_function__", "__torch_dispatch__"})

_NEW_LEAF = re.compile(r"\btensor\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\brequires_grad\s*=\s*True")

Guard = Callable[[Any, str], None]


def _user_code() -> UserCode:
    return UserCode(
        foreign_folders=_FOREIGN_FOLDERS,
        foreign_marks=_FOREIGN_MARKS,
        handlers=_HANDLERS,
        compiled_mark=COMPILED_MARK,
        compiler=COMPILER,
    )


class Recorder:
    """One per process; any number of sessions listen to it."""

    def __init__(self) -> None:
        self.user_code = _user_code()
        self.user_code.on_new_file = self._look_into_file
        self._wraps_tensor = self._wraps_operations = False
        self._wraps_out: set[tuple[Any, str]] = set()
        self.next_number: Callable[[], int] = torch._C._autograd._get_sequence_nr
        self.clock = self._new_clock()
        self.writes = WriteLog(is_dead=is_dead, release=release, locate=locate)
        self.steps = optimizers.StepLog()
        self.suspects = SuspectLog(is_dead=is_dead, release=release)
        self.last_dirty_mark: Site | None = None
        self.detached: deque[tuple[weakref.ref[torch.Tensor], Site]] = deque(maxlen=1024)
        """What `detach_` cut from its graph, and where."""
        self.inference_sites: dict[tuple[CodeType, int], Site] = {}
        """Where inference mode was switched on, each place once."""
        self.hooks_were_used = False
        """Whether saved-tensor hooks, which switch the engine's version check off, have been at work."""
        self.checkpointed = CheckpointedRegions(self)
        self.has_eval_statistics = False
        """Whether a graph was made through batch norm in eval mode, which reads its statistics again."""
        self._backwards: deque[Ended] = deque(maxlen=4096)
        self.constructions = modules.Constructions()
        self.quiet_threads: set[int] = set()
        """Threads inside an optimizer step, which is recorded as one write."""
        self.backward_threads: list[int] = []
        """The threads on which a backward pass runs, once for each pass."""
        self.running: list[Running] = []
        """The backward passes that run."""
        self.sessions: list[Session] = []
        self.guards: list[Guard] = []
        """Called with a tensor and an operation just before a known write to it; must not raise."""
        self.n_audits = 0
        """Those at work: they hold what graphs saved in Python alone."""
        self.suspicion = Suspicion(self)
        self._patches = doors.Patches()
        self._full_trace: FullTrace | None = None
        self._removers: list[Callable[[], None]] = []
        self._switching = RLock()
        self._bookkeeping = RLock()
        """Held while the record is mutated or read: weak references may be given back once only."""

    def start(self, session: Session) -> None:
        """Let a session listen.

        Effect: with the first one, wraps what writes and starts the clock.
        """
        with self._switching, session.border():
            self.sessions.append(session)
            if len(self.sessions) > 1:
                self.clock.follow()
                return
            self._wrap()
            if session.options.trace_full:
                self._full_trace = FullTrace(self)
                self._full_trace.start()
            self.clock.start()

    def stop(self, session: Session) -> None:
        """Let a session go.

        Effect: with the last one, everything is put back and the record is forgotten.
        """
        with self._switching:
            if session not in self.sessions:
                return
            if self.clock.refusal:
                session.say_not_covered(self.clock.refusal)
            self.sessions.remove(session)
            if not self.sessions:
                with session.border():
                    self._stop()

    def _stop(self) -> None:
        self.clock.stop()
        if self._full_trace is not None:
            self._full_trace.stop()
            self._full_trace = None
        self._patches.restore()
        while self._removers:
            self._removers.pop()()
        self.writes.clear()
        self.steps.clear()
        self.suspects.clear()
        self.detached.clear()
        self.inference_sites.clear()
        self.user_code.forget()
        self._wraps_tensor = self._wraps_operations = False
        self._wraps_out.clear()
        self.hooks_were_used = self.has_eval_statistics = False
        self.checkpointed.clear()
        self.clock = self._new_clock()

    @property
    def is_on(self) -> bool:
        """Whether at least one session still records."""
        return any(session.is_on for session in self.sessions)

    def add_guard(self, guard: Guard) -> None:
        """Ask a guard before each write, once."""
        if guard not in self.guards:
            self.guards.append(guard)

    def remove_guard(self, guard: Guard) -> None:
        """Ask a guard no longer, if it was asked."""
        if guard in self.guards:
            self.guards.remove(guard)

    def is_quiet(self) -> bool:
        """Whether the calling thread is inside an optimizer step, or inside a judgement of ours."""
        return get_ident() in self.quiet_threads

    @contextmanager
    def border(self) -> Iterator[None]:
        """Keep whatever goes wrong inside from the user's program; our own operations go unrecorded.

        Effect: on an exception of ours every session is switched off.
        """
        thread, was_quiet = get_ident(), self.is_quiet()
        self.quiet_threads.add(thread)
        self._bookkeeping.acquire()
        try:
            yield
        except Exception as error:
            self.switch_off(error)
        finally:
            self._bookkeeping.release()
            if not was_quiet:
                self.quiet_threads.discard(thread)

    def forget_tensors(self) -> None:
        """Forget all that is known of tensors by a weak reference; what is known of storages stays."""
        with self.border():
            self.writes.fold()
            self.steps.clear()
            self.suspects.clear()

    def switch_off(self, error: BaseException) -> None:
        """Stop recording after an error of ours; see `Session.switch_off`."""
        for session in self.sessions:
            session.switch_off(error)

    def _wrap(self) -> None:
        tracers.make_tables()
        tracers.skip_our_code()
        for method in (DataDoor.__get__, DataDoor.__set__, DataDoor.__delete__, doors.Door.__call__):
            tracers.skip(method.__code__, with_callees=False)
        tracers.let_tracers_find_originals(self._patches)
        place_warnings(self._patches)
        wrappers = Wrappers(self)
        doors.open_doors()
        tensors, lists = doors.writing_operations()
        for name in doors.methods_that_write(tensors):
            self._patches.set_door(torch.Tensor, name, wrappers.writing(getattr(torch.Tensor, name), name))
        for namespace, name in doors.functions_that_write(tensors):
            self._patches.set(namespace, name, wrappers.writing(getattr(namespace, name), name))
        for namespace, name in doors.functions_that_write(lists):
            self._patches.set(namespace, name, wrappers.writing_list(getattr(namespace, name), name))
        self._patches.set(torch._C, "_increment_version", wrappers.counting(torch._C._increment_version))
        for script in foreign_calls.SCRIPTS:
            self._patches.set(script, "__call__", wrappers.calling(script.__call__, only_of_users=False))
        engine: Any = torch.autograd
        self._patches.set(engine, "_engine_run_backward", wrappers.backward(engine._engine_run_backward))
        module: Any = torch.nn.Module
        constructing = modules.construction_wrapper(module.__init__, self.constructions, self.user_code)
        self._patches.set(module, "__init__", constructing)
        if self.clock.slows_framework:
            gates.wrap(self, self._patches)
        context: Any = torch.autograd.function.FunctionCtx
        self._patches.set(context, "mark_dirty", wrappers.mark_dirty(context.mark_dirty))
        self._patches.set_door(torch.Tensor, "detach_", wrappers.detaching(torch.Tensor.detach_))
        held.wrap(self._patches)
        self.suspicion.wrap(self._patches)
        replicas.wrap(self, self._patches)
        inference.wrap(self, self._patches)
        self._patches.set(torch.utils, "swap_tensors", wrappers.swapping(torch.utils.swap_tensors))
        step: Any = torch.autograd.profiler.record_function
        self._patches.set(step, "__exit__", stepping.exit_wrapper(self, step.__exit__))
        if self.clock.slows_framework:
            self._patches.set(step, "__enter__", stepping.enter_wrapper(self, step.__enter__))
        self._removers.append(stepping.watch_steps(self))

    def _look_into_file(self, filename: str) -> None:
        """Wrap what takes ``out=``, and what makes leaves of values, once a file of the user's calls it so.

        Effect: nobody pays for these wrappers whose program has no use for them.
        """
        if not self.sessions:
            return
        with self.border():
            source = "".join(linecache.getlines(filename))
            if not self._wraps_tensor and _NEW_LEAF.search(source) is not None:
                self._wraps_tensor = True
                self._patches.set(torch, "tensor", self.suspicion.new_leaf(torch.tensor))
            wrappers = Wrappers(self)
            if not self._wraps_operations and foreign_calls.TAKES_OPERATIONS.search(source) is not None:
                self._wraps_operations = True
                for operation in foreign_calls.OPERATIONS:
                    self._patches.set(operation, "__call__", wrappers.calling(operation.__call__, only_of_users=True))
            for namespace, name in doors.functions_given_out(source):
                if (namespace, name) not in self._wraps_out:
                    self._wraps_out.add((namespace, name))
                    self._patches.set(namespace, name, wrappers.writing_out(getattr(namespace, name), name))

    def _new_clock(self) -> LineClock:
        idle = IdleCode(is_framework_value, torch.is_grad_enabled)
        return line_clock(self.user_code, self.next_number, idle)

    def site_of(self, number: int, operation: str = "") -> Site | None:
        """Return the line on which a node was made; None where the clock did not run or has forgotten."""
        return site_among(self.clock.timelines(), number, now=self.next_number(), operation=operation)

    def number_now(self) -> int:
        """Return the next number; on a thread that has made no node, that of the thread which has made the most.

        See NOTE [Numbers of threads] in the clock: what such a thread writes is younger than the graphs of the others.
        """
        return self.next_number() or max(timeline.entries[-1][0] for timeline in self.clock.timelines())

    @property
    def backwards(self) -> tuple[Ended, ...]:
        """The last backward passes that have ended, as they are now: other threads end some meanwhile."""
        return tuple(self._backwards)

    def note_backward(self, ended: Ended) -> None:
        """Remember a backward pass that has ended."""
        self._backwards.append(ended)

    def ran_backward(self, start: int, end: int) -> bool:
        """Return whether a backward pass began between two sequence numbers."""
        return any(start <= each.number <= end for each in self.backwards)

    def kept_graph(self, start: int, end: int) -> bool:
        """Return whether a backward pass that kept its graph for another one began between two sequence numbers."""
        return any(start <= each.number <= end and each.keeps_graph for each in self.backwards)

    def may_be_held(self, tensor: Any, n_own: int = 0) -> bool:
        """Return whether a graph may hold a tensor; what Python alone holds for it is not in the engine's counts.

        See NOTE [Held by nothing else] in `wrappers`; ``n_own`` others of ours hold the storage.
        """
        return self.n_audits > 0 or self.hooks_were_used or is_held(tensor, n_own)

    def tell(self, *histories: History) -> None:
        """Tell the sessions that listen of what is wrong and raises nothing."""
        for session in list(self.sessions):
            if session.is_on:
                for history in histories:
                    session.tell(history, None)

    def note_unseen(self, key: int | None) -> None:
        """Look at the graphs in use after an unseen write to a storage; see NOTE [While it runs] in `running`.

        Effect: may tell the sessions.
        """
        if key is not None and self.running:
            while_running(self, key)

    def runs_again(self, site: Site, *, after: int) -> bool:
        """Return whether a line made nodes again after a sequence number."""
        return any(timeline.ran(site, after=after) for timeline in self.clock.timelines())
