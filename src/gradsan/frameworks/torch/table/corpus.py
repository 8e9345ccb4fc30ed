"""Calls to observe, from torch's own OpInfo database."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db

from gradsan.frameworks.torch.table.calls import Call, CannotBind, bind, public_calls, table_name
from gradsan.frameworks.torch.table.inventory import resolve
from gradsan.knowledge import Parameter

MOST_OF_VARIANTS = 10
"""How many samples are enough for a variant or another name of an operation."""

ParametersOf = Callable[[str], "tuple[Parameter, ...] | None"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One OpInfo sample as the public call that it makes."""

    op: str
    """The OpInfo's name, with its variant."""
    call: Call | None
    trouble: str = ""
    """Why there is no call."""


def op_samples(
    op: Any,
    parameters_of: ParametersOf,
    *,
    dtype: torch.dtype,
    limit: int | None = None,
    requires_grad: bool = True,
) -> Iterator[Sample]:
    """Yield the calls that an OpInfo's samples make: the function, its in-place variant, and its other names."""
    title = op.name + (f".{op.variant_test_name}" if op.variant_test_name else "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        samples = list(islice(op.sample_inputs("cpu", dtype, requires_grad=requires_grad), limit))
        others = [f for alias in op.aliases for f in (alias.op, alias.inplace_variant)]
        inplace = {id(f) for f in (op.inplace_variant, *(alias.inplace_variant for alias in op.aliases))}
        for function in [f for f in (op.op, op.inplace_variant, *others) if f is not None]:
            for sample in samples if function is op.op else samples[:MOST_OF_VARIANTS]:
                args = (sample.input, *sample.args)
                if id(function) in inplace and (sample.broadcasts_input or not isinstance(args[0], torch.Tensor)):
                    continue
                yield _sample(title, op, function, args, sample.kwargs, parameters_of)


def _sample(
    title: str, op: Any, function: Any, args: tuple[Any, ...], keywords: dict[str, Any], parameters_of: ParametersOf
) -> Sample:
    try:
        name, function, args, keywords = _public(op, function, args, keywords)
        parameters = parameters_of(name)
        if parameters is None:
            return Sample(title, None, f"no parameters known for {name}")
        return Sample(title, bind(name, function, args, keywords, parameters=parameters))
    except (CannotBind, RuntimeError, TypeError, ValueError, NotImplementedError, IndexError) as error:
        return Sample(title, None, str(error).partition("\n")[0])


def _public(op: Any, function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Return (table name, function, args, keywords) of the one public call that stands behind a sample."""
    if function is op.op and resolve(op.name) is function:
        return _row_name(op.name), function, args, keywords
    clones = _cloned(args)
    calls = [c for c in public_calls(function, clones, keywords) if _is_operation(c[0])]
    if len(calls) != 1 and op.name.startswith(("masked.", "nn.functional.")) and function is op.op:
        return op.name, resolve(op.name), args, keywords
    if len(calls) != 1:
        raise CannotBind(f"is made of {len(calls)} public calls")
    inner, seen_args, inner_keywords = calls[0]
    # An in-place function has written the clones: take the sample's own tensors.
    inner_args = tuple(next((a for a, c in zip(args, clones, strict=True) if c is seen), seen) for seen in seen_args)
    name = table_name(inner)
    if name is None or name.startswith("aten."):
        name = _aten_name(inner)
    if name.endswith(".__get__"):
        return name.removesuffix(".__get__"), inner, inner_args, inner_keywords
    return name, inner, inner_args, inner_keywords


def _row_name(name: str) -> str:
    """Return the table's name for an OpInfo's."""
    if name.startswith("torch.ops.aten."):
        return f"aten::{name.removeprefix('torch.ops.aten.').removesuffix('.default')}"
    return name if hasattr(torch, name.partition(".")[0]) else f"Tensor.{name}"


def _cloned(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return arguments that in-place functions may write, marked by requires_grad as before."""
    return tuple(a.clone() if isinstance(a, torch.Tensor) else a for a in args)


def _is_operation(function: Any) -> bool:
    name = table_name(function) or ""
    properties = ("T", "H", "mT", "mH", "real", "imag", "data")
    if name.endswith(".__get__"):
        return name.removesuffix(".__get__").removeprefix("Tensor.") in properties
    return name not in ("Tensor.clone", "clone")


def _aten_name(function: Any) -> str:
    text = str(function)
    if not text.startswith("aten."):
        raise CannotBind(f"{function} has no public name")
    packet, _, overload = text.removeprefix("aten.").partition(".")
    if not overload:
        overload = "default" if "default" in function.overloads() else function.overloads()[0]
    return f"aten::{packet}" + ("" if overload == "default" else f".{overload}")


def differentiable_ops() -> list[Any]:
    """Return the OpInfos of operations that support autograd."""
    return [op for op in op_db if op.supports_autograd]
