"""Gates at the calls of modules: the line clock pauses while the framework's own code runs.

# NOTE [Gates] `sys.settrace` slows every instruction of a thread, the framework's too: a forward pass of small layers
by half.  No line of the user's runs inside a module of the framework, unless hooks, modules or functions of the user's
do (``activation=lambda x: ...``); at the calls of modules that have some, the clock resumes.  For a module without
children that the user calls, pausing costs more than it saves.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn.utils import clip_grad

if TYPE_CHECKING:
    from gradsan.frameworks.torch.doors import Callee, Patches
    from gradsan.frameworks.torch.recorder import Recorder

_COMPILED = "torch._dynamo."
"""Modules of this package run the user's code without calling its module."""


def wrap(recorder: Recorder, patches: Patches) -> None:
    """Put the gates: at the calls of modules, at backward, and at the clipping of gradients, which takes long.

    Effect: until the patches are restored.
    """
    module, engine = cast(Any, torch.nn.Module), cast(Any, torch.autograd)
    patches.set(module, "__call__", module_gate(recorder, module.__call__))
    patches.set(engine, "backward", backward_gate(recorder, engine.backward))
    for name in ("clip_grad_norm_", "clip_grad_value_"):
        gate = _clipping_gate(recorder, getattr(clip_grad, name))
        patches.set(clip_grad, name, gate)
        patches.set(torch.nn.utils, name, gate)


def module_gate(recorder: Recorder, original: Callee) -> Callee:
    """Wrap `torch.nn.Module.__call__`."""
    pause, resume, paused = recorder.clock.pause, recorder.clock.resume, recorder.clock.paused
    kinds, was_given_function = _Kinds(recorder), _search(recorder)
    hooks: Any = torch.nn.modules.module
    before, after = hooks._global_forward_pre_hooks, hooks._global_forward_hooks

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        # NOTE [Hot path] in `wrappers`
        module, thread = args[0], get_ident()
        own = module.__dict__
        is_paused = thread in paused
        if not is_paused and not own.get("_modules"):
            return original(*args, **kwargs)
        try:
            is_users = kinds[type(module)]
            if is_users is None:
                is_users = was_given_function(own)
            is_users = is_users or own["_forward_hooks"] or own["_forward_pre_hooks"]
        except KeyError:  # not initialised: what runs will say so
            is_users = True
        if is_users or before or after or "forward" in own:
            if not is_paused:
                return original(*args, **kwargs)
            resume()
            try:
                return original(*args, **kwargs)
            finally:
                pause()
        if is_paused:
            paused[thread] = module
            return original(*args, **kwargs)
        pause()
        if thread in paused:
            paused[thread] = module
        try:
            return original(*args, **kwargs)
        finally:
            resume()

    return call


AT_ENGINE = "torch.autograd.backward"
"""What a thread is paused for that is about to enter the engine, where hooks and Functions of the user's run."""


def backward_gate(recorder: Recorder, original: Callee) -> Callee:
    """Wrap `torch.autograd.backward`: the clock pauses until the engine's door, where it resumes."""
    pause, resume, paused = recorder.clock.pause, recorder.clock.resume, recorder.clock.paused

    @functools.wraps(original)
    def go_to_engine(*args: Any, **kwargs: Any) -> Any:
        thread = get_ident()
        if thread in paused or not args or not isinstance(args[0], torch.Tensor):  # a generator of the user's?
            return original(*args, **kwargs)
        pause()
        if thread in paused:
            paused[thread] = AT_ENGINE
        try:
            return original(*args, **kwargs)
        finally:
            resume()

    return go_to_engine


def _clipping_gate(recorder: Recorder, original: Callee) -> Callee:
    pause, resume, paused = recorder.clock.pause, recorder.clock.resume, recorder.clock.paused

    @functools.wraps(original)
    def clip(*args: Any, **kwargs: Any) -> Any:
        if get_ident() in paused:
            return original(*args, **kwargs)
        pause()
        try:
            return original(*args, **kwargs)
        finally:
            resume()

    return clip


class _Kinds(dict[type, "bool | None"]):
    """Whether modules of a class run code of the user's, other than in hooks and other modules.

    None where they do if a function of the user's was handed to them.
    """

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._user_code = recorder.user_code

    def __missing__(self, kind: type) -> bool | None:
        answer = self[kind] = self._judge(kind)
        return answer

    def _judge(self, kind: type) -> bool | None:
        if not kind.__module__.startswith("torch.") or kind.__module__.startswith(_COMPILED):
            return True
        code = getattr(getattr(kind, "forward", None), "__code__", None)
        if code is not None and self._user_code(code):
            return True
        return None if _takes_function(kind) else False


def _takes_function(kind: type) -> bool:
    """Return whether the constructor of a class says that it takes a function.

    Source: the annotations of `torch.nn.TransformerEncoderLayer` (``activation``) and
    `torch.nn.TripletMarginWithDistanceLoss` (``distance_function``), torch 2.13.0.
    """
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):
        return False
    return any("Callable" in str(parameter.annotation) for parameter in parameters)


def _search(recorder: Recorder) -> Callable[[dict[str, Any]], bool]:
    """Return what tells of a module's attributes whether a function of the user's is among them."""
    user_code = recorder.user_code

    def was_given_function(attributes: dict[str, Any]) -> bool:
        for value in attributes.values():
            while isinstance(value, functools.partial):
                value = value.func
            code = getattr(getattr(value, "__func__", value), "__code__", None)
            if code is None and callable(value):
                code = getattr(type(value).__call__, "__code__", None)
            if code is not None and user_code(code):
                return True
        return False

    return was_given_function
