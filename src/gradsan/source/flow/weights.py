"""Parameters: those of the framework's layers, and all of a module's."""

from __future__ import annotations

import ast
import re

from gradsan.knowledge import Operation
from gradsan.model.history import TensorKind
from gradsan.source.flow.graph import Grad, Storage
from gradsan.source.flow.machine import Frame
from gradsan.source.flow.tensors import leaf
from gradsan.source.flow.values import Choice, Instance, Layer, Mapping, Opaque, Sequence, Tensor, Value, complete
from gradsan.source.hierarchy import find_member
from gradsan.source.index import FunctionInfo, dotted_name
from gradsan.source.walking import walk

_TELLING = frozenset({"bias", "affine", "elementwise_affine", "num_embeddings", "num_parameters", "dim_feedforward"})
"""Constructor parameters that only a layer with weights has."""
_BIASED = frozenset({"bias", "affine", "dim_feedforward"})
"""Those that only a layer with a bias has: an embedding has none."""


def layer_weights(frame: Frame, layer: Layer) -> dict[str, Tensor]:
    """Return the parameters of a layer by name; empty where it has none."""
    known = layer.attributes.get("<weights>")
    if known is None:
        operation = frame.machine.operation(layer.dotted)
        names = {p.name for p in operation.parameters} if operation is not None else set()
        found: dict[object, Value] = {}
        if operation is not None:
            for name in weight_names(operation):
                found[name] = _parameter(frame, layer, name)
        if (
            not found
            and names & _TELLING
            and layer.arguments.get("affine", layer.arguments.get("elementwise_affine")) is not False
        ):
            for name in ("weight", "bias"):
                if name == "bias" and (not names & _BIASED or layer.arguments.get("bias") is False):
                    continue
                found[name] = _parameter(frame, layer, name)
        known = layer.attributes["<weights>"] = Mapping(found)
    assert isinstance(known, Mapping)
    return {
        str(name): override if isinstance(override := layer.attributes.get(name), Tensor) else tensor
        for name, tensor in known.items.items()
        if isinstance(tensor, Tensor)
    }


def _parameter(frame: Frame, layer: Layer, name: str) -> Tensor:
    tensor = leaf(frame, kind=TensorKind.PARAMETER, name=name, requires_grad=not layer.is_frozen)
    tensor.storage.owner = layer.dotted.rpartition(".")[2]
    tensor.storage.since = layer.since
    return tensor


def weight_names(operation: Operation) -> list[str]:
    """Return the parameters that the table names beside a module's inputs; recurrent and attention layers name many."""
    known: dict[str, None] = {}
    for case in operation.cases:
        for operand, needs in case.saves.items():
            known.update(dict.fromkeys((operand, *needs)))
    settings = {p.name for p in operation.parameters}
    return [
        name
        for name in known
        if (name.startswith(("weight", "bias")) or name.endswith(("weight", "_bias", ".bias")))
        and name not in operation.inputs
        if name not in settings or name == "bias"
    ]


def parameters_of(frame: Frame, value: Value, *, depth: int = 6) -> list[Tensor]:
    """Return the parameters of a module, a list of parameters, or whatever an optimizer is given."""
    match value:
        case Tensor():
            return [value]
        case Layer():
            inner = [p for child in _children(value) for p in parameters_of(frame, child, depth=depth - 1)]
            return [*layer_weights(frame, value).values(), *inner]
        case Opaque():
            return [opaque_weights(frame, value)]
        case Instance() if depth and not _children(value):
            return [opaque_weights(frame, held) for held in _wrapped(frame, value)]
        case _ if depth:
            return [p for part in _children(value) for p in parameters_of(frame, part, depth=depth - 1)]
        case _:
            return []


def _children(value: Value) -> list[Value]:
    match value:
        case Instance(attributes=attributes):
            children = complete(value).children
            held = [
                v
                for v in attributes.values()
                if isinstance(v, (Instance, Layer))
                or (isinstance(v, Tensor) and v.storage.kind is TensorKind.PARAMETER)
            ]
            return [*held, *(children.items if children is not None else ())]
        case Layer(children=Sequence(items=items)):
            return items
        case Sequence(items=items):
            return items
        case Mapping(items=found):
            return [found["params"]] if "params" in found else list(found.values())
        case Choice(options=options):
            return [option for option, _ in options]
        case _:
            return []


def _wrapped(frame: Frame, module: Instance) -> list[Opaque]:
    """Return the unknown networks that a module without known parts holds and calls: its weights are theirs."""
    found = find_member(frame.machine.project, module.info, "forward")
    if found is None or not isinstance(found[1], FunctionInfo):
        return []
    called = {
        node.func.attr
        for node in walk(found[1].node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "self"
    }
    return [v for name, v in module.attributes.items() if name in called and isinstance(v, Opaque) and not v.is_number]


def named_parameters_of(frame: Frame, value: Value, prefix: str = "", depth: int = 6) -> list[tuple[str, Tensor]]:
    """Return the parameters of a module with their names, as ``named_parameters`` gives them."""
    match value:
        case Tensor():
            return [(prefix, value)]
        case Layer():
            own = [(_dotted(prefix, name), tensor) for name, tensor in layer_weights(frame, value).items()]
        case Instance():
            own = [
                (_dotted(prefix, str(name)), held)
                for name, held in complete(value).attributes.items()
                if isinstance(held, Tensor) and held.storage.kind is TensorKind.PARAMETER
            ]
        case _:
            return [(prefix, parameter) for parameter in parameters_of(frame, value)]
    for name, child in named_children(value):
        if depth:
            own += named_parameters_of(frame, child, _dotted(prefix, name), depth - 1)
    return own


def is_parameter(frame: Frame, node: ast.AST, name: str) -> bool:
    """Return whether a function assigns a new parameter to the attribute that it reads here: it is one already.

    Source: torch/nn/modules/module.py, __setattr__ (2.13.0): a registered name takes nothing but a parameter.
    """
    info = frame.info
    if info is None or not isinstance(node, ast.Attribute):
        return False
    holder = dotted_name(node.value)
    if not holder:
        return False
    lines = info.module.lines[info.node.lineno - 1 : info.node.end_lineno]
    wanted = re.compile(rf"\b{re.escape(holder)}\.{name}\s*=\s*(?:torch\.)?(?:nn\.)?Parameter\(")
    return any(wanted.search(line) for line in lines if "Parameter(" in line)


def named_children(value: Instance | Layer) -> list[tuple[str, Value]]:
    """Return the modules that a module holds directly, with their names."""
    if isinstance(value, Instance):
        complete(value)
    found: list[tuple[str, Value]] = [
        (str(name), held) for name, held in value.attributes.items() if isinstance(held, (Instance, Layer))
    ]
    if value.children is not None:
        names = value.children.fields or tuple(str(at) for at in range(len(value.children.items)))
        found += list(zip(names, value.children.items, strict=False))
    return found


def _dotted(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def opaque_weights(frame: Frame, value: Opaque) -> Tensor:
    """Return the parameters of an unknown network, as one tensor."""
    if value.tensor is not None:
        return value.tensor
    if value.weights is None:
        value.weights = Storage(kind=TensorKind.PARAMETER, name=value.name)
        frame.machine.touched.append(value.weights)
    known = value.attributes.get("<weights>")
    if not isinstance(known, Tensor):  # it may be frozen: the one that is asked for next is the same
        known = value.attributes["<weights>"] = Tensor(value.weights, Grad.YES, is_leaf=True)
    return known
