"""The hooks around every optimizer's step: quiet inside, one event afterwards.

# NOTE [Steps of the program's own] Where the program itself defines the optimizer, its lines are the user's: the
# wrappers note which of them wrote to a parameter, and nothing else.

# NOTE [Steps with a closure] A closure runs a forward and a backward of the user inside the step, and is heard like
the rest of the program.  The framework's optimizers call it before they update anything; others (sharpness-aware
ones) update, call it, and update again: what they wrote until then is a step of its own.

# NOTE [A step may raise] Then no post hook runs (out of memory, an interrupt in a notebook).  Every step runs inside a
`record_function`, whose exit runs always; so does `zero_grad`.  There the clock pauses, as at NOTE [Gates].
Source: torch/optim/optimizer.py, `profile_hook_step` and `zero_grad`, torch 2.6 to 2.13.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from threading import active_count, get_ident
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from gradsan.frameworks.torch.doors import Callee, open_doors, shut_doors
from gradsan.frameworks.torch.frames import written_at
from gradsan.frameworks.torch.optimizers import Place, parameters_of, run_of_step
from gradsan.frameworks.torch.sharded import is_sharded
from gradsan.frameworks.torch.storages import keys_of, storage_key
from gradsan.record.frames import is_installed

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder


def end_quiet(recorder: Recorder) -> None:
    """Record again on the calling thread after a step.

    Effect: opens the doors.
    """
    open_doors()
    recorder.quiet_threads.discard(get_ident())


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
            thread = get_ident()
            if thread in quiet_threads and self.name.startswith("Optimizer.step#"):
                recorder.steps.inner.pop(thread, None)
                end_quiet(recorder)
            resume()

    return leave


def watch_steps(recorder: Recorder) -> Callable[[], None]:
    """Hook every optimizer's step; return what removes the hooks.

    Effect: two global hooks of `torch.optim`; under a compiler they return at once, so nothing of them is captured.
    """
    hooks = StepHooks(recorder)
    handles = (register_optimizer_step_pre_hook(hooks.before), register_optimizer_step_post_hook(hooks.after))

    def remove() -> None:
        for handle in handles:
            handle.remove()

    return remove


class StepHooks:
    """What runs before and after the steps of one recorder's optimizers."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._marks: dict[int, list[tuple[torch.Tensor, int]]] = {}
        self._is_programs_own = _judge(recorder)

    def before(
        self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Begin the quiet of a step; return its arguments where a closure among them is to be heard."""
        if torch.compiler.is_compiling():
            return None
        # ``args[0]`` is the optimizer.
        if not (len(args) > 1 or kwargs) or not any(callable(each) for each in (*args[1:], *kwargs.values())):
            self._begin(optimizer)
            return None
        if type(optimizer).__module__.startswith("torch."):
            self._recorder.clock.resume()
        else:
            self._begin(optimizer)
        place = self._place(sys._getframe(1))

        def heard(argument: Any) -> Any:
            return self._heard(argument, optimizer, place) if callable(argument) else argument

        return (args[0], *map(heard, args[1:])), {name: heard(value) for name, value in kwargs.items()}

    def after(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        """End the quiet of a step, and note it."""
        if torch.compiler.is_compiling():
            return
        end_quiet(self._recorder)
        self._note(optimizer, self._place(sys._getframe(1)))

    def _place(self, frame: FrameType) -> Place:
        code, position, _, in_program = written_at(self._recorder.user_code, frame)
        return Place(code, position, in_program)

    def _begin(self, optimizer: Optimizer) -> None:
        recorder, thread = self._recorder, get_ident()
        for guard in recorder.guards:
            for parameter in parameters_of(optimizer):
                guard(parameter, f"{type(optimizer).__name__}.step")
        if recorder.steps.is_looked_at(optimizer):
            self._marks[thread] = _first_updated(optimizer)
        if self._is_programs_own(type(optimizer)):
            recorder.steps.inner[thread] = {}
        elif active_count() == 1:
            shut_doors()
        recorder.quiet_threads.add(thread)

    def _heard(self, closure: Callee, optimizer: Optimizer, place: Place) -> Callee:
        """Return a closure that is recorded like the rest of the program; see NOTE [Steps with a closure]."""
        recorder = self._recorder
        versions = _versions(optimizer)

        @functools.wraps(closure, updated=())
        def heard(*args: Any, **kwargs: Any) -> Any:
            nonlocal versions
            if get_ident() in recorder.quiet_threads:
                end_quiet(recorder)
                recorder.clock.resume()
                if _versions(optimizer) != versions:
                    self._note(optimizer, place)
            try:
                return closure(*args, **kwargs)
            finally:
                recorder.clock.pause()
                versions = _versions(optimizer)
                self._begin(optimizer)

        return heard

    def _note(self, optimizer: Optimizer, place: Place) -> None:
        """Put a step on record."""
        recorder = self._recorder
        now = (recorder.next_number(), recorder.writes.next_order())
        is_unseen = bool(self._marks) and self._is_unseen_by_counter(optimizer)
        skipped: frozenset[int] = frozenset()
        shared = self._shared_keys(optimizer) if recorder.suspects.shared else frozenset()
        is_unseen = is_unseen or bool(shared)
        if recorder.hooks_were_used or is_unseen:
            skipped = frozenset(id(parameter) for parameter in parameters_of(optimizer) if parameter.grad is None)
            recorder.suspects.last_number = max(recorder.suspects.last_number, now[0])
        inner = recorder.steps.inner.pop(get_ident(), None) if recorder.steps.inner else None
        if not recorder.steps.goes_on(optimizer, place, now, skipped, inner):
            recorder.steps.add(optimizer, run_of_step(optimizer, place, now, inner), skipped, shared)
        if is_unseen and recorder.running:
            for parameter in parameters_of(optimizer):
                recorder.note_unseen(storage_key(parameter))

    def _shared_keys(self, optimizer: Optimizer) -> frozenset[int]:
        updated = (each for each in parameters_of(optimizer) if each.grad is not None)
        shared = self._recorder.suspects.shared
        return frozenset(key for each in updated for key in keys_of(each) if key in shared)

    def _is_unseen_by_counter(self, optimizer: Optimizer) -> bool:
        marked = self._marks.pop(get_ident(), ())
        if any(parameter._version == version or is_sharded(parameter) for parameter, version in marked):
            return True
        if marked:
            self._recorder.steps.note_counted(optimizer)
        return False


def _judge(recorder: Recorder) -> Callable[[type], bool]:
    """Return what tells of a class of optimizers whether a file of the program's, not of a library, has its step."""

    @functools.cache
    def is_programs_own(kind: type) -> bool:
        code = getattr(inspect.unwrap(getattr(kind, "step", kind)), "__code__", None)
        return code is not None and recorder.user_code(code) and not is_installed(code.co_filename)

    return is_programs_own


def _first_updated(optimizer: Optimizer) -> list[tuple[torch.Tensor, int]]:
    """Return the first parameter with a gradient of each group, and its version: a fused step will not move it."""
    found = []
    for group in optimizer.param_groups:
        parameter = next((each for each in group["params"] if each.grad is not None), None)
        if parameter is not None:
            found.append((parameter, int(parameter._version)))
    return found


def _versions(optimizer: Optimizer) -> int:
    """Return a number that is another once the version counter of a parameter has moved."""
    return sum(parameter._version for parameter in parameters_of(optimizer))
