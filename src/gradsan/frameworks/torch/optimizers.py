"""Optimizer steps: one write to each parameter, recorded as one event.

# NOTE [An optimizer step is one write] A for-loop AdamW calls five in-place operations a parameter; what the user wrote
is one line.  Inside `step` the wrappers are quiet; afterwards one run is kept for each optimizer and place, and which
parameters it wrote is asked of its groups only when a finding needs it.  Fused steps never move the version counter
and are seen the same way.

# NOTE [Steps of the program's own] Where the program itself defines the optimizer, its lines are the user's: the
# wrappers note which of them wrote to a parameter, and nothing else.

# NOTE [A step may raise] Then no post hook runs (out of memory, an interrupt in a notebook).  Every step runs inside a
`record_function`, whose exit runs always; so does `zero_grad`.  There the clock pauses, as at NOTE [Gates].
Source: torch/optim/optimizer.py, `profile_hook_step` and `zero_grad`, torch 2.6 to 2.13.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from gradsan.frameworks.torch.doors import Callee, open_doors, shut_doors
from gradsan.frameworks.torch.frames import user_frame
from gradsan.frameworks.torch.sharded import gathered_keys, is_sharded
from gradsan.frameworks.torch.storages import keys_of, storage_key
from gradsan.model.event import Writer
from gradsan.record.writes import GRAD_ENABLED, InnerWrites, Run

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

MAX_RUNS = 256
MAX_GONE = 64
ENOUGH_COUNTED = 3
"""Steps after which an optimizer that moves the version counter is taken to go on doing so."""


@dataclass(slots=True, eq=False)
class Steps:
    """Steps of one optimizer from one line.

    ``skipped`` holds the parameters that had no gradient then, ``shared`` the storages of others whose memory is also
    that of tensors which may outlive them.
    """

    run: Run
    skipped: frozenset[int]
    shared: frozenset[int]


@dataclass(slots=True, eq=False)
class Stepped:
    """One optimizer and its steps; what it updates is remembered, because it can die before the graph does."""

    optimizer: Callable[[], Optimizer | None]
    parameters: tuple[Callable[[], torch.Tensor | None], ...]
    steps: list[Steps]
    n_counted: int = 0
    """Steps that moved the version counter of what they wrote."""

    def living(self) -> Iterator[torch.Tensor]:
        """Yield the parameters that are alive."""
        optimizer = self.optimizer()
        if optimizer is not None:
            yield from parameters_of(optimizer)
            return
        yield from (parameter for each in self.parameters if (parameter := each()) is not None)


class StepLog:
    """Runs of steps of each optimizer."""

    def __init__(self) -> None:
        self._known: dict[int, Stepped] = {}
        self._gone: deque[Stepped] = deque(maxlen=MAX_GONE)
        self.inner: dict[int, InnerWrites] = {}
        """Thread -> what the step of the program's own that runs there wrote so far."""

    def add(
        self,
        optimizer: Optimizer,
        run: Run,
        skipped: frozenset[int] = frozenset(),
        shared: frozenset[int] = frozenset(),
    ) -> None:
        """Append a step."""
        steps = self._of(optimizer).steps
        if len(steps) >= MAX_RUNS:
            del steps[: MAX_RUNS // 4]
        steps.append(Steps(run, skipped, shared))

    def goes_on(
        self,
        optimizer: Optimizer,
        place: tuple[CodeType | None, int],
        now: tuple[int, int],
        skipped: frozenset[int],
        inner: InnerWrites | None,
    ) -> bool:
        """Take a step into the last run where that stepped from the same place; return False where it did not.

        Args:
            optimizer: Which stepped.
            place: Code and position.
            now: Number and order.
            skipped: The parameters that had no gradient.
            inner: What lines of the program's own wrote.
        """
        known = self._known.get(id(optimizer))
        if known is None or not known.steps or known.optimizer() is not optimizer:
            return False
        last = known.steps[-1]
        if last.run.code is not place[0] or last.run.position != place[1] or last.skipped != skipped:
            return False
        last.run.last_number, last.run.last_order = now
        last.run.n_times += 1
        last.run.inner = inner
        return True

    def is_looked_at(self, optimizer: Optimizer) -> bool:
        """Return whether it is still to be seen if an optimizer's steps move the version counter."""
        known = self._known.get(id(optimizer))
        return known is None or known.n_counted < ENOUGH_COUNTED or known.optimizer() is not optimizer

    def note_counted(self, optimizer: Optimizer) -> None:
        """Remember that a step moved the version counter."""
        self._of(optimizer).n_counted += 1

    def _of(self, optimizer: Optimizer) -> Stepped:
        known = self._known.get(id(optimizer))
        if known is None or known.optimizer() is not optimizer:
            if known is not None:  # the identity of one that has died
                self._gone.append(known)
            parameters = tuple(weakref.ref(parameter) for parameter in parameters_of(optimizer))
            known = self._known[id(optimizer)] = Stepped(weakref.ref(optimizer), parameters, [])
        return known

    def writes_to(self, key: int) -> Iterator[Run]:
        """Yield the runs of steps that wrote the parameter of a storage."""
        for stepped in (*self._gone, *self._known.values()):
            if any(storage_key(parameter) == key for parameter in stepped.living()):
                yield from (each.run for each in stepped.steps)

    def by_storage(self) -> dict[int, list[Run]]:
        """Return the runs that wrote each parameter, by the key of its storage."""
        found: dict[int, list[Run]] = {}
        gathered: dict[int, int] | None = None
        for stepped in (*self._gone, *self._known.values()):
            for each in stepped.steps:
                for key in each.shared:
                    found.setdefault(key, []).append(each.run)
            for parameter in stepped.living():
                runs = [each.run for each in stepped.steps if id(parameter) not in each.skipped]
                for key in keys_of(parameter) if runs else ():
                    found.setdefault(key, []).extend(runs)
                if runs and is_sharded(parameter):
                    gathered = gathered_keys() if gathered is None else gathered
                    if id(parameter) in gathered:
                        found.setdefault(gathered[id(parameter)], []).extend(runs)
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._gone.clear()
        self.inner.clear()


def parameters_of(optimizer: Optimizer) -> Iterator[torch.Tensor]:
    """Yield the parameters of all groups."""
    for group in optimizer.param_groups:
        yield from group["params"]


def end_quiet(recorder: Recorder) -> None:
    """Record again on the calling thread after a step.

    Effect: opens the doors.
    """
    open_doors()
    recorder.quiet_threads.discard(threading.get_ident())


def enter_wrapper(recorder: Recorder, original: Callee) -> Callee:
    """Wrap the entry of `record_function`: an optimizer begins its step, or lets go of the gradients."""
    pause = recorder.clock.pause

    @functools.wraps(original)
    def enter(self: Any) -> Any:
        if self.name.startswith("Optimizer."):
            pause()
        return original(self)

    return enter


def exit_wrapper(recorder: Recorder, original: Callee) -> Callee:
    """Wrap the exit of `record_function`; see NOTE [A step may raise]."""
    quiet_threads, paused, resume = recorder.quiet_threads, recorder.clock.paused, recorder.clock.resume

    @functools.wraps(original)
    def leave(self: Any, *args: Any) -> None:
        original(self, *args)
        if (quiet_threads or paused) and self.name.startswith("Optimizer."):
            thread = threading.get_ident()
            if thread in quiet_threads and self.name.startswith("Optimizer.step#"):
                recorder.steps.inner.pop(thread, None)
                end_quiet(recorder)
            resume()

    return leave


def watch_steps(recorder: Recorder) -> Callable[[], None]:
    """Hook every optimizer's step; return what removes the hooks.

    Effect: two global hooks of `torch.optim`; under a compiler they return at once, so nothing of them is captured.
    """

    def before(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if torch.compiler.is_compiling():
            return
        if (len(args) > 1 or kwargs) and _has_closure(args, kwargs):
            recorder.clock.resume()
            return
        for guard in recorder.guards:
            for parameter in parameters_of(optimizer):
                guard(parameter, f"{type(optimizer).__name__}.step")
        if recorder.steps.is_looked_at(optimizer):
            marks[threading.get_ident()] = _first_updated(optimizer)
        if defined_by_program(type(optimizer)):
            recorder.steps.inner[threading.get_ident()] = {}
        elif threading.active_count() == 1:
            shut_doors()
        recorder.quiet_threads.add(threading.get_ident())

    def after(optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        if torch.compiler.is_compiling():
            return
        end_quiet(recorder)
        code, offset, _ = user_frame(recorder.user_code, sys._getframe(1))
        place, now = (code, -1 - offset), (recorder.next_number(), recorder.writes.next_order())
        is_unseen = bool(marks) and is_unseen_by_counter(optimizer)
        skipped: frozenset[int] = frozenset()
        shared = shared_keys(optimizer) if recorder.suspects.shared else frozenset()
        is_unseen = is_unseen or bool(shared)
        if recorder.hooks_were_used or is_unseen:
            skipped = frozenset(id(parameter) for parameter in parameters_of(optimizer) if parameter.grad is None)
            recorder.suspects.last_number = max(recorder.suspects.last_number, now[0])
        inner = recorder.steps.inner.pop(threading.get_ident(), None) if recorder.steps.inner else None
        if not recorder.steps.goes_on(optimizer, place, now, skipped, inner):
            recorder.steps.add(optimizer, run_of_step(optimizer, place, now, inner), skipped, shared)
        if is_unseen and recorder.running:
            for parameter in parameters_of(optimizer):
                recorder.note_unseen(storage_key(parameter))

    def shared_keys(optimizer: Optimizer) -> frozenset[int]:
        updated = (each for each in parameters_of(optimizer) if each.grad is not None)
        return frozenset(key for each in updated for key in keys_of(each) if key in recorder.suspects.shared)

    def is_unseen_by_counter(optimizer: Optimizer) -> bool:
        marked = marks.pop(threading.get_ident(), ())
        if any(parameter._version == version or is_sharded(parameter) for parameter, version in marked):
            return True
        if marked:
            recorder.steps.note_counted(optimizer)
        return False

    marks: dict[int, list[tuple[torch.Tensor, int]]] = {}
    defined_by_program = _judge(recorder)

    handles = (register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after))

    def remove() -> None:
        for handle in handles:
            handle.remove()

    return remove


def run_of_step(
    optimizer: Optimizer,
    place: tuple[CodeType | None, int],
    now: tuple[int, int],
    inner: InnerWrites | None = None,
) -> Run:
    """Return the run that a step begins."""
    (code, position), (number, order) = place, now
    operation = f"{type(optimizer).__name__}.step"
    run = Run(code, position, operation, 0, 0, number, number, order, order, GRAD_ENABLED, writer=Writer.OPTIMIZER)
    run.inner = inner
    return run


def _judge(recorder: Recorder) -> Callable[[type], bool]:
    """Return what tells of a class of optimizers whether a file of the program's, not of a library, has its step."""

    @functools.cache
    def defined_by_program(kind: type) -> bool:
        code = getattr(inspect.unwrap(getattr(kind, "step", kind)), "__code__", None)
        return code is not None and recorder.user_code(code) and "-packages" + os.sep not in code.co_filename

    return defined_by_program


def _first_updated(optimizer: Optimizer) -> list[tuple[torch.Tensor, int]]:
    """Return the first parameter with a gradient of each group, and its version: a fused step will not move it."""
    found = []
    for group in optimizer.param_groups:
        parameter = next((each for each in group["params"] if each.grad is not None), None)
        if parameter is not None:
            found.append((parameter, int(parameter._version)))
    return found


def _has_closure(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    # A closure runs a forward and a backward of the user inside the step.  ``args[0]`` is the optimizer.
    return any(callable(each) for each in (*args[1:], *kwargs.values()))
