"""The modules and parameters that a container of the framework holds, by name and by place."""

from __future__ import annotations

from gradsan.source.flow.machine import Frame
from gradsan.source.flow.values import Const, Instance, Layer, Mapping, Opaque, Sequence, Value
from gradsan.source.hierarchy import container_base

DICTS = frozenset({"ModuleDict", "ParameterDict"})


def is_dict(frame: Frame, module: Instance | Layer) -> bool:
    """Return whether a container holds its contents by name, as a dict does."""
    if isinstance(module, Layer):
        return module.dotted.rpartition(".")[2] in DICTS
    return container_base(frame.machine.project, module.info) in DICTS


def child_named(module: Instance | Layer, name: str) -> Value | None:
    """Return what a container holds under a name; None where it isn't known to hold it."""
    held = module.children
    if held is None:
        return None
    if name in held.fields:
        at = held.fields.index(name)
        return held.items[at] if at < len(held.items) else None
    is_place = not held.fields and held.is_exact and name.isdecimal()
    return held.items[int(name)] if is_place and int(name) < len(held.items) else None


def put_child(frame: Frame, module: Instance | Layer, name: str, value: Value) -> None:
    """Record that a container was given something under a name; the name is empty where it isn't known."""
    held = module.children
    if held is None:
        return
    names = held.fields or tuple(str(at) for at in range(len(held.items)))
    if name and name in names[: len(held.items)]:
        at = names.index(name)
        items = [*held.items[:at], value, *held.items[at + 1 :]]
        frame.machine.journal.set_items(held, items, is_exact=held.is_exact)
        return
    fields = (*names[: len(held.items)], name)
    frame.machine.journal.set_items(held, [*held.items, value], is_exact=held.is_exact and bool(name), fields=fields)


def update_children(frame: Frame, module: Instance | Layer, given: Value) -> None:
    """Record that a container was given the contents of a dict."""
    if isinstance(given, Mapping):
        for name, value in given.items.items():
            put_child(frame, module, name if isinstance(name, str) else "", value)
    if module.children is not None and not (isinstance(given, Mapping) and given.is_exact):
        frame.machine.journal.set_items(module.children, module.children.items, is_exact=False)


def names_of(held: Sequence) -> list[Value]:
    """Return the names of what a container holds, as far as they are known."""
    return [_name(held, at) for at in range(len(held.items))]


def _name(held: Sequence, at: int) -> Value:
    name = held.fields[at] if at < len(held.fields) else ""
    return Const(name) if name else Opaque()
