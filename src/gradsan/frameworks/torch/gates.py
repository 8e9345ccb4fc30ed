"""Gates at the calls of modules: the line clock pauses while the framework's own code runs.

# NOTE [Gates] `sys.settrace` slows every instruction of a thread, the framework's too: a forward pass of small layers
by half.  No line of the user's runs inside a module of the framework, unless hooks or modules of the user's do; at
their calls the clock resumes.  A plain function that was handed to a module (``activation=lambda x: ...``) goes
unfollowed: what it makes is told as made by the line that called the module.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from gradsan.frameworks.torch.doors import Callee
    from gradsan.frameworks.torch.recorder import Recorder

_COMPILED = "torch._dynamo."
"""Modules of this package run the user's code without calling its module."""


def module_gate(recorder: Recorder, original: Callee) -> Callee:
    """Wrap `torch.nn.Module.__call__`."""
    pause, resume, paused = recorder.clock.pause, recorder.clock.resume, recorder.clock.paused
    runs_user_code = _judge(recorder)
    hooks: Any = torch.nn.modules.module
    before, after = hooks._global_forward_pre_hooks, hooks._global_forward_hooks

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        # NOTE [Hot path] in `wrappers`
        module, thread = args[0], get_ident()
        own = module.__dict__
        try:
            is_users = runs_user_code(type(module)) or own["_forward_hooks"] or own["_forward_pre_hooks"]
        except KeyError:  # not initialised: what runs will say so
            is_users = True
        if is_users or before or after or "forward" in own:
            if thread not in paused:
                return original(*args, **kwargs)
            resume()
            try:
                return original(*args, **kwargs)
            finally:
                pause()
        if thread in paused:
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


def _judge(recorder: Recorder) -> Callable[[type], bool]:
    """Return what tells whether modules of a class run code of the user's, other than in hooks and other modules."""

    @functools.cache
    def runs_user_code(kind: type) -> bool:
        if not kind.__module__.startswith("torch.") or kind.__module__.startswith(_COMPILED):
            return True
        code = getattr(getattr(kind, "forward", None), "__code__", None)
        return code is not None and recorder.user_code(code)

    return runs_user_code
