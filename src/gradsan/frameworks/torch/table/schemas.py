"""What torch's own yaml files say: the schema of every overload, and what its derivative formula saves.

The wheel ships ``torchgen/packaged`` (native_functions.yaml, derivatives.yaml) and the parser that torch's code
generator reads them with; the conditions under which a generated node saves a variable are ours to restate.
Source: torchgen/packaged/autograd/gen_variable_type.py, `guard_for` and `save_variables` (torch 2.13.0).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torchgen.packaged
from torchgen.api.autograd import match_differentiability_info
from torchgen.api.types import BaseCType, tensorT
from torchgen.gen import parse_native_yaml
from torchgen.packaged.autograd.load_derivatives import load_derivatives


@dataclass(frozen=True, slots=True, kw_only=True)
class Overload:
    """One schema: ``mul.Tensor``."""

    name: str
    base: str
    variants: frozenset[str]
    """Of ``function`` and ``method``."""
    module: str | None
    """The Python namespace: ``nn``, ``special``, ``linalg``, ``fft``, ..."""
    parameters: tuple[SchemaParameter, ...]
    n_results: int
    writes: tuple[str, ...]
    aliases: tuple[str, ...]
    views: str
    is_composite: bool
    """Made of other operations: the schema has no formula, running it tells."""
    is_out: bool
    is_inplace: bool
    node: str | None = None
    differentiable: bool = False
    saves: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SchemaParameter:
    """One argument of a schema."""

    name: str
    type: str
    default: str | None
    keyword_only: bool

    @property
    def is_tensor(self) -> bool:
        """Whether it takes a tensor, or a list of them."""
        return self.type.startswith("Tensor")


@cache
def overloads() -> tuple[Overload, ...]:
    """Return every overload of the installed torch, with what its node saves."""
    folder = Path(next(iter(torchgen.packaged.__path__)))
    native, tags = folder / "ATen/native/native_functions.yaml", folder / "ATen/native/tags.yaml"
    functions = parse_native_yaml(str(native), str(tags)).native_functions
    infos, _ = load_derivatives(str(folder / "autograd/derivatives.yaml"), str(native), str(tags))
    matched = match_differentiability_info(list(functions), infos)
    return tuple(_read_overload(entry.func, (entry.info or {}).get("Default")) for entry in matched)


def _read_overload(function: Any, info: Any) -> Overload:
    schema = function.func
    writes = tuple(a.name for a in schema.arguments.flat_all if a.annotation is not None and a.annotation.is_write)
    sets = {s: a.name for a in schema.arguments.flat_all if a.annotation for s in a.annotation.alias_set}
    shared = [sets[s] for r in schema.returns if r.annotation for s in r.annotation.alias_set if s in sets]
    is_view = any(r.annotation and not r.annotation.is_write for r in schema.returns)
    is_list = any(str(r.type).endswith("[]") for r in schema.returns if r.annotation)
    inplace = schema.kind().name == "inplace"
    saves = {} if info is None else _saves(function, info, inplace=inplace)
    return Overload(
        name=str(schema.name),
        base=str(schema.name.name),
        variants=frozenset(v.name for v in function.variants),
        module=function.python_module,
        parameters=_read_parameters(schema),
        n_results=max(1, len(schema.returns)),
        writes=writes,
        aliases=tuple(dict.fromkeys(shared)),
        views="none" if not is_view else "multiple" if is_list or len(shared) > 1 else "single",
        is_composite=function.has_composite_implicit_autograd_kernel,
        is_out=schema.is_out_fn(),
        is_inplace=inplace,
        node=None if info is None else info.op,
        differentiable=info is not None and bool(info.derivatives) and info.op is not None,
        saves=saves,
    )


def _read_parameters(schema: Any) -> tuple[SchemaParameter, ...]:
    arguments = schema.arguments
    positional = len(arguments.flat_positional)
    listed = [*arguments.flat_positional, *arguments.flat_kwarg_only, *arguments.out]
    return tuple(SchemaParameter(a.name, str(a.type), a.default, index >= positional) for index, a in enumerate(listed))


def _saves(function: Any, info: Any, *, inplace: bool) -> dict[str, tuple[str, ...]]:
    """Return operand -> the arguments of which one must require a gradient; none: always."""
    schema = function.func
    differentiable = _arguments_with_derivatives(schema, info)
    saves: dict[str, tuple[str, ...]] = {}
    for saved in info.all_saved_inputs:
        name = _name(saved)
        if "Tensor" not in str(saved.nctype.type) or saved.expr != name or "TensorOptions" in str(saved.nctype.type):
            continue
        # An in-place operation keeps a private copy of what `self` was.
        if inplace and name == "self":
            continue
        saves[name] = _needs(saved, name, info, differentiable)
    for saved in info.all_saved_outputs:
        saves[_result_name(_name(saved), schema)] = ()
    # torchgen keeps them in sets, whose order differs from process to process.
    arguments = [argument.name for argument in schema.arguments.flat_all if argument.name in saves]
    return {name: saves[name] for name in (*arguments, *sorted(saves.keys() - set(arguments)))}


def _needs(saved: Any, name: str, info: Any, differentiable: list[Any]) -> tuple[str, ...]:
    has_list = any(str(a.type).startswith("Tensor[") or str(a.type).startswith("Tensor?[") for a in differentiable)
    if has_list or "backward" in info.name or len(differentiable) <= 1 or saved.nctype.type != BaseCType(tensorT):
        return ()
    used_in = [d for d in info.derivatives if saved in d.saved_inputs]
    if len(used_in) != 1:
        return ()
    derivative = used_in[0]
    if len(derivative.var_names) == 1:
        return (derivative.var_names[0],)
    optional = re.search(rf"wrap_opt_if\({name},(.*?)\)", derivative.formula)
    if optional is None:
        return ()
    return tuple(differentiable[int(i)].name for i in re.findall(r"grad_input_mask\[(\d+)\]", optional[1]))


def _arguments_with_derivatives(schema: Any, info: Any) -> list[Any]:
    named = {name for d in info.derivatives for name in d.var_names}
    return [a for a in schema.arguments.flat_non_out if a.name in named]


def _name(saved: Any) -> str:
    name = saved.nctype.name
    return str(getattr(name, "name", name))


def _result_name(name: str, schema: Any) -> str:
    """Return the operand name of a saved result; yaml calls them ``result``, ``resultN``, or by the schema's name."""
    if len(schema.returns) == 1:
        return "result"
    named = [r.name for r in schema.returns]
    return f"result{named.index(name)}" if name in named else name
