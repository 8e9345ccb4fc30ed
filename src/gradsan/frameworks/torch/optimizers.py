"""Optimizer steps: one write to each parameter, recorded as one event.

# NOTE [An optimizer step is one write] A for-loop AdamW calls five in-place operations a parameter; what the user wrote
is one line.  Inside `step` the wrappers are quiet; afterwards one run is kept for each optimizer and place, and which
parameters it wrote is asked of its groups only when a finding needs it.  Fused steps never move the version counter
and are seen the same way.

# NOTE [A step may raise] Then no post hook runs (out of memory, an interrupt in a notebook).  Every step runs inside a
`record_function`, whose exit runs always.  Source: torch/optim/optimizer.py, `profile_hook_step`, torch 2.6 to 2.13.
"""

from __future__ import annotations

import functools
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from gradsan.frameworks.torch.doors import Callee, open_doors, shut_doors
from gradsan.frameworks.torch.frames import user_frame
from gradsan.frameworks.torch.storages import storage_key
from gradsan.model.event import Writer
from gradsan.record.writes import GRAD_ENABLED, Run

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

MAX_RUNS = 256


class StepLog:
    """Runs of steps of each living optimizer."""

    def __init__(self) -> None:
        self._runs: weakref.WeakKeyDictionary[Optimizer, list[Run]] = weakref.WeakKeyDictionary()

    def add(self, optimizer: Optimizer, run: Run) -> None:
        """Append a step, to the last run where the same line stepped again."""
        runs = self._runs.setdefault(optimizer, [])
        last = runs[-1] if runs else None
        if last is not None and last.code is run.code and last.offset == run.offset:
            last.last_number, last.last_order = run.last_number, run.last_order
            last.n_times += 1
            return
        if len(runs) >= MAX_RUNS:
            del runs[: MAX_RUNS // 4]
        runs.append(run)

    def writes_to(self, key: int) -> Iterator[Run]:
        """Yield the runs of steps that wrote the parameter of a storage."""
        for optimizer, runs in list(self._runs.items()):
            if any(storage_key(parameter) == key for parameter in parameters_of(optimizer)):
                yield from runs

    def clear(self) -> None:
        """Forget everything."""
        self._runs.clear()


def parameters_of(optimizer: Optimizer) -> Iterator[torch.Tensor]:
    """Yield the parameters of all groups."""
    for group in optimizer.param_groups:
        yield from group["params"]


def end_quiet(recorder: Recorder) -> None:
    """Record again on the calling thread after a step.

    Effect: opens the doors, resumes the clock.
    """
    open_doors()
    recorder.quiet_threads.discard(threading.get_ident())
    recorder.clock.resume()


def exit_wrapper(recorder: Recorder, original: Callee) -> Callee:
    """Wrap the exit of `record_function`; see NOTE [A step may raise]."""
    quiet_threads = recorder.quiet_threads

    @functools.wraps(original)
    def leave(self: Any, *args: Any) -> None:
        original(self, *args)
        if quiet_threads and threading.get_ident() in quiet_threads and self.name.startswith("Optimizer.step#"):
            end_quiet(recorder)

    return leave


def watch_steps(recorder: Recorder) -> Callable[[], None]:
    """Hook every optimizer's step; return what removes the hooks.

    Effect: two global hooks of `torch.optim`; under a compiler they return at once, so nothing of them is captured.
    """

    def before(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if torch.compiler.is_compiling() or _has_closure(args, kwargs):
            return
        for guard in recorder.guards:
            for parameter in parameters_of(optimizer):
                guard(parameter, f"{type(optimizer).__name__}.step")
        if threading.active_count() == 1:
            shut_doors()
        recorder.quiet_threads.add(threading.get_ident())
        recorder.clock.pause()

    def after(optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        if torch.compiler.is_compiling():
            return
        end_quiet(recorder)
        code, offset, _ = user_frame(recorder.user_code, sys._getframe(1))
        number, order = recorder.next_number(), next(recorder.orders)
        operation = f"{type(optimizer).__name__}.step"
        run = Run(code, offset, operation, 0, 0, number, number, order, order, GRAD_ENABLED, writer=Writer.OPTIMIZER)
        recorder.steps.add(optimizer, run)
        if recorder.hooks_were_used or any(group.get("fused") for group in optimizer.param_groups):
            recorder.suspects.last_number = max(recorder.suspects.last_number, number)

    handles = (register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after))

    def remove() -> None:
        for handle in handles:
            handle.remove()

    return remove


def _has_closure(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    # A closure runs a forward and a backward of the user inside the step.  ``args[0]`` is the optimizer.
    return any(callable(each) for each in (*args[1:], *kwargs.values()))
