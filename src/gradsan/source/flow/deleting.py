"""``del things[key]``: what a container holds no longer."""

from __future__ import annotations

import ast

from gradsan.source.flow.machine import Frame, evaluate
from gradsan.source.flow.values import ABSENT, Choice, Const, Instance, Layer, Mapping, Opaque, Sequence, Value


def delete_item(frame: Frame, target: ast.Subscript) -> None:
    """Take out of a container what a statement deletes."""
    container = evaluate(frame, target.value)
    at = _place(frame, target.slice)
    options = [option for option, _ in container.options] if isinstance(container, Choice) else [container]
    for option in options:
        _take_out(frame, option, at, is_sure=len(options) == 1)


def _place(frame: Frame, index: ast.expr) -> object:
    """Return a key, a number or a slice; None where it isn't known."""
    if not isinstance(index, ast.Slice):
        key = evaluate(frame, index)
        return key.value if isinstance(key, Const) else None
    bounds = [evaluate(frame, bound) if bound is not None else Const(None) for bound in (index.lower, index.upper)]
    known = [bound.value for bound in bounds if isinstance(bound, Const)]
    return slice(*known) if len(known) == len(bounds) and index.step is None else None


def _take_out(frame: Frame, container: Value, at: object, *, is_sure: bool) -> None:
    match container:
        case Mapping():
            _take_out_of_dict(frame, container, at if is_sure else None)
        case Sequence():
            _take_out_of_list(frame, container, at if is_sure else None)
        case Instance(children=Sequence() as held) | Layer(children=Sequence() as held):
            named = held.fields.index(at) if isinstance(at, str) and at in held.fields else at
            _take_out_of_list(frame, held, named if is_sure else None)


def _take_out_of_dict(frame: Frame, found: Mapping, at: object) -> None:
    if at is not None and at in found.items:
        frame.machine.journal.set(found.items, at, ABSENT)
    elif at is None:
        found.is_exact = False
        for key in list(found.items):  # any of them may be gone
            frame.machine.journal.set(found.items, key, Opaque())


def _take_out_of_list(frame: Frame, held: Sequence, at: object) -> None:
    items, fields = list(held.items), list(held.fields)
    is_known = held.is_exact and isinstance(at, (int, slice))
    try:
        if is_known:
            del items[at]  # type: ignore[arg-type]
            if fields:
                del fields[at]  # type: ignore[arg-type]
    except (IndexError, TypeError):
        is_known = False
    if is_known:
        frame.machine.journal.set_items(held, items, is_exact=True, fields=tuple(fields))
    else:  # any of them may be gone
        frame.machine.journal.set_items(held, [], is_exact=False, fields=())


def present(found: Mapping) -> dict[object, Value]:
    """Return what a dict holds: none of what was deleted."""
    if not any(value is ABSENT for value in found.items.values()):
        return found.items
    return {key: value for key, value in found.items.items() if value is not ABSENT}


__all__ = ["delete_item", "present"]
