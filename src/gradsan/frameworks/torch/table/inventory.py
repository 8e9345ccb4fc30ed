"""The public callables of torch, and the names of their parameters."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

import torch
from torch._jit_internal import boolean_dispatched
from torch.overrides import get_testing_overrides

from gradsan.frameworks.torch.table.calls import table_name
from gradsan.knowledge import Parameter
from gradsan.knowledge.rows import decode_parameters

SPACES = ("nn.functional", "special", "linalg", "fft", "masked", "sparse", "nn.init")


def python_parameters(function: Callable[..., Any]) -> list[str] | None:
    """Return the parameters of a Python function as a row writes them; None for a builtin."""
    if function in boolean_dispatched:
        function = boolean_dispatched[function]["if_false"]
    if not inspect.isfunction(function):
        return None
    try:
        return signature_texts(inspect.signature(function))
    except ValueError:  # a wrapper around a builtin
        return None


def signature_texts(signature: inspect.Signature) -> list[str]:
    """Return the parameters of a signature as a row writes them."""
    texts: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            texts.append(f"*{parameter.name}")
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in texts:
            texts.append("*")
        tensor = ":T" if "Tensor" in str(parameter.annotation) else ""
        default = "" if parameter.default is parameter.empty else f"={_json(parameter.default)}"
        texts.append(f"{parameter.name}{tensor}{default}")
    return texts


def _json(value: object) -> str:
    if value is None or isinstance(value, (bool, int, float, str, tuple)):
        try:
            return json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            return "?"
    return "?"


def resolve(name: str) -> Any:
    """Return the object of a table name, or None: `nn.functional.gelu`, `Tensor.add_`, `add_`, `aten::mul.Tensor`."""
    if name.startswith("aten::"):
        packet, _, overload = name.removeprefix("aten::").partition(".")
        found = getattr(torch.ops.aten, packet, None)
        return getattr(found, overload or "default", None)
    if name.startswith("torch."):
        name = name.removeprefix("torch.")
    found = torch
    for part in name.split("."):
        found = getattr(found, part, None)
    # `torch.half` is a type; the callable is the method.
    if "." not in name and not callable(found):
        found = getattr(torch.Tensor, name, found)
    return found


def overridable() -> dict[str, Any]:
    """Return every function that torch lets a tensor subclass override, by table name."""
    found: dict[str, Any] = {}
    for function in get_testing_overrides():
        name = table_name(function)
        if name is not None and (name.count(".") == 0 or name.startswith(("Tensor.", *(f"{s}." for s in SPACES)))):
            found[name.removesuffix(".__get__")] = function
    # The override table misses some functions that call a builtin at once (hardswish, 2.13.0).
    functional = vars(torch.nn.functional)
    for attribute, function in functional.items():
        if inspect.isfunction(function) and function.__module__ == "torch.nn.functional" and attribute[0] != "_":
            found.setdefault(f"nn.functional.{attribute}", function)
    return found


def override_signature(function: Any) -> inspect.Signature:
    """Return the parameters of a builtin as torch's own override table writes them."""
    return inspect.signature(get_testing_overrides()[function])


def parameters_of(texts: list[str]) -> tuple[Parameter, ...]:
    """Return the parameters that a row's texts describe."""
    return decode_parameters(texts)
