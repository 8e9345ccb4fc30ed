"""Views one by one, in place of several from one call.

# NOTE [Single views] The engine refuses a write to one of several views that one operation returned (`split`, `unbind`,
iteration), and a use of one whose base was written since; views taken one by one share the same memory, and it follows
them.  A program that means the former computes what it computes with the latter.

Source: "Output 0 of UnbindBackward0 is a view and is being modified inplace ... from a function that returns multiple
views"; `select` and `narrow` return one; checked on torch 2.13.0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch

from gradsan.frameworks.torch.doors import Patches

_PLAIN = (torch.Tensor, torch.nn.Parameter)


def give_single_views(patches: Patches) -> None:
    """Let what returns several views take them one by one; see NOTE [Single views].

    Effect: wraps it until the patches are restored.
    """
    for name, take in (("unbind", _unbind), ("split", _split), ("split_with_sizes", _split), ("chunk", _chunk)):
        for owner in (torch.Tensor, torch, torch.functional, torch._VF):
            original = getattr(owner, name, None)
            if original is not None:
                patches.set(owner, name, _taking(original, take))


def _taking(original: Callable[..., Any], take: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def taken(*args: Any, **kwargs: Any) -> Any:
        tensor: Any = args[0] if args else None
        if type(tensor) not in _PLAIN or tensor.layout is not torch.strided or tensor.is_nested:
            return original(*args, **kwargs)
        try:
            return take(*args, **kwargs)
        except Exception:  # asked for in another way, or for what is not there
            return original(*args, **kwargs)

    return taken


def _unbind(tensor: torch.Tensor, dim: int = 0) -> tuple[torch.Tensor, ...]:
    return tuple(tensor.select(dim, at) for at in range(tensor.shape[dim]))


def _split(tensor: torch.Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[torch.Tensor, ...]:
    length = tensor.shape[dim]
    if isinstance(split_size, int):
        split_size = [min(split_size, length - start) for start in range(0, length, split_size)]
    if sum(split_size) != length or not length:
        raise ValueError
    starts = [sum(split_size[:n]) for n in range(len(split_size))]
    return tuple(tensor.narrow(dim, *each) for each in zip(starts, split_size, strict=True))


def _chunk(tensor: torch.Tensor, chunks: int, dim: int = 0) -> tuple[torch.Tensor, ...]:
    return _split(tensor, -(-tensor.shape[dim] // chunks), dim)
