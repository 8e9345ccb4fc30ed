"""Makes the table file of the installed torch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gradsan import knowledge
from gradsan.frameworks.torch.table.by_hand import DERIVATIVES, HAND_ROWS, SAME
from gradsan.frameworks.torch.table.callables import public_name
from gradsan.frameworks.torch.table.catalog import catalog, same_objects
from gradsan.frameworks.torch.table.collect import Collection, collect
from gradsan.frameworks.torch.table.inventory import resolve
from gradsan.frameworks.torch.table.learn import Behaviour, learn_cases
from gradsan.frameworks.torch.table.modules import constructor_texts, forward_names
from gradsan.frameworks.torch.table.observe import saved_result_names
from gradsan.frameworks.torch.table.remarks import NOTES
from gradsan.frameworks.torch.table.rows import encode
from gradsan.frameworks.torch.table.schemas import Overload, overloads
from gradsan.frameworks.torch.table.surroundings import surroundings
from gradsan.knowledge import Operation
from gradsan.knowledge.rows import decode_operation

Rows = dict[str, dict[str, Any]]

SAMPLES_PER_OPERATION = 10


def generate(folder: Path | None = None) -> Path:
    """Write the table of the installed torch, and return its path.

    Effect: runs thousands of small operations (minutes), writes one file.
    """
    torch.set_num_threads(1)
    rows = catalog()
    found = collect(rows, limit=SAMPLES_PER_OPERATION)
    path = table_path(folder)
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(table_lines(installed_version(), rows, found)) + "\n", encoding="utf-8")
    return path


def installed_version() -> str:
    """Return torch's version, without the build."""
    return torch.__version__.partition("+")[0]


def table_path(folder: Path | None = None) -> Path:
    """Return where the table of the installed torch belongs."""
    return (folder or Path(knowledge.__file__).parent / "tables") / f"torch-{installed_version()}.jsonl"


def table_lines(version: str, rows: Rows, found: Collection) -> list[str]:
    """Return the lines of the table, in order."""
    assemble(rows, found)
    lines = {name: encode(row) for name, row in rows.items()}
    for name, row in {**same_objects(rows), **SAME}.items():
        lines[name] = json.dumps({"name": name, "same_as": row}, separators=(",", ":"))
    header = json.dumps({"table": "torch", "version": version}, separators=(",", ":"))
    return [header, *(lines[name] for name in sorted(lines)), *map(encode, node_rows(overloads(), rows))]


def assemble(rows: Rows, found: Collection) -> None:
    """Complete the rows with what was observed; drop those that nothing is known of."""
    for name, behaviours in found.behaviours.items():
        if not behaviours:
            continue
        row = rows.get(name) or rows.setdefault(name, _module_row(name))
        row["differentiable"] = True
        row["n_results"] = max(b.n_results for b in behaviours)
        if "cases" in row and agrees(decode_operation(encode(row)), behaviours):
            continue
        known = decode_operation(encode(row))
        row["cases"] = learn_cases([replace(b, given=known.complete(b.given)) for b in behaviours])
        row["source"] = "observed"
    for name, behaviours in found.without_graph.items():
        if "cases" not in rows[name] and behaviours:
            _enter_without_graph(rows, name, behaviours)
    for name, row in HAND_ROWS.items():
        rows[name] = {"name": name, "source": "by hand"} | rows.get(name, {}) | row
        rows[name].setdefault("cases", [{}])
    rows.update(surroundings(rows))
    for name in [name for name, row in rows.items() if "cases" not in row]:
        del rows[name]
    for key, texts in (("derivative", DERIVATIVES), ("note", NOTES)):
        for name, text in texts.items():
            if name in rows:
                rows[name][key] = text
    _link_twins(rows)


def _enter_without_graph(rows: Rows, name: str, behaviours: list[Behaviour]) -> None:
    row = rows[name]
    n_results = max(b.n_results for b in behaviours)
    row |= {"differentiable": False, "n_results": n_results, "cases": learn_cases(behaviours), "source": "observed"}
    if n_results == 0 and not any(b.writes for b in behaviours):
        # A name without a dot is a function's, unless the kind says otherwise.
        called = f"Tensor.{name}" if row.get("kind") == "method" and "." not in name else name
        rows[called] = rows.pop(name) | {"name": called, "kind": "other"}


def _module_row(name: str) -> dict[str, Any]:
    kind: type[nn.Module] = resolve(name)
    return {"name": name, "kind": "module", "parameters": constructor_texts(kind), "inputs": list(forward_names(kind))}


def agrees(operation: Operation, behaviours: list[Behaviour]) -> bool:
    """Return whether an operation's cases foretell every behaviour exactly."""
    return all(not disagreement(operation, b) for b in behaviours)


def disagreement(operation: Operation, seen: Behaviour) -> str:
    """Return what the table says otherwise than the engine did; empty where they agree."""
    effect = operation.effect(seen.given)
    saved = {*effect.saves_inputs, *saved_result_names(effect, seen.n_results)} & seen.present
    told = (
        ("saves", saved, set(seen.saves)),
        ("writes", set(effect.writes) & seen.present, set(seen.writes)),
        ("aliases", set(effect.aliases) & seen.present, set(seen.aliases)),
        ("views", effect.views, seen.views),
        ("may return its input", effect.may_return_input or not seen.is_input, True),
        ("certain", effect.certain, True),
    )
    return "; ".join(f"{what}: table {said}, engine {did}" for what, said, did in told if said != did)


def _link_twins(rows: Rows) -> None:
    """Link the variants of one operation: as schemas pair them, or as an ``inplace`` argument switches them."""
    inplace = {o.base: public_name(o) for o in overloads() if o.is_inplace}
    for overload in overloads():
        name, twin = public_name(overload), inplace.get(f"{overload.base}_")
        if name in rows and twin in rows and not overload.is_inplace and not overload.is_out:
            rows[twin]["out_of_place"] = name
            # `gelu_` is in `torch._C._nn` alone: programs can't call it by a public name.
            if resolve(twin) is not None:
                rows[name]["inplace"] = twin
    for name, row in rows.items():
        if any(p.startswith("inplace=") for p in row.get("parameters", ())):
            row["inplace"] = f"{name}(inplace=True)"


def node_rows(known: tuple[Overload, ...], rows: Rows) -> list[dict[str, Any]]:
    """Return a line for each node that formulas make: the operation, and what its saved variables are."""
    nodes: dict[str, dict[str, Any]] = {}
    for overload in sorted(known, key=lambda o: (o.is_inplace, public_name(o) not in rows)):
        if overload.node is None or overload.is_out or overload.node in nodes:
            continue
        name = public_name(overload)
        if name not in rows:
            name = f"aten::{overload.name}"
        nodes[overload.node] = {"node": overload.node, "operation": name}
        if name.startswith("nn.functional."):
            nodes[overload.node]["saved"] = {"self": "input"}
    return [nodes[name] for name in sorted(nodes)]
