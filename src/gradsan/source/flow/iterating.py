"""What a loop runs over."""

from __future__ import annotations

import ast

from gradsan.model.event import ViewKind
from gradsan.model.history import TensorKind
from gradsan.source.flow.children import is_dict, names_of
from gradsan.source.flow.deleting import present
from gradsan.source.flow.graph import Guard
from gradsan.source.flow.machine import Frame
from gradsan.source.flow.tensors import view_of
from gradsan.source.flow.values import Choice, Const, Instance, Layer, Mapping, Opaque, Sequence, Tensor, Value, join

MAX_ITEMS = 4
"""Elements of a known list that a loop looks at."""
NO_LIST = "what the loop runs over is a tensor and no list of tensors"
"""The doubt about a value of which only its use tells that it is a tensor, perhaps on other paths."""
MAX_MODULES = 32
"""Parts of a network that a program's loop looks at."""


MAX_SWITCHED = 128
"""Parameters whose gradients a loop switches on or off."""


def loop_items(
    frame: Frame, value: Value, node: ast.AST, body: list[ast.stmt] | None = None
) -> tuple[list[Value], bool]:
    """Return the elements that a loop meets, and whether these are all."""
    items, is_exact = elements(frame, value, node)
    limit = 1
    if frame.machine.fuel > 0:
        limit = MAX_MODULES if frame.machine.is_program and _is_of_modules(items) else MAX_ITEMS
    if len(items) > limit and _is_of_modules(items) and body and _only_switches(body):
        limit = MAX_SWITCHED  # what is missed would pass for one that requires a gradient
    return (items[:limit], False) if len(items) > limit else (items, is_exact)


def _only_switches(body: list[ast.stmt]) -> bool:
    """Return whether statements do nothing but switch gradients on or off, or what layers do in place."""
    return all(map(_switches, body))


def _switches(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Attribute(attr="requires_grad" | "inplace")], value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="requires_grad_" | "detach_"))):
            return True
        case ast.If(body=body, orelse=orelse):
            return _only_switches(body) and _only_switches(orelse)
        case ast.Continue() | ast.Pass():
            return True
    return False


def _is_of_modules(items: list[Value]) -> bool:
    """Return whether these are parts of a network, or its parameters: a program tells them apart by name."""
    last = items[-1] if items else None
    if isinstance(last, Sequence) and last.items:
        last = last.items[-1]
    return isinstance(last, (Instance, Layer)) or (
        isinstance(last, Tensor) and last.storage.kind is TensorKind.PARAMETER
    )


def elements(frame: Frame, value: Value, node: ast.AST) -> tuple[list[Value], bool]:
    """Return the elements of a value, and whether these are all; samples where they are unknown."""
    match value:
        case Sequence(items=items, is_exact=is_exact):
            return items, is_exact
        case Tensor():
            return rows(frame, value, node), False
        case Opaque(tensor=Tensor() as tensor) if tensor.storage.is_tensor:
            return rows(frame, tensor, node, caveat=NO_LIST), False
        case Opaque():
            return [_element(value, i) for i in range(frame.machine.n_samples)], False
        case Mapping(is_exact=is_exact):
            keys: list[Value] = [Const(key) if isinstance(key, (str, int)) else Opaque() for key in present(value)]
            return (keys, True) if is_exact else (keys or [Opaque(), Opaque()], False)
        case Instance(children=Sequence() as held) | Layer(children=Sequence() as held):
            return names_of(held) if is_dict(frame, value) else held.items, held.is_exact
        case Const(value=text) if isinstance(text, str):
            return [Const(letter) for letter in text[:MAX_ITEMS]], len(text) <= MAX_ITEMS
        case Choice(options=options):
            choices: list[tuple[list[Value], bool, Guard]] = []
            for option, guard in options:
                inner, is_whole = elements(frame, option, node)
                choices += [(inner, is_whole, guard)] if inner else []
            return _either(choices)
        case _:
            return [Opaque(), Opaque()], False


def _either(found: list[tuple[list[Value], bool, Guard]]) -> tuple[list[Value], bool]:
    """Return the elements of one of several values, each on its own paths; a shorter one repeats its last element."""
    length = max((len(items) for items, _, _ in found), default=0)
    rows = [join([(items[min(at, len(items) - 1)], guard) for items, _, guard in found]) for at in range(length)]
    return rows, all(is_exact and len(items) == length for items, is_exact, _ in found)


def _element(value: Opaque, at: int) -> Value:
    key = ("element", at)
    known = value.attributes.get(key)
    if known is None:
        known = Opaque(roots=value.roots, node=value.node, is_number=value.is_number, is_network=value.is_network)
        value.attributes[key] = known
    return known


def append_unknown(frame: Frame, value: Opaque, item: Value) -> None:
    """Record that something unknown was given a last element: who runs over it meets that."""
    frame.machine.journal.set(value.attributes, ("element", frame.machine.n_samples - 1), item)


def rows(frame: Frame, tensor: Tensor, node: ast.AST, count: int = 0, *, caveat: str = "") -> list[Value]:
    """Return the rows that iterating over a tensor, or unpacking it, gives: views of several outputs."""
    return [
        view_of(frame, tensor, "unbind", node, kind=ViewKind.MULTI_OUTPUT, caveat=caveat)
        for _ in range(count or frame.machine.n_samples)
    ]
