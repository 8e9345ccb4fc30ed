"""One call of one public callable, its arguments bound to the table's parameter names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, resolve_name

from gradsan.knowledge import UNKNOWN, Parameter, TensorFacts

Bound = Mapping[str, Any]
"""Arguments by the table's parameter names; tensors, lists of tensors, literals."""

PublicCall = tuple[Any, tuple[Any, ...], dict[str, Any]]
"""(function, arguments, keywords)"""


class CannotBind(Exception):
    """The arguments don't fit the parameters that the table knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A callable with its arguments bound by name."""

    name: str
    run: Callable[[Bound], Any]
    """Calls it with these values, or with others in their places."""
    bound: Bound
    context: Mapping[str, object] = field(default_factory=dict)
    """What else `Operation.effect` is told: a module's constructor arguments, and its mode."""

    def given(self, mask: frozenset[str] | None = None) -> dict[str, object]:
        """Return all there is to know of the arguments, where only ``mask`` requires a gradient."""
        known = {name: facts(value) for name, value in self.bound.items()}
        for name, fact in known.items():
            if mask is not None and isinstance(fact, TensorFacts):
                known[name] = replace(fact, requires_grad=bool(fact.requires_grad) and name in mask)
        return known | dict(self.context)


def bind(
    name: str,
    function: Callable[..., Any],
    args: Sequence[Any],
    keywords: Mapping[str, Any],
    *,
    parameters: tuple[Parameter, ...],
) -> Call:
    """Bind arguments to parameter names.

    Raises:
        CannotBind: They don't fit.
    """
    positional = [p for p in parameters if not p.keyword_only]
    bound: dict[str, Any] = {}
    rest: str | None = None
    for index, value in enumerate(args):
        if index >= len(positional):
            raise CannotBind(f"{name} takes {len(positional)} positions, {len(args)} given")
        parameter = positional[index]
        if index == len(positional) - 1 and (parameter.variadic or len(args) > len(positional)):
            rest = parameter.name
            bound[rest] = tuple(args[index:])
            break
        bound[parameter.name] = value
    in_place = [n for n in bound if n != rest]

    def run(values: Bound) -> Any:
        positions = [*(values[n] for n in in_place), *(values[rest] if rest is not None else ())]
        return function(*positions, **{key: values[key] for key in keywords})

    return Call(name=name, run=run, bound=bound | dict(keywords))


class _FirstCalls(TorchFunctionMode):
    """Records the outermost calls of torch functions."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[PublicCall] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls.append((func, tuple(args), dict(kwargs or {})))
        return func(*args, **(kwargs or {}))


def public_calls(function: Callable[..., Any], args: Sequence[Any], keywords: Mapping[str, Any]) -> list[PublicCall]:
    """Return the outermost torch calls that a function makes."""
    mode = _FirstCalls()
    with mode:
        function(*args, **keywords)
    return mode.calls


def table_name(function: Any) -> str | None:
    """Return the name under which the table knows a function object, without ``torch.``."""
    name = resolve_name(function)
    if name is None:
        return None
    name = str(name).removeprefix("torch.")
    if name.startswith("_C._nn."):
        return f"nn.functional.{name.removeprefix('_C._nn.')}"
    return name.removeprefix("functional.")


def facts(value: Any) -> object:
    """Return what `Operation.effect` may know of an argument: all there is to know."""
    if isinstance(value, torch.Tensor):
        return TensorFacts(
            requires_grad=value.requires_grad,
            ndim=value.ndim,
            dtype=str(value.dtype).removeprefix("torch."),
            contiguous=value.layout is torch.strided and value.is_contiguous(),
        )
    if value is None or isinstance(value, (bool, int, float, complex, str)):
        return value
    if isinstance(value, (list, tuple)):
        tensors = [item for item in value if isinstance(item, torch.Tensor)]
        if tensors:
            return TensorFacts(requires_grad=any(t.requires_grad for t in tensors))
        return tuple(facts(item) for item in value)
    return UNKNOWN
