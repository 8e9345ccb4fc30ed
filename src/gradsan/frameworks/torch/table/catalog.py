"""Every public callable that the table speaks of: its name, its parameters, and what schemas say of it."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from gradsan.frameworks.torch.table.callables import callable_rows
from gradsan.frameworks.torch.table.inventory import (
    overridable,
    override_signature,
    python_parameters,
    resolve,
    signature_texts,
)
from gradsan.frameworks.torch.table.rows import case_row, parameter_texts
from gradsan.frameworks.torch.table.schemas import Overload, overloads

MASKED = (
    "sum",
    "prod",
    "cumsum",
    "cumprod",
    "amax",
    "amin",
    "mean",
    "median",
    "norm",
    "var",
    "std",
    "softmax",
    "log_softmax",
    "softmin",
    "normalize",
    "logaddexp",
    "logsumexp",
)


def catalog() -> dict[str, dict[str, Any]]:
    """Return one row for each callable; those that only running can tell of have no ``cases``."""
    rows = callable_rows(overloads())
    for row in rows.values():
        if row.pop("composite"):
            (first, *_) = row.pop("cases")
            if first.get("writes"):
                # What it writes is known from the schema; what it saves, only from running it.
                row["cases"] = [first | {"saves": {"result": []}, "maybe": ["result"]}]
    for name, function in overridable().items():
        texts = python_parameters(function)
        if texts is not None:
            _put_python(rows, name, texts)
        elif name not in rows and name.removeprefix("Tensor.") not in rows and "." in name:
            rows[name] = {"name": name, "parameters": signature_texts(override_signature(function))}
    for name in MASKED:
        _put_python(rows, f"masked.{name}", python_parameters(resolve(f"masked.{name}")) or [])
    for overload in overloads():
        rows[f"aten::{overload.name}"] = _overload_row(overload)
    return rows


def _put_python(rows: dict[str, dict[str, Any]], name: str, texts: list[str]) -> None:
    """Enter a Python function; a schema of the same name goes on as the method, if there is a builtin one."""
    schema = rows.pop(name, None)
    method = getattr(torch.Tensor, name, None)
    if schema is not None and "." not in name and method is not None and not inspect.isfunction(method):
        rows[f"Tensor.{name}"] = schema | {"name": f"Tensor.{name}", "kind": "method"}
    kind = "method" if name.startswith("Tensor.") else "function"
    rows[name] = {"name": name, "kind": kind, "parameters": texts}
    if schema is not None and schema.get("backward"):
        rows[name] |= {"backward": schema["backward"]}


def _overload_row(overload: Overload) -> dict[str, Any]:
    return {
        "name": f"aten::{overload.name}",
        "kind": "schema",
        "parameters": parameter_texts(overload.parameters),
        "cases": [case_row(overload)],
        "backward": overload.node,
        "differentiable": overload.differentiable or (overload.is_composite and not overload.is_out),
        "n_results": overload.n_results if overload.n_results > 1 else None,
    }


def canonical(name: str, rows: dict[str, dict[str, Any]]) -> str | None:
    """Return the row that a function's name belongs to; a method without a row of its own shares the function's."""
    if name in rows:
        return name
    bare = name.removeprefix("Tensor.")
    return bare if bare in rows else None


def same_objects(rows: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return public name -> row, for names that are another name of a function with a row (``F.conv2d``)."""
    by_object = {id(resolve(name)): name for name in sorted(rows, reverse=True) if not name.startswith("aten::")}
    found: dict[str, str] = {}
    for space in ("", "nn.functional", "special", "linalg", "fft", "sparse", "Tensor"):
        owner = resolve(space) if space else torch
        for attribute in dir(owner):
            name, function = f"{space}.{attribute}".lstrip("."), getattr(owner, attribute, None)
            if name not in rows and callable(function) and id(function) in by_object and not attribute.startswith("_"):
                found[name] = by_object[id(function)]
    return found
