"""Graphs joined: in a run that serves as a reference, a value that goes into a leaf keeps its history.

# NOTE [Joined graphs] ``nn.Parameter(f(x))``, ``p.data.copy_(f(x))`` and ``torch.tensor([loss_a, loss_b])`` give a leaf
the values of what was computed, and cut what computed them off.  In a run whose graphs are joined, the leaf's place is
taken by the computed tensor: whoever holds the leaf computes with it, and the gradient goes on to what it came from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from gradsan.frameworks.torch.doors import Patches


def join(patches: Patches) -> None:
    """Let new parameters and `torch.tensor` keep the history of what they are made of; see NOTE [Joined graphs].

    Effect: until the patches are restored.
    """
    parameter: Any = torch.nn.Parameter
    patches.set(parameter, "__new__", staticmethod(_new_parameter(parameter.__new__)))
    patches.set(torch.nn.Module, "register_parameter", _register(torch.nn.Module.register_parameter))
    for name in ("tensor", "as_tensor"):
        patches.set(torch, name, _of_values(getattr(torch, name)))


def take_place(leaf: Any, value: Any) -> bool:
    """Put a computed value where a leaf stood, for whoever holds it; return whether that could be done.

    Effect: swaps the two tensors' insides.
    """
    if not (has_history(value) and leaf.is_leaf):
        return False
    with torch.enable_grad():
        joined = value.to(leaf.dtype).expand(leaf.shape).clone()
    joined._is_param = isinstance(leaf, torch.nn.Parameter)
    swap(leaf, joined)
    return True


def swap(one: torch.Tensor, other: torch.Tensor) -> None:
    """Let two tensors change places, whoever refers to them.

    `torch.utils.swap_tensors` refuses where anybody holds a weak reference, as our own records do; those are to follow
    the object, as everybody else does.
    """
    one.__class__, other.__class__ = other.__class__, one.__class__
    one.__dict__, other.__dict__ = other.__dict__, one.__dict__
    torch._C._swap_tensor_impl(one, other)


def has_history(value: object) -> bool:
    """Whether a value is a tensor that was computed from something that requires a gradient."""
    return isinstance(value, torch.Tensor) and value.grad_fn is not None


def _new_parameter(original: Callable[..., Any]) -> Callable[..., Any]:
    def new(cls: Any, data: Any = None, *args: Any, **kwargs: Any) -> Any:
        if not (has_history(data) and torch.is_grad_enabled()):
            return original(cls, data, *args, **kwargs)
        joined = data.view_as(data)
        joined._is_param = True  # what `isinstance(joined, nn.Parameter)` asks for, torch/nn/parameter.py, 2.13.0
        return joined

    return new


def _register(original: Callable[..., None]) -> Callable[..., None]:
    """Accept a parameter with a history, which `register_parameter` refuses."""

    def register_parameter(module: Any, name: str, param: Any) -> None:
        original(module, name, None if has_history(param) else param)
        module._parameters[name] = param

    return register_parameter


def _of_values(original: Callable[..., Any]) -> Callable[..., Any]:
    def tensor(data: Any, *args: Any, **kwargs: Any) -> Any:
        made = original(data, *args, **kwargs)
        parts = data if isinstance(data, (list, tuple)) else [data]
        if made is data or not parts or not any(map(has_history, parts)) or not torch.is_grad_enabled():
            return made
        stacked = torch.stack([torch.as_tensor(each) for each in parts]) if parts is data else data.clone()
        return stacked.to(made.dtype)

    return tensor
