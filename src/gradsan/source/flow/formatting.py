"""``"conv%d" % place``: the text that an operator makes of others."""

from __future__ import annotations

import re

from gradsan.source.flow.values import HOLE, Const, Opaque, Sequence, Value

_MAX_TEXT = 1000
_FIELD = re.compile(r"%(%|[-+ #0]*\d*(?:\.\d+)?[diouxXeEfFgGcrsa])")


def formatted(text: str, given: Value) -> Value:
    """Return what is formatted with ``%``: the text, or what is known of it."""
    parts = given.items if isinstance(given, Sequence) and given.is_tuple else [given]
    known = [part.value for part in parts if isinstance(part, Const)]
    is_exact = not isinstance(given, Sequence) or given.is_exact
    if is_exact and len(known) == len(parts):
        try:
            result = text % (tuple(known) if isinstance(given, Sequence) else known[0])
        except (TypeError, ValueError, OverflowError):
            return Opaque()
        return Const(result) if len(result) <= _MAX_TEXT else Opaque()
    values = iter(parts if is_exact else ())
    return Opaque(name=_FIELD.sub(lambda field: "%" if field[1] == "%" else _spelled(next(values, None)), text))


def _spelled(value: Value | None) -> str:
    return str(value.value) if isinstance(value, Const) else HOLE
