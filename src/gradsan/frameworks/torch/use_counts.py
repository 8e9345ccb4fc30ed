"""Who else holds a tensor: in Python, and in the engine."""

from __future__ import annotations

import sys
from typing import Any

import torch


def n_references(values: tuple[Any, ...], at: int) -> int:
    """Return how many references there are to an entry, that of the tuple and that of the count among them."""
    return sys.getrefcount(values[at])


ALONE = n_references((object(),), 0)
"""References to what a tuple alone holds, which differ from one version of Python to another, as do the next."""


def _of_a_variable() -> int:
    value = object()
    return sys.getrefcount(value)


def _of_an_argument(value: Any, *_args: Any) -> int:
    return sys.getrefcount(value)


OF_A_VARIABLE = _of_a_variable()
"""References to what one variable alone holds."""
OF_AN_ARGUMENT = _of_an_argument([])
"""References, in the function called, to an argument that has no name in the caller."""


def is_held_elsewhere(gradient: Any, own: int) -> bool:
    """Return whether more than ``own`` hold a tensor in the engine."""
    return isinstance(gradient, torch.Tensor) and gradient._use_count() > own  # type: ignore[attr-defined]
