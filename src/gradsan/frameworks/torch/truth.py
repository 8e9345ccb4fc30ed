"""The true gradient of a function, by witnesses: finite differences, functionalization, protection.

# NOTE [Evaluating many times] Finite differences evaluate the function dozens of times.  Each evaluation begins with
the same random state (torch's, Python's, NumPy's) and the same buffers, on fresh leaves; the caller's random state,
tensors and module stay as they were.

# NOTE [Inputs are no leaves] The function gets copies on the tape, as it would inside a model: so it may write its
inputs.

Source: `torch.func.functionalize` gives out-of-place semantics, `torch/func/functionalize`; checked on torch 2.13.0.
"""

from __future__ import annotations

import copy
import math
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch.utils import _pytree as pytree

from gradsan.model.errors import UsageError
from gradsan.model.verification import Comparison, Verification

MAX_ELEMENTS = 128
"""Up to this many, each element is moved; above, the function is differentiated along `N_DIRECTIONS`."""

N_DIRECTIONS = 16
STEP = 1e-6
"""Of a central difference in float64: truncation and rounding both stay near 1e-10."""

SEED = 0
Protecting = Callable[[], AbstractContextManager[object]]


@dataclass(slots=True, eq=False)
class Function:
    """A function with its arguments, in one precision, and what it is differentiated by."""

    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    module: torch.nn.Module | None
    names: tuple[str, ...]

    def fresh(
        self, moves: Mapping[str, torch.Tensor] = MappingProxyType({})
    ) -> tuple[tuple[Any, ...], list[torch.Tensor]]:
        """Return arguments for one evaluation, and the leaves and parameters in the order of ``names``.

        ``moves`` are added to inputs, by name.
        """
        by_name = {}
        arguments = list(self.arguments)
        for n, each in enumerate(self.arguments):
            if _is_tensor(each):
                leaf = by_name[f"input {n}"] = each.detach().clone()
                if f"input {n}" in moves:
                    leaf += moves[f"input {n}"]
                arguments[n] = leaf
                if f"input {n}" in self.names:  # NOTE [Inputs are no leaves]
                    arguments[n] = leaf.requires_grad_().clone()
        if self.module is not None:
            by_name.update(self.module.named_parameters())
        return tuple(arguments), [by_name[name] for name in self.names]

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Put back what an evaluation changes; see NOTE [Evaluating many times]."""
        buffers = {} if self.module is None else {n: b.detach().clone() for n, b in self.module.named_buffers()}
        with torch.random.fork_rng(devices=[]), _other_random_states():
            torch.manual_seed(SEED)
            try:
                yield
            finally:
                if self.module is not None:
                    for name, buffer in self.module.named_buffers():
                        buffer.data.copy_(buffers[name])

    def value(self, arguments: tuple[Any, ...], call: Callable[..., Any] | None = None) -> torch.Tensor:
        """Return the results reduced to one number, each element with a weight of its own."""
        results = [each for each in pytree.tree_leaves((call or self.call)(*arguments)) if _is_float(each)]
        if not results:
            raise UsageError("the function returned no floating-point tensor: there is nothing to differentiate")
        sums = [(_weights(each) * each).sum() for each in results]
        return torch.stack([each.abs() if each.is_complex() else each for each in sums]).sum()


@contextmanager
def _other_random_states() -> Iterator[None]:
    numpy: Any = sys.modules.get("numpy")
    state, numpy_state = random.getstate(), None if numpy is None else numpy.random.get_state()
    random.seed(SEED)
    if numpy is not None:
        numpy.random.seed(SEED)
    try:
        yield
    finally:
        random.setstate(state)
        if numpy is not None:
            numpy.random.set_state(numpy_state)


def verify(fn: object, inputs: tuple[object, ...], protecting: Protecting) -> Verification:
    """Compare a function's gradient with every witness that can be had.

    Raises:
        UsageError: nothing to call, or nothing to differentiate.
    """
    if not callable(fn):
        raise UsageError(f"verify expects a function and its inputs; got {type(fn).__name__}, which can't be called")
    function = Function(fn, inputs, fn if isinstance(fn, torch.nn.Module) else None, _differentiated(fn, inputs))
    try:
        gradients = _gradients(function)
    except RuntimeError as error:
        return Verification(names=function.names, comparisons=(), failure=_first_sentence(error))
    if not _is_repeatable(function):
        told = "the function returns another value each time, or none that is finite"
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


def _is_repeatable(function: Function) -> bool:
    value = _forward(function, {})
    return math.isfinite(value) and value == _forward(function, {})


def _differentiated(fn: object, inputs: tuple[object, ...]) -> tuple[str, ...]:
    floats = [(n, each) for n, each in enumerate(inputs) if _is_float(each)]
    asked = [(n, each) for n, each in floats if each.requires_grad]  # type: ignore[attr-defined]
    names = [f"input {n}" for n, _ in asked or floats]
    if isinstance(fn, torch.nn.Module):
        names += [name for name, parameter in fn.named_parameters() if parameter.requires_grad]
    if not names:
        given = ", ".join(_shown_type(each) for each in inputs) or "no inputs"
        raise UsageError(f"verify expects a floating-point tensor among its inputs (not inside others); got {given}")
    return tuple(names)


def _shown_type(value: object) -> str:
    return f"{value.dtype} tensor" if isinstance(value, torch.Tensor) else type(value).__name__


def _gradients(function: Function, call: Callable[..., Any] | None = None) -> list[torch.Tensor]:
    with function.evaluating(), torch.enable_grad():
        arguments, leaves = function.fresh()
        value = function.value(arguments, call)
        if not value.requires_grad:
            return [torch.zeros_like(leaf) for leaf in leaves]
        found = torch.autograd.grad(value, leaves, allow_unused=True)
    return [torch.zeros_like(leaf) if each is None else each for each, leaf in zip(found, leaves, strict=True)]


def _by_differences(function: Function) -> Comparison:
    double = _in_double(function)
    gradients = _gradients(double)
    errors = [_difference_error(double, *each) for each in zip(double.names, gradients, strict=True)]
    return Comparison("finite differences", tuple(errors))


def _difference_error(function: Function, name: str, gradient: torch.Tensor) -> float:
    claimed, found = [], []
    for direction in _directions(gradient):
        claimed.append(float((gradient.conj() * direction).sum().real))
        ahead, behind = _forward(function, {name: direction * STEP}), _forward(function, {name: -direction * STEP})
        found.append((ahead - behind) / (2 * STEP))
    return _relative_error(torch.tensor(claimed, dtype=torch.float64), torch.tensor(found, dtype=torch.float64))


def _directions(like: torch.Tensor) -> Iterator[torch.Tensor]:
    if like.numel() <= MAX_ELEMENTS:
        for unit in (1, 1j) if like.is_complex() else (1,):
            for n in range(like.numel()):
                yield unit * torch.eye(1, like.numel(), dtype=like.dtype).roll(n).view(like.shape)
        return
    generator = torch.Generator().manual_seed(SEED)
    for _ in range(N_DIRECTIONS):
        yield torch.randn(like.shape, dtype=like.dtype, generator=generator) / math.sqrt(like.numel())


def _forward(function: Function, moves: Mapping[str, torch.Tensor]) -> float:
    """Evaluate with some of the inputs and parameters moved; parameters are moved back."""
    with function.evaluating():
        arguments, leaves = function.fresh(moves)
        named = dict(zip(function.names, leaves, strict=True))
        parameters = [(named[name], named[name].detach().clone(), name) for name in moves if name[:6] != "input "]
        for parameter, _, name in parameters:
            parameter.data.add_(moves[name])
        try:
            return float(function.value(arguments).detach())
        finally:
            for parameter, value, _ in parameters:
                parameter.data.copy_(value)


def _in_double(function: Function) -> Function:
    arguments = tuple(_doubled(each) if isinstance(each, torch.Tensor) else each for each in function.arguments)
    if function.module is None:
        return Function(function.call, arguments, None, function.names)
    module = copy.deepcopy(function.module).double()
    return Function(module, arguments, module, function.names)


def _doubled(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.is_complex():
        return tensor.detach().to(torch.complex128)
    return tensor.detach().double() if tensor.is_floating_point() else tensor


def _by_functionalization(function: Function, gradients: list[torch.Tensor]) -> Comparison:
    return _compare("functionalization", gradients, _gradients(function, torch.func.functionalize(function.call)))


def _by_protection(function: Function, gradients: list[torch.Tensor], protecting: Protecting) -> Comparison:
    with protecting():
        return _compare("protection", gradients, _gradients(function))


def _compare(witness: str, gradients: list[torch.Tensor], true: list[torch.Tensor]) -> Comparison:
    return Comparison(witness, tuple(_relative_error(g, t) for g, t in zip(gradients, true, strict=True)))


def _relative_error(gradient: torch.Tensor, true: torch.Tensor) -> float:
    scale = max(float(torch.linalg.vector_norm(true)), float(torch.linalg.vector_norm(gradient)))
    if not bool(true.isfinite().all() and gradient.isfinite().all()):
        return math.inf
    return 0.0 if scale < 1e-12 else float(torch.linalg.vector_norm(gradient - true)) / scale


def _weights(like: torch.Tensor) -> torch.Tensor:
    # Not ones: errors of opposite sign must not cancel.
    steps = torch.arange(like.numel(), device=like.device, dtype=torch.float64)
    return (1 + 0.5 * torch.cos(steps)).to(like.real.dtype if like.is_complex() else like.dtype).view(like.shape)


def _is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor)


def _is_float(value: object) -> bool:
    return isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex())
