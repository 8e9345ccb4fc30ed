"""How a write that the framework refuses can be performed so that its gradient is known, and what it was for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional

from gradsan.frameworks.torch.graph import base_of
from gradsan.frameworks.torch.joined import swap
from gradsan.frameworks.torch.regions import tensors_in
from gradsan.model.event import Refusal
from gradsan.record.frames import is_ours
from gradsan.record.observations import Observations

OUT_OF_PLACE = ("replaced", "result")
"""The ways of performing a refused write that no alias sees; see NOTE [Refused writes] in `witness`."""

_PLAIN_INDEX = (int, slice, tuple, type(Ellipsis))


def write_to_copy_of_leaf(write: Callable[..., Any], view: Any, rest: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Write into a view of a leaf, as if the view were one of a copy of the leaf, for whoever holds the leaf or it.

    Other views of the leaf do not see the write.

    Args:
        write: Performs the write on the tensor that it is given.
        view: The view of a leaf.
        rest: The other arguments of the write.
        kwargs: Its named ones.

    Returns:
        Whether that could be done: a parameter is to stay one, and a leaf that a graph already holds can't be swapped.
    """
    base = view._base
    if base is None or not base.is_leaf or isinstance(base, torch.nn.Parameter):
        return False
    if not base.is_contiguous() or base.storage_offset():
        return False
    copy = base.detach().requires_grad_().clone()
    part = copy.as_strided(view.shape, view.stride(), view.storage_offset())
    write(part, *rest, **kwargs)
    try:
        swap(base, copy)
    except RuntimeError:
        return False
    swap(view, part)
    return True


def write_through(
    refusal: Refusal, write: Callable[..., Any], view: Any, rest: tuple[Any, ...], kwargs: dict[str, Any]
) -> bool:
    """Write into a view that was made under `no_grad` as into one that was not: the base knows of the write.

    Args:
        refusal: Why the write is refused.
        write: Performs the write on the tensor that it is given.
        view: The view.
        rest: The other arguments of the write.
        kwargs: Its named ones.

    Returns:
        Whether that could be done.  Where no gradient comes with what is written, it may be meant to be off the tape.
    """
    base = base_of(view)
    given = [each for each in tensors_in((rest, kwargs)) if each.requires_grad]
    if refusal is not Refusal.NO_GRAD_VIEW or base is view or not given or (base.is_leaf and base.requires_grad):
        return False
    part = base.as_strided(view.shape, view.stride(), view.storage_offset())
    write(part, *rest, **kwargs)
    swap(view, part)
    return True


def is_result_only(tensor: Any, way: str) -> bool:
    """Whether what an activation makes of a tensor is its result, and the tensor stays itself.

    Args:
        tensor: What is written.
        way: How refused writes are performed; see NOTE [Refused writes] in `witness`.
    """
    if way not in OUT_OF_PLACE:
        return False
    is_own = tensor.is_leaf and tensor.requires_grad if way == "result" else isinstance(tensor, torch.nn.Parameter)
    return is_own and _is_for_a_flag()


def note_use(observations: Observations, result: torch.Tensor) -> torch.Tensor:
    """Count a result as dropped until a gradient comes through it: who goes on with the leaf meant to set its value."""
    observations.n_dropped += 1
    used: list[bool] = []

    def use(_: torch.Tensor) -> None:
        if not used:
            used.append(True)
            observations.n_dropped -= 1

    if result.requires_grad:
        result.register_hook(use)  # type: ignore[no-untyped-call]
    return result


def _is_for_a_flag() -> bool:
    """Whether the caller writes for an activation that was given ``inplace=True``: its caller goes on with the result.

    Source: torch/nn/functional.py, 2.13.0.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return frame.f_code.co_filename == torch.nn.functional.__file__


def is_put_back(tensor: torch.Tensor, given: torch.Tensor, arguments: tuple[Any, ...]) -> bool:
    """Whether ``tensor[index] = given`` assigns a part of the tensor to itself, as ``tensor[index] += 1`` ends in."""
    if len(arguments) != 2 or arguments[1] is not given or not isinstance(arguments[0], _PLAIN_INDEX):
        return False
    part = tensor.detach()[arguments[0]]
    own, other = ((t.data_ptr(), tuple(t.shape), t.stride()) for t in (part, given))
    return own == other
