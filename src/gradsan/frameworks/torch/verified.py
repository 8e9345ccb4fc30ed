"""A function whose gradient is verified: its inputs, what else it holds, and how it is evaluated again and again.

# NOTE [Evaluating many times] Finite differences evaluate the function dozens of times.  Each evaluation begins with
the same random state (torch's, Python's, NumPy's) and the same buffers, on fresh leaves; the caller's random state,
tensors and modules stay as they were.

# NOTE [Inputs are no leaves] The function gets copies on the tape, as it would inside a model: so it may write its
inputs.

# NOTE [What a function holds] ``lambda x: loss(model(x), target)`` holds a module and a tensor.  Their parameters are
differentiated like those of a module that is verified itself, and all of them are in float64 while the inputs are.
"""

from __future__ import annotations

import functools
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import CodeType, FunctionType, MappingProxyType, MethodType
from typing import Any

import torch
from torch.utils import _pytree as pytree

from gradsan.model.errors import UsageError

SEED = 0
MAX_DEPTH = 3
_FOREIGN = ("torch", "numpy", "gradsan", "functools", "builtins")


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function with its inputs, in one precision, and what it is differentiated by.

    ``inputs`` are the leaves of what was passed, by name: ``input 0``, ``input 1['mask']``.
    """

    call: Callable[..., Any]
    inputs: Mapping[str, Any]
    spec: Any
    held: Mapping[str, torch.Tensor]
    """The parameters that the function holds, by name."""
    others: tuple[torch.Tensor, ...]
    """What else it holds: buffers, constants."""
    buffers: tuple[torch.Tensor, ...]
    names: tuple[str, ...]

    def fresh(
        self, moves: Mapping[str, torch.Tensor] = MappingProxyType({})
    ) -> tuple[tuple[Any, ...], list[torch.Tensor]]:
        """Return arguments for one evaluation, and the leaves and parameters in the order of ``names``.

        ``moves`` are added to inputs, by name.
        """
        by_name, arguments = dict(self.held), []
        for name, each in self.inputs.items():
            given = each
            if isinstance(each, torch.Tensor):
                given = by_name[name] = each.detach().clone()
                if name in moves:
                    given += moves[name]
                if name in self.names:  # NOTE [Inputs are no leaves]
                    given = given.requires_grad_().clone()
            arguments.append(given)
        return pytree.tree_unflatten(arguments, self.spec), [by_name[name] for name in self.names]

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Put back what an evaluation changes; see NOTE [Evaluating many times]."""
        before = [each.detach().clone() for each in self.buffers]
        with torch.random.fork_rng(devices=[]), _other_random_states():
            torch.manual_seed(SEED)
            try:
                yield
            finally:
                for buffer, value in zip(self.buffers, before, strict=True):
                    buffer.data.copy_(value)

    @contextmanager
    def in_double(self) -> Iterator[Function]:
        """Give the function in double precision.

        Effect: what it holds is in double precision until the end of the block.
        """
        every = {id(each): each for each in (*self.held.values(), *self.others)}.values()
        before = [(each, each.data) for each in every if _doubled(each) is not each]
        try:
            for each, value in before:
                each.data = _doubled(value)
            yield replace(self, inputs={name: _doubled(each) for name, each in self.inputs.items()})
        finally:
            for each, value in before:
                each.data = value

    def value(self, arguments: tuple[Any, ...], call: Callable[..., Any] | None = None) -> torch.Tensor:
        """Return the results reduced to one number, each element with a weight of its own."""
        return self.value_and_size(arguments, call)[0]

    def value_and_size(
        self, arguments: tuple[Any, ...], call: Callable[..., Any] | None = None
    ) -> tuple[torch.Tensor, float]:
        """Return that number, and how large its summands are together, which bounds its rounding."""
        results = [each for each in pytree.tree_leaves((call or self.call)(*arguments)) if is_float(each)]
        if not results:
            raise UsageError("the function returned no floating-point tensor: there is nothing to differentiate")
        weighted = [_weights(each) * each for each in results]
        size = sum(float(each.detach().abs().sum()) for each in weighted)
        sums = [each.sum() for each in weighted]
        return torch.stack([each.abs() if each.is_complex() else each for each in sums]).sum(), size


