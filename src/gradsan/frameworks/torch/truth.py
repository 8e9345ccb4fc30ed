"""The true gradient of a function, by witnesses: finite differences, functionalization, protection.

# NOTE [Corners] Where a function has a corner, as `relu` has at 0, the differences ahead and behind are different, and
every gradient between them is as true as any.

# NOTE [What differences can tell] A difference of two values is known up to their rounding, which the size of what was
summed up to them bounds.  The gradient of a bias before a batch norm is zero; what is computed for it is rounding.
Where the function computes in lower precision than it is given, or cancels large numbers, differences of another step
are other ones: they don't tell.

Source: `torch.func.functionalize` gives out-of-place semantics, `torch/func/functionalize`; checked on torch 2.13.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

from gradsan.frameworks.torch.verified import SEED, Function, function_of
from gradsan.knowledge.error_texts import recognise
from gradsan.model.errors import UsageError
from gradsan.model.verification import Comparison, Verification

MAX_ELEMENTS = 128
"""Up to this many, each element is moved; above, the function is differentiated along `N_DIRECTIONS`."""

N_DIRECTIONS = 16
STEP = 1e-6
"""Of a central difference in float64: truncation and rounding both stay near 1e-10."""

COARSE = 100
"""How much larger a second step is, where a first one disagrees: what a function computes does not depend on it."""

N_ROUNDINGS = 4
LOST = 1e-3
"""Of the whole gradient: where rounding may be more, differences tell nothing."""
LEAST_SHARE = 1e-4
"""Errors are relative to a tensor's own gradient, but at least to this share of the gradient by all of them."""

Protecting = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Beside:
    """A gradient beside a witness's, and how far that one can be trusted."""

    claimed: torch.Tensor
    found: torch.Tensor
    rounding: float = 0.0


def verify(fn: object, inputs: tuple[object, ...], protecting: Protecting) -> Verification:
    """Compare a function's gradient with every witness that can be had.

    Raises:
        UsageError: nothing to call, or nothing to differentiate.
    """
    if not callable(fn):
        raise UsageError(f"verify expects a function and its inputs; got {type(fn).__name__}, which can't be called")
    function = function_of(fn, inputs)
    try:
        gradients = _gradients(function)
    except RuntimeError as error:
        if recognise(str(error)) is None and not _runs(function):
            raise
        return Verification(names=function.names, comparisons=(), failure=_first_sentence(error))
    told = _why_not_repeatable(function)
    if told:
        return Verification(names=function.names, comparisons=(), not_compared=(told,))
    comparisons, not_compared = [], []
    witnesses: tuple[tuple[str, Callable[[], Comparison]], ...] = (
        ("finite differences", lambda: _by_differences(function)),
        ("functionalization", lambda: _by_functionalization(function, gradients)),
        ("protection", lambda: _by_protection(function, gradients, protecting)),
    )
    for name, witness in witnesses:
        try:
            comparisons.append(witness())
        except UsageError:
            raise
        except Exception as error:  # whatever the function raises in another precision, or under a transform
            not_compared.append(f"{name}: {type(error).__name__}: {_first_sentence(error)}")
    return Verification(names=function.names, comparisons=tuple(comparisons), not_compared=tuple(not_compared))


def _first_sentence(error: Exception) -> str:
    return str(error).partition("\n")[0].partition(". ")[0]


def _runs(function: Function) -> bool:
    """Whether the function itself runs: what failed is its gradient."""
    try:
        _forward(function, {})
    except RuntimeError:
        return False
    return True


def _why_not_repeatable(function: Function) -> str:
    value = _forward(function, {})[0]
    if not math.isfinite(value):
        return f"the function's value is {value}"
    return "" if value == _forward(function, {})[0] else "the function returns another value each time"


def _gradients(function: Function, call: Callable[..., Any] | None = None) -> list[torch.Tensor]:
    with function.evaluating(), torch.enable_grad():
        arguments, leaves = function.fresh()
        value = function.value(arguments, call)
        if not value.requires_grad:
            return [torch.zeros_like(leaf) for leaf in leaves]
        found = torch.autograd.grad(value, leaves, allow_unused=True)
    return [torch.zeros_like(leaf) if each is None else each for each, leaf in zip(found, leaves, strict=True)]


