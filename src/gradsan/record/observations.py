"""What a program computed, kept small enough to be compared with what another version of it computed."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

# How far two computations of one value may differ, of the largest value: the order of floating-point operations may
# have changed, the mathematics may not.
_TOLERANCE = {"float64": 1e-10, "complex128": 1e-10, "float32": 1e-5, "complex64": 1e-5, "float16": 5e-3}
_COARSE = 2e-2
"""Of `bfloat16` and the 8-bit kinds."""
_EXACT = ("int", "uint", "bool")


@dataclass(frozen=True, slots=True)
class Sample:
    """A tensor's values at one moment: all of a small one; of a large one evenly spread ones, and sums of its parts.

    ``sums`` and ``magnitudes`` are the sums of the values, and of their absolute values, over parts of equal length.
    """

    shape: tuple[int, ...]
    dtype: str
    values: array[float]
    sums: array[float] = field(default_factory=lambda: array("d"))
    magnitudes: array[float] = field(default_factory=lambda: array("d"))

    @property
    def has_finite(self) -> bool:
        """Whether any of the values is a finite number, which another can differ from."""
        return any(map(math.isfinite, self.values))

    def agrees(self, other: Sample) -> bool:
        """Whether two tensors hold the same values, up to rounding."""
        if (self.shape, self.dtype, len(self.values)) != (other.shape, other.dtype, len(other.values)):
            return False
        if self == other:
            return True
        if self.dtype.startswith(_EXACT):
            return False
        tolerance = _TOLERANCE.get(self.dtype, _COARSE)
        finite = (abs(value) for value in other.values if math.isfinite(value))
        allowed = tolerance * max(finite, default=0.0)
        if not all(_is_near(a, b, allowed) for a, b in zip(self.values, other.values, strict=True)):
            return False
        parts = zip(self.sums, other.sums, self.magnitudes, other.magnitudes, strict=True)
        return all(
            _is_near(a, b, tolerance * weight) and _is_near(own, weight, tolerance * weight)
            for a, b, own, weight in parts
        )


def _is_near(a: float, b: float, allowed: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= allowed


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf that a backward pass reached: its value before, and its gradient after."""

    value: Sample | None
    grad: Sample | None
    name: str = field(default="", compare=False)
    """The path by which the program's global names lead to it; empty where none does."""

    def agrees(self, other: Leaf, *, by_gradient: bool = False) -> bool:
        """Whether both are the same leaf with the same gradient; or, if asked so, have the same gradient."""
        return (by_gradient or same(self.value, other.value)) and same(self.grad, other.grad)


@dataclass(slots=True)
class BackwardPass:
    """One call of `backward()` or `grad()`."""

    roots: tuple[Sample | None, ...]
    leaves: tuple[Leaf, ...] = ()
    returned: tuple[Sample | None, ...] = ()
    is_complete: bool = False
    is_again: bool = False
    """Whether a root had been through an earlier backward: the same loss, once more."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A write that the framework refused, and that was performed all the same to see where the program leads."""

    refusal: str
    is_on_leaf: bool
    is_on_parameter: bool
    cuts: bool
    """Whether what was written has a gradient of its own, which is lost where the write is kept off the tape."""


@dataclass(slots=True)
class Observations:
    """Everything that was noted of one run of a program."""

    passes: list[BackwardPass] = field(default_factory=list)
    state: dict[str, Sample] = field(default_factory=dict)
    """The tensors that the program's global names lead to when it has ended, by path: ``model.fc.weight``."""
    refused: list[Refused] = field(default_factory=list)
    updates: list[tuple[Sample | None, ...]] = field(default_factory=list)
    """The gradients that each step of an optimizer stepped with."""
    steps: set[str] = field(default_factory=set)
    """The paths of tensors that have a history: steps of the computation, and no state."""
    unread: set[str] = field(default_factory=set)
    """The paths of gradients, ``total.grad``, that nobody asked for: neither the program nor an optimizer."""
    n_missed: int = 0
    """How often the gradient of a step of the computation was asked for, and was None."""
    n_dropped: int = 0
    """How many results of activations, made in the place of a write to a leaf, no gradient went through."""
    takes_view: bool = False
    """Whether the program went on with a view of a parameter that a refused write had gone through."""
    writes_output: bool = False
    """Whether a refused write went to a parameter that a module had returned."""
    n_recorded: int = 0
    """How many writes were put on the tape that was not to know of them."""
    n_compiled: int = 0
    """How many functions and modules the program had compiled to something else than Python."""
    problems: list[str] = field(default_factory=list)
    """What could not be noted, and why."""


def same(one: Sample | None, other: Sample | None) -> bool:
    """Whether two samples agree; where nothing could be noted of either, they do."""
    if one is None or other is None:
        return one is other
    return one.agrees(other)


def all_same(some: Sequence[Sample | None], others: Sequence[Sample | None]) -> bool:
    """Whether two sequences agree, one by one."""
    return len(some) == len(others) and all(same(a, b) for a, b in zip(some, others, strict=True))


def same_leaves(some: Sequence[Leaf], others: Sequence[Leaf], *, by_gradient: bool = False) -> bool:
    """Whether both hold the same leaves with the same gradients; their order follows the graph's form and is free.

    Args:
        some: The leaves of one backward pass.
        others: Those of the other.
        by_gradient: Whether their values are left out of the comparison.
    """
    if len(some) != len(others):
        return False
    left = list(others)
    for leaf in some:
        at = next((at for at, other in enumerate(left) if leaf.agrees(other, by_gradient=by_gradient)), None)
        if at is None:
            return False
        del left[at]
    return True


def merged(leaves: Sequence[Leaf]) -> list[Leaf]:
    """Return leaves, those of one value as one with the sum of their gradients.

    A leaf whose place was taken stands in the graph twice: as what was used before that, and behind what took it.
    """
    found: list[Leaf] = []
    for leaf in leaves:
        at = next((at for at, other in enumerate(found) if leaf.value and same(leaf.value, other.value)), None)
        if at is None:
            found.append(leaf)
        else:
            found[at] = Leaf(leaf.value, _sum_of(found[at].grad, leaf.grad))
    return found


def _sum_of(one: Sample | None, other: Sample | None) -> Sample | None:
    """Return the sum of two samples that hold all values; of larger tensors no more is known than the first."""
    if one is None or other is None:
        return one or other
    if one.sums or other.sums or len(one.values) != len(other.values):
        return one
    return Sample(one.shape, one.dtype, array("d", (a + b for a, b in zip(one.values, other.values, strict=True))))
