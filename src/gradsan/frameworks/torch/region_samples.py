"""Samples of what a checkpointed region computed, and whether a second run computed the same."""

from __future__ import annotations

from typing import Any

import torch

from gradsan.frameworks.torch.regions import is_shown, key_of, unseen

N_VALUES = 32
TOLERANCE = 1e-3


class Sample:
    """Some values of a tensor that a region packed, and where it lived."""

    __slots__ = ("key", "number", "shape", "values")

    def __init__(self, tensor: Any, number: int, *, is_compared: bool = True) -> None:
        self.shape = tuple(tensor.shape)
        self.key = key_of(tensor)
        self.number = number
        self.values = _values_of(tensor) if is_compared else None


def _values_of(tensor: Any) -> torch.Tensor | None:
    if not isinstance(tensor, torch.Tensor) or tensor.layout is not torch.strided:
        return None
    if tensor.numel() == 0 or is_shown(tensor):
        return None
    with torch.no_grad(), torch._C.DisableTorchFunction(), unseen(tensor):
        flat = tensor.detach().reshape(-1)
        step = max(1, flat.numel() // N_VALUES)
        return flat[::step][:N_VALUES].clone()


def agree(sample: Sample, tensor: Any) -> bool:
    """Return whether a second run computed what the first one did, as far as the sample tells."""
    values = _values_of(tensor)
    if sample.values is None or values is None or values.shape != sample.values.shape:
        return True
    if values.dtype != sample.values.dtype:
        return True
    with torch.no_grad(), unseen(values):
        if not values.is_floating_point():
            return bool(torch.equal(values, sample.values))
        scale = float(sample.values.abs().max())
        return torch.allclose(values, sample.values, rtol=TOLERANCE, atol=TOLERANCE * scale + 1e-12, equal_nan=True)
