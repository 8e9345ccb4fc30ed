"""Memory that holds what it held when it was saved, although it was written meanwhile.

# NOTE [Restored] Weights are swapped for their average and put back, a parameter's memory is freed and gathered again:
at backward they are what they were.  What a small storage on the CPU contains is noted before an alias of it can write,
and before its memory is given up, where a graph may hold it; nothing is told of writes that left it as it was.
Memory that was given up is known to be needed again, so whoever fills it is taken to restore it where that can't be
read.  Source: torch/distributed/fsdp/_flat_param.py (`_free_storage`), torch 2.13.0.
"""

from __future__ import annotations

from ctypes import string_at
from typing import Any

from gradsan.frameworks.torch.regions import REFUSALS
from gradsan.record.suspects import MAX_BEGINNINGS, Beginning, GivenUp, Suspect

MAX_BYTES = 1 << 16


def content_of(storage: Any) -> object:
    """Return a hash of what a small storage on the CPU contains; None where it is another."""
    try:
        n_bytes = int(storage.nbytes())
        if not 0 < n_bytes <= MAX_BYTES or storage.device.type != "cpu":
            return None
        return hash(string_at(storage.data_ptr(), n_bytes))
    except REFUSALS:
        return None


def is_restored(storage: Any, suspects: list[Suspect], given_up: GivenUp | None, number: int) -> bool:
    """Return whether writes left a storage as it was when a node saved it; see NOTE [Restored].

    Args:
        storage: The storage.
        suspects: The writes after the node, at least one.
        given_up: The last time that its memory was given up.
        number: The number of the node.
    """
    if given_up is not None and given_up.order < min(suspect.order for suspect in suspects):
        return given_up.content is None or given_up.content == content_of(storage)
    first = _first_after(number, suspects)
    if first is None or first.content is None or first.noted < number:
        return False
    return first.content == content_of(storage)


def _first_after(number: int, suspects: list[Suspect]) -> Beginning | None:
    """Return the first write after a node; None where it is forgotten, of a place that wrote many times."""
    found = []
    for suspect in suspects:
        later = [each for each in suspect.beginnings if each.number > number]
        if len(later) == MAX_BEGINNINGS:
            return None
        found += later
    return min(found, key=lambda each: each.order, default=None)
