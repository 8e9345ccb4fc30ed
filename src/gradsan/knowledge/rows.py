"""How an operation stands on one line of a table file.

# NOTE [Table file]
One JSON object a line, in order of name.  The first key tells the kind of line: ``name`` (an operation), ``node``
(a node of the graph) or ``table`` (the header).  A line is decoded when it is asked for, so loading only splits.
What equals its default is left out.  Parameters are written as ``NAME``, ``NAME=DEFAULT`` (JSON; ``?`` where the
default isn't a literal, ``!`` where leaving it out chooses another overload), with ``:T`` after the name of a tensor,
``*`` before keyword-only ones, and ``*NAME`` for one that takes the rest.
"""

from __future__ import annotations

import json
from typing import Any

from gradsan.knowledge.condition import UNKNOWN
from gradsan.knowledge.operation import Case, Operation, Parameter, describe_defaults


def decode_operation(line: str) -> Operation:
    """Return the operation that a line describes."""
    row = json.loads(line)
    return describe_defaults(
        Operation(
            name=row["name"],
            kind=row.get("kind", "function"),
            parameters=decode_parameters(row.get("parameters", [])),
            inputs=tuple(row.get("inputs", ())),
            inplace=row.get("inplace"),
            out_of_place=row.get("out_of_place"),
            backward=row.get("backward"),
            derivative=row.get("derivative"),
            differentiable=row.get("differentiable", False),
            n_results=row.get("n_results", 1),
            note=row.get("note", ""),
            source=row.get("source", ""),
            cases=tuple(_decode_case(case) for case in row.get("cases", [{}])),
        )
    )


def _decode_case(case: dict[str, Any]) -> Case:
    return Case(
        when=case.get("when", {}),
        saves={operand: tuple(needs) for operand, needs in case.get("saves", {}).items()},
        saved_not_read=tuple(case.get("saved_not_read", ())),
        writes=tuple(case.get("writes", ())),
        uncounted=tuple(case.get("uncounted", ())),
        aliases=tuple(case.get("aliases", ())),
        views=case.get("views", "none"),
        may_return_input=case.get("may_return_input", False),
        maybe=tuple(case.get("maybe", ())),
    )


def decode_parameters(texts: list[str]) -> tuple[Parameter, ...]:
    """Return the parameters that a row writes; see NOTE [Table file]."""
    parameters: list[Parameter] = []
    keyword_only = False
    for text in texts:
        if text == "*":
            keyword_only = True
            continue
        head, has_default, default = text.partition("=")
        name, _, kind = head.partition(":")
        parameters.append(
            Parameter(
                name=name.lstrip("*"),
                default=_literal(default) if has_default else UNKNOWN,
                required=not has_default and not name.startswith("*"),
                keyword_only=keyword_only,
                variadic=name.startswith("*"),
                tensor=kind == "T",
                chooses_overload=default == "!",
            )
        )
    return tuple(parameters)


def _literal(text: str) -> object:
    if text == "?":
        return UNKNOWN
    if text == "!":
        return None
    value = json.loads(text)
    return _as_tuple(value) if isinstance(value, list) else value


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value