def function_of(fn: Callable[..., Any], inputs: tuple[object, ...]) -> Function:
    """Return a function to verify.

    Raises:
        UsageError: there is nothing to differentiate.
    """
    with_paths, spec = pytree.tree_flatten_with_path(inputs)
    by_name = {_name(path): each for path, each in with_paths}
    floats = {name: each for name, each in by_name.items() if is_float(each)}
    asked = [name for name, each in floats.items() if each.requires_grad]
    modules, tensors = _held_by(fn)
    held = {name: each for name, each in tensors.items() if each.is_leaf and each.requires_grad}
    for prefix, module in modules.items():
        parameters = module.named_parameters(prefix=prefix)
        held.update((name, each) for name, each in parameters if each.requires_grad)
    names = (*(asked or floats), *held)
    if not names:
        given = ", ".join(_shown_type(each) for each in inputs) or "no inputs"
        raise UsageError(f"verify expects a floating-point tensor among its inputs; got {given}")
    every = [part for module in modules.values() for part in module.modules()]
    buffers = {id(each): each for module in modules.values() for each in module.buffers()}
    plain = [each for part in every for each in vars(part).values() if isinstance(each, torch.Tensor)]
    frozen = [each for module in modules.values() for each in module.parameters() if not each.requires_grad]
    others = (*buffers.values(), *plain, *frozen, *tensors.values())
    return Function(fn, by_name, spec, held, others, tuple(buffers.values()), names)


def is_float(value: object) -> bool:
    """Whether a value is a tensor that can have a gradient."""
    return isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex())


def _name(path: tuple[Any, ...]) -> str:
    return f"input {path[0].idx}{pytree.keystr(path[1:])}"


def _shown_type(value: object) -> str:
    return f"{value.dtype} tensor" if isinstance(value, torch.Tensor) else type(value).__name__


def _held_by(fn: Any) -> tuple[dict[str, torch.nn.Module], dict[str, torch.Tensor]]:
    """Return the modules and the tensors that a function holds, by name; see NOTE [What a function holds]."""
    modules: dict[str, torch.nn.Module] = {}
    tensors: dict[str, torch.Tensor] = {}
    seen: set[int] = set()

    def visit(name: str, value: Any, depth: int) -> None:
        if id(value) in seen or depth < 0:
            return
        seen.add(id(value))
        if isinstance(value, torch.nn.Module):
            modules[name] = value
        elif isinstance(value, torch.Tensor):
            tensors[name] = value
        elif type(value).__module__.partition(".")[0] not in _FOREIGN or isinstance(value, _CALLABLES):
            for inner, each in _inside(value):
                visit(inner or name, each, depth - 1)

    visit("", fn, MAX_DEPTH)
    return modules, tensors


_CALLABLES = (FunctionType, MethodType, functools.partial)


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a callable refers to; a part without a name goes by that of the whole."""
    if isinstance(value, MethodType):
        yield "", value.__self__
        yield "", value.__func__
    elif isinstance(value, functools.partial):
        yield "", value.func
        yield from ((f"argument {n}", each) for n, each in enumerate(value.args))
        yield from value.keywords.items()
    elif isinstance(value, FunctionType):
        if value.__module__.partition(".")[0] in _FOREIGN:
            return
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            try:
                yield name, cell.cell_contents
            except ValueError:  # not bound yet
                continue
        yield from ((name, value.__globals__[name]) for name in _names(value.__code__) if name in value.__globals__)
    elif not isinstance(value, type):
        yield from getattr(value, "__dict__", {}).items()


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _names(each)


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


def _doubled(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    if value.is_complex():
        return value if value.dtype is torch.complex128 else value.detach().to(torch.complex128)
    return value.detach().double() if value.is_floating_point() and value.dtype is not torch.float64 else value


def _weights(like: torch.Tensor) -> torch.Tensor:
    # Not ones: errors of opposite sign must not cancel.
    steps = torch.arange(like.numel(), device=like.device, dtype=torch.float64)
    return (1 + 0.5 * torch.cos(steps)).to(like.real.dtype if like.is_complex() else like.dtype).view(like.shape)
