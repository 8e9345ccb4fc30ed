"""Writes the lines of a table file; see NOTE [Table file] in `gradsan.knowledge.rows`."""

from __future__ import annotations

import json
from typing import Any

from gradsan.frameworks.torch.table.schemas import Overload, SchemaParameter


def encode(row: dict[str, Any]) -> str:
    """Return one line, without what is empty."""
    kept = {key: value for key, value in row.items() if value not in (None, [], {}, (), False, "none", "")}
    if row.get("cases") == [{}]:
        del kept["cases"]
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=True)


def case_row(overload: Overload) -> dict[str, Any]:
    """Return the one case of an overload."""
    case: dict[str, Any] = {}
    if overload.saves:
        case["saves"] = {operand: list(needs) for operand, needs in overload.saves.items()}
    if overload.writes:
        case["writes"] = list(overload.writes)
    if overload.aliases:
        case["aliases"] = list(overload.aliases)
    if overload.views != "none":
        case["views"] = overload.views
        if overload.is_composite:
            case |= {"may_return_input": True, "maybe": [f"aliases:{a}" for a in overload.aliases]}
    return case


def parameter_texts(parameters: tuple[SchemaParameter, ...], *, optional: frozenset[str] = frozenset()) -> list[str]:
    """Return parameters as a row writes them; ``optional`` ones get None where they have no default."""
    texts: list[str] = []
    for parameter in parameters:
        if parameter.keyword_only and "*" not in texts:
            texts.append("*")
        text = parameter.name + (":T" if parameter.is_tensor else "")
        if parameter.default is not None:
            text += f"={default_text(parameter.default)}"
        elif parameter.name in optional:
            text += "=!"
        texts.append(text)
    return texts


def default_text(default: str) -> str:
    """Return a schema's default as JSON; ``?`` where it isn't a literal of ours."""
    if default in ("True", "False", "None"):
        return {"True": "true", "False": "false", "None": "null"}[default]
    try:
        return json.dumps(json.loads(default))
    except ValueError:
        return "?"
