"""Writes into tensors whose elements share memory, as an expanded tensor's do: refused at once, or by backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from gradsan.frameworks.torch.joined import swap


def write_apart(write: Callable[..., Any], tensor: Any, rest: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Write into a copy, and copy that back, on the tape; a tensor whose elements share memory becomes the copy.

    A leaf that is to stay one gets the values only.
    """
    copy = tensor.clone()
    write(copy, *rest, **kwargs)
    try:
        tensor.copy_(copy)
    except RuntimeError:
        if tensor.is_leaf and (tensor.requires_grad or not copy.requires_grad):
            tensor.data = copy.detach()
        else:
            swap(tensor, copy)


def shares_its_elements(tensor: Any) -> bool:
    """Whether several elements of a tensor with a gradient are one piece of memory."""
    if not torch.is_grad_enabled() or not isinstance(tensor, torch.Tensor) or tensor.layout is not torch.strided:
        return False
    is_shared = any(step == 0 and length > 1 for step, length in zip(tensor.stride(), tensor.shape, strict=True))
    return is_shared and tensor.requires_grad and not tensor.is_leaf


def goes_through(write: Callable[..., Any], tensor: Any, rest: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a write into elements that share memory is refused by backward only, as one by an index is."""
    memory = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    with torch.no_grad():
        memory.set_(tensor.untyped_storage().clone(), tensor.storage_offset(), tensor.shape, tensor.stride())
        try:
            write(memory, *rest, **kwargs)
        except RuntimeError:
            return False
    return True
