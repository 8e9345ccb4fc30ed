"""Makes the table file of the installed torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from gradsan import knowledge
from gradsan.frameworks.torch.table.callables import callable_rows, public_name
from gradsan.frameworks.torch.table.rows import case_row, encode, parameter_texts
from gradsan.frameworks.torch.table.schemas import Overload, overloads


def main() -> int:
    """Write the table of the installed torch into the knowledge folder.

    Effect: writes one file, prints its path and counts.
    """
    version = torch.__version__.partition("+")[0]
    path = Path(knowledge.__file__).parent / "tables" / f"torch-{version}.jsonl"
    lines = table_lines(version)
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{path}: {len(lines)} lines, {path.stat().st_size} bytes")
    return 0


def table_lines(version: str) -> list[str]:
    """Return the lines of the table, in order."""
    known = overloads()
    rows = callable_rows(known)
    _link_twins(rows)
    for overload in known:
        rows[f"aten::{overload.name}"] = _overload_row(overload)
    header = json.dumps({"table": "torch", "version": version}, separators=(",", ":"))
    return [
        header,
        *(encode(rows[name]) for name in sorted(rows)),
        *(encode(row) for row in node_rows(known)),
    ]


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


def _link_twins(rows: dict[str, dict[str, Any]]) -> None:
    """Link what the schemas call the in-place and the functional variant of one operation."""
    inplace = {o.base: public_name(o) for o in overloads() if o.is_inplace}
    for overload in overloads():
        name, twin = public_name(overload), inplace.get(f"{overload.base}_")
        if name in rows and twin in rows and not overload.is_inplace and not overload.is_out:
            rows[name]["inplace"] = twin
            rows[twin]["out_of_place"] = name


def node_rows(known: tuple[Overload, ...]) -> list[dict[str, Any]]:
    """Return a line for each node that formulas make: the operation, and what its saved variables are."""
    nodes: dict[str, dict[str, Any]] = {}
    for overload in known:
        if overload.node is None or overload.is_inplace or overload.is_out or overload.node in nodes:
            continue
        name = public_name(overload) or f"aten::{overload.name}"
        nodes[overload.node] = {"node": overload.node, "operation": name}
        if name.startswith("nn.functional."):
            nodes[overload.node]["saved"] = {"self": "input"}
    for overload in known:
        if overload.node is not None and not overload.is_out and overload.node not in nodes:
            nodes[overload.node] = {"node": overload.node, "operation": public_name(overload) or overload.base}
    return [nodes[name] for name in sorted(nodes)]
