"""Rows for what schemas bind to Python: ``torch.mul``, ``Tensor.add_``, ``linalg.norm``; overloads become cases."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

from gradsan.frameworks.torch.table.rows import case_row, parameter_texts
from gradsan.frameworks.torch.table.schemas import Overload, SchemaParameter

PREFIXES = ("special", "linalg", "fft", "sparse", "nested")


def public_name(overload: Overload) -> str | None:
    """Return the name that a Python program reaches the overload by, without ``torch.``; None: it can't."""
    if overload.is_out or not overload.variants:
        return None
    if overload.module in (None, ""):
        return overload.base
    if overload.module == "nn":
        return f"nn.functional.{overload.base}"
    if overload.module in PREFIXES:
        return f"{overload.module}.{overload.base.removeprefix(overload.module + '_')}"
    return None


def callable_rows(overloads: tuple[Overload, ...]) -> dict[str, dict[str, Any]]:
    """Return one row for each callable that schemas bind."""
    families: dict[str, list[Overload]] = defaultdict(list)
    for overload in overloads:
        name = public_name(overload)
        if name is not None and not any("Dimname" in p.type for p in overload.parameters):
            families[name].append(overload)
    return {name: _row(name, family) for name, family in families.items()}


def _row(name: str, family: list[Overload]) -> dict[str, Any]:
    if name.startswith("nn.functional."):
        family = [_with_input(overload) for overload in family]
    parameters, optional = _join_parameters(family)
    lead = next((o for o in family if o.differentiable), family[0])
    is_method = all(o.variants == {"method"} for o in family)
    return {
        "name": name,
        "kind": "method" if is_method else "function",
        "parameters": parameter_texts(parameters, optional=optional),
        "cases": _cases(family),
        "backward": lead.node,
        "differentiable": any(o.differentiable or o.is_composite for o in family),
        "n_results": max(o.n_results for o in family),
        "composite": any(o.is_composite for o in family),
        "source": "derivatives.yaml" if lead.node else "native_functions.yaml",
    }


def _with_input(overload: Overload) -> Overload:
    """Spell the first parameter as `torch.nn.functional` documents it: there is no method whose ``self`` it is."""

    def spelled(name: str) -> str:
        return "input" if name == "self" else name

    return replace(
        overload,
        parameters=tuple(replace(p, name=spelled(p.name)) for p in overload.parameters),
        writes=tuple(map(spelled, overload.writes)),
        aliases=tuple(map(spelled, overload.aliases)),
        saves={spelled(operand): tuple(map(spelled, needs)) for operand, needs in overload.saves.items()},
    )


def _join_parameters(family: list[Overload]) -> tuple[tuple[SchemaParameter, ...], frozenset[str]]:
    """Return the parameters of all overloads, those of the longest first; which of them some overload lacks."""
    longest = max(family, key=lambda o: (len([p for p in o.parameters if not p.keyword_only]), len(o.parameters)))
    joined = {p.name: p for p in longest.parameters}
    for overload in family:
        for p in overload.parameters:
            if p.name not in joined:
                joined[p.name] = SchemaParameter(p.name, p.type, p.default, True)
            elif p.is_tensor and not joined[p.name].is_tensor:
                joined[p.name] = SchemaParameter(p.name, p.type, joined[p.name].default, joined[p.name].keyword_only)
    optional = frozenset(n for n in joined if any(n not in {p.name for p in o.parameters} for o in family))
    # What only an overload without a derivative takes (`out_dtype` of `addmm`) is left out by default.
    usual = [o for o in family if o.differentiable or o.is_composite] or family
    rare = {n for n in optional if all(n not in {p.name for p in o.parameters} for o in usual)}
    joined |= {n: replace(joined[n], default="None") for n in rare if joined[n].default is None}
    ordered = sorted(joined.values(), key=lambda p: p.keyword_only)
    return tuple(ordered), optional


def _cases(family: list[Overload]) -> list[dict[str, Any]]:
    rows = [(case_row(o), _condition(o, family)) for o in family]
    if all(case == rows[0][0] for case, _ in rows):
        return [rows[0][0]]
    rows.sort(key=lambda pair: -len(pair[1]))
    return [({"when": when} if when else {}) | case for case, when in rows]


def _condition(overload: Overload, family: list[Overload]) -> dict[str, Any]:
    """Return the tests that tell this overload from its siblings: which arguments are given, and of what kind."""
    own = {p.name: p for p in overload.parameters}
    condition: dict[str, Any] = {}
    for sibling in family:
        for p in sibling.parameters:
            mine = own.get(p.name)
            if mine is None:
                if p.default is None:
                    condition[p.name] = {"kind": ["none"]}
            elif mine.is_tensor != p.is_tensor and "Scalar" in (mine.type, p.type):
                # Without a tensor twin, a number goes by the tensor's schema.
                condition.setdefault(p.name, {"kind": ["number"]} if p.is_tensor else {"kind": ["tensor"]})
    for p in overload.parameters:
        missing = [s for s in family if p.name not in {q.name for q in s.parameters}]
        if missing and p.default is None:
            condition.setdefault(p.name, {"kind_not": ["none"]})
    return condition
