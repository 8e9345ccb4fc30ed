"""The wrapped callables: what runs in place of an operation that writes.

# NOTE [Never disturb] A wrapper runs the original and records after.  What it asks of a tensor can be refused (sparse,
inference, functorch); then the write goes unrecorded.  Subclasses and torch-function modes would see our reads of
``_version``: for them torch functions are disabled while we look.

# NOTE [Hot path] Under `sys.settrace` every Python call costs as much again, so a wrapper makes none of its own: what
it needs are locals of its closure, and what can wait is left to `WriteLog.fold`.

# NOTE [Held by nothing else] Most in-place activations overwrite what nobody else can see: no node holds the tensor, no
view, alias or saved result shares its storage.  The engine's counts of references tell so before the write.  Such a
write on the tape, or to a tensor without history, can break nothing that was saved before it, and needs no place in the
log; so it is with averaged weights.  What stores values needs one: they may have history.  What Python alone holds is
not in the counts: hooks and checkpointed regions that keep tensors themselves, and whatever the audit compares; once
one of them is at work, every write is logged.  Source: c10/util/intrusive_ptr.h; checked on torch 2.13.0.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable, Sequence
from threading import get_ident
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch import failures, refusals, silent
from gradsan.frameworks.torch.cuts import STORES, stores
from gradsan.frameworks.torch.foreign_calls import given_to, name_of, written_by_call
from gradsan.frameworks.torch.frames import place_on, user_frame
from gradsan.frameworks.torch.gates import AT_ENGINE
from gradsan.frameworks.torch.graph import has_node
from gradsan.frameworks.torch.regions import PLAIN, REFUSALS, physical, values_of
from gradsan.frameworks.torch.running import Ended, Running, keeps_for_later
from gradsan.frameworks.torch.storages import TENSOR_ALONE, WITH_OBJECT, n_holders, storage_key
from gradsan.frameworks.torch.waiting import waiting_for
from gradsan.record.frames import Site, site_at, site_in_program
from gradsan.record.writes import FOLD_AT, GRAD_ENABLED, IN_BACKWARD, IS_VIEW, WAITING, WrittenAt

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

Callee = Callable[..., Any]
"""Flags, code, position and agent of a pending write."""
Log = Callable[[Sequence[Any], str, int, FrameType, bool, "tuple[Any, ...]"], None]


class Wrappers:
    """Makes the wrapped callables of one recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._log = self._make_log()

    def writing(self, original: Callee, operation: str) -> Callee:
        """Wrap an operation that writes its first argument, a tensor."""
        recorder, log = self._recorder, self._log
        quiet_threads = recorder.quiet_threads
        get_frame = sys._getframe
        plain = PLAIN
        has_modes, is_grad_enabled = torch._C._is_torch_function_mode_enabled, torch.is_grad_enabled
        guards, next_number, inner = recorder.guards, recorder.next_number, recorder.steps.inner
        backward_threads = recorder.backward_threads

        @functools.wraps(original)
        def write(*args: Any, **kwargs: Any) -> Any:
            if quiet_threads and get_ident() in quiet_threads:
                result = original(*args, **kwargs)
                if inner:
                    note_inner(recorder, (args[0],) if args else (), get_frame(1))
                return result
            tensor: Any = args[0] if args else kwargs.get("input")
            is_plain = type(tensor) in plain
            if not is_plain and not issubclass(type(tensor), torch.Tensor):  # a proxy of a tracer, or a mistake
                return original(*args, **kwargs)
            is_plain = is_plain and not has_modes()
            is_logged, waiting = True, None
            if backward_threads and not guards and is_plain and get_ident() in backward_threads:
                waiting = waiting_for(recorder, tensor, get_frame(1))
            if guards:
                for guard in guards:
                    guard(tensor, operation)
            elif is_plain and not recorder.hooks_were_used and tensor._use_count() == 1:
                try:
                    if n_holders(tensor.untyped_storage()._cdata) == TENSOR_ALONE:
                        is_logged = not is_grad_enabled() and (operation in STORES or not tensor.is_leaf)
                except REFUSALS:  # NOTE [Never disturb]
                    is_logged = True
            number = next_number() if is_logged else -1
            try:
                result = original(*args, **kwargs)
            except RuntimeError as error:
                refuse_write(recorder, error, tensor, operation, get_frame(1))
                raise
            if is_logged:
                log((tensor,), operation, number, get_frame(1), is_plain, args)
            if waiting is not None:
                waiting.tell(recorder, operation)
            return result

        return write

    def writing_list(self, original: Callee, operation: str) -> Callee:
        """Wrap an operation that writes its first argument, a list of tensors (``torch._foreach_mul_``)."""
        recorder, log = self._recorder, self._log
        plain, has_modes = PLAIN, torch._C._is_torch_function_mode_enabled

        @functools.wraps(original)
        def write(*args: Any, **kwargs: Any) -> Any:
            tensors = args[0] if args else kwargs.get("self")
            if get_ident() in recorder.quiet_threads or not isinstance(tensors, (list, tuple)):
                result = original(*args, **kwargs)
                if recorder.steps.inner and isinstance(tensors, (list, tuple)):
                    note_inner(recorder, tensors, sys._getframe(1))
                return result
            frame = sys._getframe(1)
            for guard in recorder.guards:
                for tensor in tensors:
                    guard(tensor, operation)
            number = recorder.next_number()
            try:
                result = original(*args, **kwargs)
            except RuntimeError as error:
                refuse_write(recorder, error, tensors[0] if tensors else None, operation, frame)
                raise
            log(
                tensors,
                operation,
                number,
                frame,
                not has_modes() and all(type(each) in plain for each in tensors),
                args,
            )
            return result

        return write

    def counting(self, original: Callee) -> Callee:
        """Wrap what counts a write that others make: a custom operator, compiled code, a kernel of the program's."""
        write = self.writing_list(original, "increment_version")

        @functools.wraps(original)
        def increment(tensors: Any) -> None:
            write((tensors,) if isinstance(tensors, torch.Tensor) else tuple(tensors))

        return increment

    def writing_out(self, original: Callee, operation: str) -> Callee:
        """Wrap an operation that can write into its argument ``out``."""
        recorder, log = self._recorder, self._log

        @functools.wraps(original)
        def write(*args: Any, **kwargs: Any) -> Any:
            out = kwargs.get("out")
            if out is None or get_ident() in recorder.quiet_threads:
                return original(*args, **kwargs)
            tensors = out if isinstance(out, (list, tuple)) else (out,)
            for guard in recorder.guards:
                for tensor in tensors:
                    guard(tensor, operation)
            number = recorder.next_number()
            try:
                result = original(*args, **kwargs)
            except RuntimeError as error:
                refuse_write(recorder, error, tensors[0] if tensors else None, operation, sys._getframe(1))
                raise
            log(tensors, operation, number, sys._getframe(1), False, (None, *args))
            return result

        return write

    def calling(self, original: Callee, *, only_of_users: bool) -> Callee:
        """Wrap a call inside which no wrapper sees who writes; see NOTE [Versions around a call] in `foreign_calls`."""
        recorder, log, users = self._recorder, self._log, self._recorder.user_code.users

        @functools.wraps(original)
        def call(callee: Any, /, *args: Any, **kwargs: Any) -> Any:
            frame = sys._getframe(1)
            is_left = only_of_users and frame.f_code.co_filename not in users
            if is_left or get_ident() in recorder.quiet_threads or torch.compiler.is_compiling():
                return original(callee, *args, **kwargs)
            given = given_to(args, kwargs)
            number, order = recorder.next_number(), recorder.writes.next_order()
            result = original(callee, *args, **kwargs)
            for tensor, is_recorded in written_by_call(recorder, given, order):
                is_enabled = torch.is_grad_enabled()
                with torch.set_grad_enabled(is_enabled and is_recorded):
                    log((tensor,), name_of(callee), number, frame, True, args if only_of_users else ())
                for suspect in recorder.suspects.writes_to(storage_key(tensor)):
                    suspect.grad_enabled = suspect.grad_enabled or (is_enabled and suspect.order > order)
            return result

        return call

    def backward(self, original: Callee) -> Callee:
        """Wrap the engine's one door, behind ``backward()`` and ``grad()``."""
        recorder = self._recorder
        threads, all_running = recorder.backward_threads, recorder.running
        paused, resume = recorder.clock.paused, recorder.clock.resume

        @functools.wraps(original)
        def run_backward(t_outputs: Any, *args: Any, **kwargs: Any) -> Any:
            frame = recorder.user_code.innermost(sys._getframe(1))
            site = None if frame is None else Site(frame.f_code, frame.f_lasti)
            number, thread, inputs = recorder.next_number(), get_ident(), args[3] if len(args) > 3 else ()
            silent.before_backward(recorder, t_outputs, inputs, site)
            keeps_graph = len(args) < 2 or bool(args[1])
            order = recorder.writes.next_order()
            running = Running(t_outputs, inputs, site, keeps_graph=keeps_graph, number=number, order=order)
            all_running.append(running)
            threads.append(thread)
            if paused.get(thread) is AT_ENGINE:
                resume()
            try:
                result = original(t_outputs, *args, **kwargs)
            except RuntimeError as error:
                failures.backward_failed(recorder, error, t_outputs, site)
                raise
            finally:
                threads.remove(thread)
                all_running.remove(running)
            keeps_graph = keeps_graph and keeps_for_later(args, kwargs)
            recorder.note_backward(Ended(number, recorder.writes.next_order(), site, keeps_graph))
            return result

        return run_backward

    def mark_dirty(self, original: Callee) -> Callee:
        """Wrap `FunctionCtx.mark_dirty`: what is wrong with a mark is raised later, at ``apply``."""

        @functools.wraps(original)
        def mark(self: Any, *args: Any) -> None:
            if not torch.compiler.is_compiling():
                note(sys._getframe(1))
            original(self, *args)

        def note(frame: FrameType) -> None:
            code, offset, _ = user_frame(recorder.user_code, frame)
            recorder.last_dirty_mark = None if code is None else Site(code, offset)

        recorder = self._recorder
        return mark

    def detaching(self, original: Callee) -> Callee:
        """Wrap `detach_`, which mutates no value but takes the tensor's node away."""
        recorder = self._recorder

        @functools.wraps(original)
        def detach_(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            is_noted = type(tensor) in PLAIN and get_ident() not in recorder.quiet_threads
            if is_noted and not torch.compiler.is_compiling() and has_node(tensor):
                code, offset, _ = user_frame(recorder.user_code, sys._getframe(1))
                if code is not None:
                    recorder.detached.append((weakref.ref(tensor), Site(code, offset)))
            try:
                return original(tensor, *args, **kwargs)
            except RuntimeError as error:
                refuse_write(recorder, error, tensor, "detach_", sys._getframe(1))
                raise

        return detach_

    def swapping(self, original: Callee) -> Callee:
        """Wrap `torch.utils.swap_tensors`, which refuses tensors that anybody refers to weakly, as we do."""
        recorder = self._recorder

        @functools.wraps(original)
        def swap_tensors(*args: Any, **kwargs: Any) -> Any:
            recorder.forget_tensors()
            return original(*args, **kwargs)

        return swap_tensors

    def _make_log(self) -> Log:
        # NOTE [Hot path]
        recorder, user_code = self._recorder, self._recorder.user_code
        pending, fold = recorder.writes.pending, recorder.writes.fold
        users, installed, backward_threads = user_code.users, user_code.installed, recorder.backward_threads
        aliases, note_suspect = recorder.suspects.aliases, recorder.suspicion.note_write
        is_grad_enabled, disabled = torch.is_grad_enabled, torch._C.DisableTorchFunction
        next_order, place = recorder.writes.orders.__next__, place_on(recorder)
        weak_reference = weakref.ref

        def log(
            tensors: Sequence[Any], operation: str, number: int, frame: FrameType, is_plain: bool, args: tuple[Any, ...]
        ) -> None:
            if not is_plain:
                with disabled():
                    log(tensors, operation, number, frame, True, args)
                return
            code: CodeType | None = frame.f_code
            if frame.f_code.co_filename in users:
                position, agent = -1 - frame.f_lasti, None
            else:
                code, position, agent = place(frame)
            in_program = None
            if code is not None and code.co_filename in installed:
                in_program = site_in_program(user_code, site_at(code, position))
            at = code, position, agent, in_program
            is_recorded = is_grad_enabled()
            is_store = not is_recorded and stores(operation, args)
            common = GRAD_ENABLED if is_recorded else 0
            if backward_threads and get_ident() in backward_threads:
                common |= IN_BACKWARD
            for tensor in tensors:
                try:
                    after, is_view, storage = tensor._version, tensor._is_view(), tensor.untyped_storage()
                    key = storage._cdata
                    is_waiting = type(tensor) is torch.Tensor and n_holders(key) == WITH_OBJECT
                    weak = weak_reference(tensor) if is_waiting else storage._weak_ref()
                except REFUSALS:  # NOTE [Never disturb]
                    log_parts(tensor, operation, number, frame, args, (common, at))
                    continue
                flags = common | IS_VIEW if is_view else common
                seat = WAITING if is_waiting else key
                pending.append((seat, weak, operation, after, number, next_order(), flags, at))
                is_suspect = key in aliases or recorder.hooks_were_used
                if not is_suspect and not is_recorded:
                    is_suspect = is_view or is_store or not tensor.is_leaf
                if is_suspect:
                    note_suspect(tensor, operation, number, frame, args)
            if len(pending) >= FOLD_AT:
                fold()

        def log_parts(
            tensor: Any,
            operation: str,
            number: int,
            frame: FrameType,
            args: tuple[Any, ...],
            means: tuple[int, WrittenAt],
        ) -> None:
            """Log a write to what holds the numbers of a tensor without a storage of its own."""
            inner = physical(tensor)
            if inner is not None:
                log((inner,), operation, number, frame, True, args)
                return
            values = values_of(tensor)
            if values is not None:  # the version is the sparse tensor's own
                key = values.untyped_storage()._weak_ref()
                pending.append((key, key, operation, tensor._version, number, next_order(), *means))

        return log


def note_inner(recorder: Recorder, tensors: Sequence[Any], frame: FrameType) -> None:
    """Note the place where a step of the program's own wrote to parameters.

    Effect: in the step log; see NOTE [Steps of the program's own] in `stepping`.
    """
    written = recorder.steps.inner.get(get_ident())
    code, offset, _ = user_frame(recorder.user_code, frame)
    if written is None or code is None:
        return
    for tensor in tensors:
        if type(tensor) in PLAIN and tensor.requires_grad:
            key = storage_key(tensor)
            if key is not None:
                written.setdefault(key, {})[code, -1 - offset] = tensor._version


def refuse_write(recorder: Recorder, error: RuntimeError, tensor: Any, operation: str, frame: FrameType) -> None:
    """Look at an exception that a write raised; exceptions of other kinds are left alone.

    Effect: tells the sessions.
    """
    code, offset, agent = user_frame(recorder.user_code, frame)
    site = None if code is None else Site(code, offset)
    refusals.write_refused(recorder, error, refusals.Attempt(tensor, operation, site, agent))
