"""Copies for those who share: what a custom Function or a hook holds in a run that serves as a reference.

# NOTE [Own copies] The engine hands one buffer to everybody who waits for the same gradient: a hook or a custom
backward that writes into it changes what the others get.  A tensor that a custom Function keeps on ``ctx`` is not
checked: who writes into it later changes what its backward computes.  In a reference both are copies; what a hook
writes into its copy goes on along its own edge.

# NOTE [Kept and shared gradients] The next backward overwrites the gradient's buffer: where a repair is about that,
what an optimizer's state keeps of a gradient is a copy in the reference.  A gradient that another leaf was given too,
and that an optimizer of that leaf has stepped with, is filled with zeros where `zero_grad` would drop it from one of
them: it goes on being shared.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook
from torch.utils.hooks import RemovableHandle

from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.regions import key_of

_BACKWARD = torch.autograd.function.BackwardCFunction


def give_copies(patches: Patches) -> None:
    """Give custom Functions and tensor hooks copies of their own; see NOTE [Own copies].

    Effect: wraps their entrances until the patches are restored.
    """
    apply = torch.autograd.Function.__dict__["apply"].__func__
    patches.set(torch.autograd.Function, "apply", classmethod(_applied(apply)))
    patches.set(_BACKWARD, "apply", _going_back(_BACKWARD.apply))
    patches.set(torch.Tensor, "register_hook", _registered(torch.Tensor.register_hook))


def keep_gradients(patches: Patches) -> RemovableHandle:
    """Let optimizers keep copies of gradients, and shared ones stay shared; see NOTE [Kept and shared gradients].

    Effect: wraps `zero_grad` until the patches are restored, and hooks steps until the handle is removed.
    """
    stepped: dict[int, tuple[weakref.ref[Any], weakref.ref[Any]]] = {}
    for owner in (torch.nn.Module, Optimizer):
        patches.set(owner, "zero_grad", _zeroing(owner.zero_grad, stepped))
    return register_optimizer_step_post_hook(_keeping(stepped))


def _keeping(stepped: dict[int, tuple[weakref.ref[Any], weakref.ref[Any]]]) -> Callable[..., None]:
    def keep(optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        for parameter in _parameters(optimizer):
            gradient = parameter.grad
            if gradient is None:
                continue
            stepped[id(parameter)] = weakref.ref(parameter), weakref.ref(gradient)
            state = optimizer.state.get(parameter, {})
            for name, value in list(state.items()):
                if isinstance(value, torch.Tensor) and key_of(value) == key_of(gradient) is not None:
                    state[name] = value.clone()

    return keep


def _zeroing(
    zero_grad: Callable[..., None], stepped: dict[int, tuple[weakref.ref[Any], weakref.ref[Any]]]
) -> Callable[..., None]:
    def zero(owner: Any, *args: Any, **kwargs: Any) -> None:
        own = list(_parameters(owner) if isinstance(owner, Optimizer) else owner.parameters())
        given = {id(each.grad) for each in own if each.grad is not None}
        others = [gradient() for parameter, gradient in stepped.values() if not any(parameter() is p for p in own)]
        is_shared = any(gradient is not None and id(gradient) in given for gradient in others)
        zero_grad(owner, *(() if is_shared else args), **({"set_to_none": False} if is_shared else kwargs))

    return zero


def _parameters(optimizer: Optimizer) -> list[Any]:
    return [each for group in optimizer.param_groups for each in group["params"]]


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
