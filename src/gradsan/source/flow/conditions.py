"""What the conditions of a path say about how a program runs there."""

from __future__ import annotations

import re
from functools import lru_cache

from gradsan.source.flow.graph import Guard
from gradsan.source.flow.machine import Condition, Machine

_ONE_STEP = re.compile(
    r"(?:\.(?:size\(1\)|shape\[1\]|shape\[-2\])|\b(?:seq|q|query|token|kv)_?len(?:gth)?|\bseqlen) == 1$"
)
"""Tests of a sequence for a single element."""
_TEST_MODE = re.compile(
    r"^(?:\w+\.)*(?:(?:is_)?(?:inference|infer|eval|evaluate|test|testing|predict|generate)(?:_mode)?|test_\w+)$"
)
"""Names of settings that are on in evaluation."""


def runs_in_evaluation(machine: Machine, guard: Guard) -> bool:
    """Return whether a path is taken only where nothing is trained.

    In evaluation mode, or for sequences of a single element: generation feeds back one at a time.
    """
    for literal in guard:
        condition = machine.described.get(abs(literal))
        if condition is not None and _says_evaluation(machine, guard, literal, condition):
            return True
    return False


@lru_cache(maxsize=4096)
def _is_of_evaluation(text: str) -> bool:
    return _TEST_MODE.search(text) is not None or _ONE_STEP.search(text) is not None


def _says_evaluation(machine: Machine, guard: Guard, literal: int, condition: Condition) -> bool:
    if literal > 0:
        return _is_of_evaluation(condition.text)
    if condition.is_training:
        return True
    # Not all of them hold: where only one is left, that one doesn't.
    left = [part for part in condition.parts if part not in guard]
    if len(left) != 1 or len(condition.parts) < 2:
        return False
    last = machine.described.get(abs(left[0]))
    return last is not None and last.is_training and left[0] > 0
