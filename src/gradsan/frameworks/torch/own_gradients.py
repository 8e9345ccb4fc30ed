"""Gradients that belong to one edge alone: whoever writes into the one it was given writes into a copy.

# NOTE [Own gradients] The engine hands one buffer to everybody who waits for the same gradient.  A hook or a custom
backward that writes into it changes what the others get.  In a run that serves as a reference, each is given a copy;
a hook's copy goes on along its own edge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from gradsan.frameworks.torch.doors import Patches


def give_copies(patches: Patches) -> None:
    """Give custom backwards and tensor hooks copies of the gradients; see NOTE [Own gradients].

    Effect: wraps both entrances until the patches are restored.
    """
    backward = torch.autograd.function.BackwardCFunction
    patches.set(backward, "apply", _applied(backward.apply))
    patches.set(torch.Tensor, "register_hook", _registered(torch.Tensor.register_hook))


def _applied(apply: Callable[..., Any]) -> Callable[..., Any]:
    def apply_to_copies(node: Any, *grads: Any) -> Any:
        return apply(node, *(_copy(grad) for grad in grads))

    return apply_to_copies


def _registered(register: Callable[..., Any]) -> Callable[..., Any]:
    def register_hook(tensor: Any, hook: Callable[..., Any]) -> Any:
        def on_a_copy(grad: Any) -> Any:
            copy = _copy(grad)
            result = hook(copy)
            return copy if result is None else result

        return register(tensor, on_a_copy)

    return register_hook


def _copy(grad: Any) -> Any:
    return grad.clone() if isinstance(grad, torch.Tensor) else grad
