"""Copies for those who share: what a custom Function or a hook holds in a run that serves as a reference.

# NOTE [Own copies] The engine hands one buffer to everybody who waits for the same gradient: a hook or a custom
backward that writes into it changes what the others get.  A tensor that a custom Function keeps on ``ctx`` is not
checked: who writes into it later changes what its backward computes.  In a reference both are copies; what a hook
writes into its copy goes on along its own edge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from gradsan.frameworks.torch.doors import Patches

_BACKWARD = torch.autograd.function.BackwardCFunction


def give_copies(patches: Patches) -> None:
    """Give custom Functions and tensor hooks copies of their own; see NOTE [Own copies].

    Effect: wraps their entrances until the patches are restored.
    """
    apply = torch.autograd.Function.__dict__["apply"].__func__
    patches.set(torch.autograd.Function, "apply", classmethod(_applied(apply)))
    patches.set(_BACKWARD, "apply", _going_back(_BACKWARD.apply))
    patches.set(torch.Tensor, "register_hook", _registered(torch.Tensor.register_hook))


def _applied(apply: Callable[..., Any]) -> Callable[..., Any]:
    def apply_and_copy(cls: Any, *args: Any, **kwargs: Any) -> Any:
        result = apply(cls, *args, **kwargs)
        outputs = result if isinstance(result, tuple) else (result,)
        nodes: list[Any] = [each.grad_fn for each in outputs if isinstance(each, torch.Tensor)]
        for node in nodes:
            if isinstance(node, _BACKWARD):
                for name, value in list(vars(node).items()):
                    setattr(node, name, _copied(value))
        return result

    return apply_and_copy


def _going_back(apply: Callable[..., Any]) -> Callable[..., Any]:
    def apply_to_copies(node: Any, *gradients: Any) -> Any:
        return apply(node, *_copied(gradients))

    return apply_to_copies


def _registered(register: Callable[..., Any]) -> Callable[..., Any]:
    def register_hook(tensor: Any, hook: Callable[..., Any]) -> Any:
        def on_a_copy(gradient: Any) -> Any:
            copy = _copied(gradient)
            result = hook(copy)
            return copy if result is None else result

        return register(tensor, on_a_copy)

    return register_hook


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.clone()
    if type(value) in (list, tuple):
        return type(value)(_copied(each) for each in value)
    return {key: _copied(each) for key, each in value.items()} if type(value) is dict else value
