"""``copy.deepcopy`` and ``copy.copy``."""

from __future__ import annotations

from dataclasses import replace

from gradsan.source.flow.graph import Storage
from gradsan.source.flow.machine import Frame
from gradsan.source.flow.values import Choice, Instance, Layer, Mapping, Opaque, Sequence, Tensor, Value, complete


def copy_value(frame: Frame, value: Value, *, deep: bool) -> Value:
    """Return a copy of a value; a deep one has storages of its own."""
    return _copy(frame, value, {}) if deep else _shallow(value)


def _shallow(value: Value) -> Value:
    match value:
        case Sequence():
            return Sequence(list(value.items), is_exact=value.is_exact, is_tuple=value.is_tuple)
        case Mapping():
            return Mapping(dict(value.items), is_exact=value.is_exact)
        case Instance():
            return replace(value, attributes=dict(value.attributes))
        case _:
            return value


def _copy(frame: Frame, value: Value, made: dict[int, Value]) -> Value:
    if id(value) in made:
        return made[id(value)]
    copied: Value = value
    if isinstance(value, Instance):
        complete(value)
    match value:
        case Tensor():
            storage = Storage(value.storage.kind, value.storage.name, value.storage.owner, value.storage.is_tensor)
            frame.machine.touched.append(storage)
            copied = replace(value, storage=storage, node=None, view=None)
        case Sequence():
            copied = made[id(value)] = replace(value, items=[])
            copied.items = [_copy(frame, item, made) for item in value.items]
        case Mapping():
            copied = made[id(value)] = replace(value, items={})
            copied.items = {key: _copy(frame, item, made) for key, item in value.items.items()}
        case Opaque(tensor=None):
            copied = made[id(value)] = replace(value, attributes={}, node=None, weights=None)
        case Instance() | Layer():
            twin = replace(value, attributes={}, children=None)
            made[id(value)] = copied = twin
            twin.attributes = {key: _copy(frame, item, made) for key, item in value.attributes.items()}
            if value.children is not None:
                children = _copy(frame, value.children, made)
                twin.children = children if isinstance(children, Sequence) else None
        case Opaque():
            copied = Opaque(name=value.name, roots=value.roots, is_number=value.is_number)
        case Choice():
            copied = Choice(tuple((_copy(frame, option, made), guard) for option, guard in value.options))
    made[id(value)] = copied
    return copied