def _by_differences(function: Function) -> Comparison:
    with function.in_double() as double:
        gradients = _gradients(double)
        pairs = [_difference(double, *each) for each in zip(double.names, gradients, strict=True)]
        found = Comparison("finite differences", _relative_errors(pairs))
        if not found.agrees:  # NOTE [What differences can tell]
            named = zip(double.names, gradients, strict=True)
            coarse = [_difference(double, *each, step=COARSE * STEP) for each in named]
            again = [Beside(one.found, two.found, one.rounding) for one, two in zip(pairs, coarse, strict=True)]
            if max(_relative_errors(again)) > LOST:
                raise ArithmeticError("the differences depend on their step, as they do in lower precision")
    if 0 < LOST * max(_norm(each.found) for each in pairs) < max(each.rounding for each in pairs):
        raise ArithmeticError("the differences are lost in rounding")
    return found


def _difference(function: Function, name: str, gradient: torch.Tensor, *, step: float = STEP) -> Beside:
    claimed, found, largest = [], [], 0.0
    middle, size = _forward(function, {})
    for direction in _directions(gradient):
        slope = float((gradient.conj() * direction).sum().real)
        ahead, _ = _forward(function, {name: direction * step})
        behind, _ = _forward(function, {name: -direction * step})
        sides = sorted(((ahead - middle) / step, (middle - behind) / step))
        is_corner = (sides[1] - sides[0]) * step <= 1e-3 * max(1.0, abs(middle))  # a jump is none
        is_between = is_corner and sides[0] <= slope <= sides[1]  # NOTE [Corners]
        claimed.append(slope)
        found.append(slope if is_between else (ahead - behind) / (2 * step))
        largest = max(largest, size, abs(middle))
    # NOTE [What differences can tell]
    rounding = N_ROUNDINGS * torch.finfo(torch.float64).eps * largest / step * math.sqrt(len(claimed))
    doubles = [torch.tensor(each, dtype=torch.float64) for each in (claimed, found)]
    return Beside(doubles[0], doubles[1], rounding)


def _directions(like: torch.Tensor) -> Iterator[torch.Tensor]:
    if like.numel() <= MAX_ELEMENTS:
        for unit in (1, 1j) if like.is_complex() else (1,):
            for n in range(like.numel()):
                yield unit * torch.eye(1, like.numel(), dtype=like.dtype).roll(n).view(like.shape)
        return
    generator = torch.Generator().manual_seed(SEED)
    for _ in range(N_DIRECTIONS):
        yield torch.randn(like.shape, dtype=like.dtype, generator=generator) / math.sqrt(like.numel())


def _forward(function: Function, moves: Mapping[str, torch.Tensor]) -> tuple[float, float]:
    """Evaluate with some of the inputs and parameters moved; parameters are moved back."""
    with function.evaluating():
        arguments, _ = function.fresh(moves)
        moved = [
            (function.held[name], function.held[name].detach().clone(), name) for name in moves if name in function.held
        ]
        for parameter, _, name in moved:
            parameter.data.add_(moves[name])
        try:
            value, size = function.value_and_size(arguments)
            return float(value.detach()), size
        finally:
            for parameter, before, _ in moved:
                parameter.data.copy_(before)


def _by_functionalization(function: Function, gradients: list[torch.Tensor]) -> Comparison:
    return _compare("functionalization", gradients, _gradients(function, torch.func.functionalize(function.call)))


def _by_protection(function: Function, gradients: list[torch.Tensor], protecting: Protecting) -> Comparison:
    with protecting():
        return _compare("protection", gradients, _gradients(function))


def _compare(witness: str, gradients: list[torch.Tensor], true: list[torch.Tensor]) -> Comparison:
    pairs = [Beside(g.detach(), t.detach()) for g, t in zip(gradients, true, strict=True)]
    return Comparison(witness, _relative_errors(pairs))


def _relative_errors(pairs: Sequence[Beside]) -> tuple[float, ...]:
    sizes = [max(_norm(each.claimed), _norm(each.found)) for each in pairs]
    least = LEAST_SHARE * max((size for size in sizes if math.isfinite(size)), default=0.0)
    errors = []
    for each, size in zip(pairs, sizes, strict=True):
        if not math.isfinite(size):
            errors.append(math.inf)
            continue
        apart = max(0.0, _norm(each.claimed - each.found) - each.rounding)
        errors.append(0.0 if max(size, least) < 1e-12 else apart / max(size, least))
    return tuple(errors)


def _norm(tensor: torch.Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)))
