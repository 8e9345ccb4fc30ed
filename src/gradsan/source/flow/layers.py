"""Calls of the framework's own modules."""

from __future__ import annotations

import ast

from gradsan.knowledge import UNKNOWN
from gradsan.source.flow.binding import literal_of, setting_of
from gradsan.source.flow.calling import call_function, chain, container_items, opaque_call
from gradsan.source.flow.graph import Node
from gradsan.source.flow.hooks import run_hooks, run_pre_hooks
from gradsan.source.flow.literals import text_of
from gradsan.source.flow.machine import Arguments, Frame, calls
from gradsan.source.flow.operations import apply
from gradsan.source.flow.values import Const, Instance, Layer, Opaque, Sequence, Tensor, Value
from gradsan.source.flow.weights import layer_weights
from gradsan.source.hierarchy import external_bases

CONTAINERS = frozenset(
    f"torch.nn.{name}" for name in ("Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict")
)


def construct(frame: Frame, dotted: str, arguments: Arguments, node: ast.AST) -> Layer | None:
    """Construct a module of the framework; None where it is none that we know."""
    place = frame.place(node)
    if dotted in CONTAINERS:
        layer = Layer(dotted, {}, place)
        layer.children = container_items(dotted.rpartition(".")[2], arguments)
        return layer
    operation = frame.machine.operation(dotted)
    if operation is None or operation.kind != "module":
        return None
    settings: dict[str, object] = {}
    for parameter, value in zip(operation.parameters, arguments.positional, strict=False):
        settings[parameter.name] = setting_of(operation, parameter.name, value)
    settings.update({name: setting_of(operation, name, value) for name, value in arguments.keywords.items()})
    if not arguments.is_exact:
        for name in ("inplace", "p"):
            settings.setdefault(name, UNKNOWN)
    return Layer(dotted, settings, place, since=frame.machine.tick())


_BASE = "<base>"
"""The attribute that holds what an object is as a module of the framework."""


def construct_base(frame: Frame, instance: Instance, arguments: Arguments, node: ast.AST) -> None:
    """Construct the module of the framework that an object's class derives from, ``class Safe(nn.Conv3d)``."""
    for base in external_bases(frame.machine.project, instance.info):
        if base.startswith("torch.nn.") and base not in CONTAINERS:
            layer = construct(frame, base, arguments, node)
            if layer is not None:
                frame.machine.journal.set(instance.attributes, _BASE, layer)
                return


def base_of(frame: Frame, instance: Instance, node: ast.AST) -> Layer | None:
    """Return what an object is as a module of the framework; None where its class derives from none that we know."""
    if _BASE not in instance.attributes:
        construct_base(frame, instance, Arguments(is_exact=False), node)
    known = instance.attributes.get(_BASE)
    return known if isinstance(known, Layer) else None


def inherited_weight(frame: Frame, instance: Instance, name: str, node: ast.AST) -> Tensor | None:
    """Return a parameter that the module of the framework makes which an object's class derives from."""
    if not name.startswith(("weight", "bias")):
        return None
    base = base_of(frame, instance, node)
    if base is None:
        return None
    base.is_frozen = base.is_frozen or instance.is_frozen
    return layer_weights(frame, base).get(name)


@calls(Layer)
def call_layer(frame: Frame, value: Layer, arguments: Arguments, node: ast.AST) -> Value:
    """Run a module of the framework."""
    arguments = run_pre_hooks(frame, value, arguments, node)
    if value.dotted == "torch.nn.Sequential" and value.children is not None:
        return run_hooks(frame, value, arguments, chain(frame, value.children, arguments, node), node)
    operation = frame.machine.operation(value.dotted)
    if operation is None or operation.kind != "module":
        return opaque_call(frame, Opaque(), arguments, node)
    bound: dict[str, Value] = dict(zip(operation.inputs, arguments.positional, strict=False))
    bound.update(arguments.keywords)
    name = value.dotted.removeprefix("torch.nn.")
    result = apply(
        frame,
        operation,
        bound,
        node,
        settings={"training": True, **value.arguments, **_reset(value)},
        label=name,
        created=value.created,
        module=name,
        weights=layer_weights(frame, value),
        target=text_of(frame, node.args[0]) if operation.may_write and isinstance(node, ast.Call) and node.args else "",
    )
    return run_hooks(frame, value, arguments, _shape(name, result), node)


def _reset(layer: Layer) -> dict[str, object]:
    """Return the settings that were assigned after the layer was made, ``module.inplace = False``."""
    return {name: literal_of(layer.attributes[name]) for name in ("inplace", "p") if name in layer.attributes}


def _shape(name: str, result: Value) -> Value:
    """Return results in the nesting that the module returns them in."""
    items = result.items if isinstance(result, Sequence) else [result]
    match name:
        case "LSTM":
            rest: list[Value] = list(items[1:]) or [Opaque(), Opaque()]
            return Sequence([items[0], Sequence(rest, is_tuple=True)], is_tuple=True)
        case "GRU" | "RNN" | "MultiheadAttention" | "LSTMCell":
            if len(items) == 1:
                return Sequence([items[0], Opaque(node=_node(items[0]))], is_tuple=True)
    return result


def _node(value: Value) -> Node | None:
    return value.node if isinstance(value, Tensor) else None


__all__ = ["Const", "Instance", "call_function", "construct"]
