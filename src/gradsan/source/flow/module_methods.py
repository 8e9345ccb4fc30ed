"""Methods that every network module has."""

from __future__ import annotations

import ast

from gradsan.model.history import TensorKind
from gradsan.source.flow.calling import call_instance, chain, container_items, fill_container, opaque_call
from gradsan.source.flow.children import child_named, is_dict, put_child, update_children
from gradsan.source.flow.containers import pairs_of, sequence_method
from gradsan.source.flow.graph import Grad
from gradsan.source.flow.hooks import AFTER, BACKWARD, BEFORE, add_hook
from gradsan.source.flow.layers import base_of, call_layer, construct_base
from gradsan.source.flow.lightning import lightning_method
from gradsan.source.flow.machine import Arguments, Frame, call
from gradsan.source.flow.regrads import regrad_of
from gradsan.source.flow.training import fill_groups, overwrite_parameters
from gradsan.source.flow.values import (
    NONE,
    Choice,
    Const,
    Instance,
    Layer,
    Opaque,
    Sequence,
    Super,
    Tensor,
    Value,
    complete,
)
from gradsan.source.flow.weights import layer_weights, named_children, named_parameters_of, parameters_of
from gradsan.source.hierarchy import container_base, is_optimizer_class

_SAME = frozenset(
    [
        "to",
        "cuda",
        "cpu",
        "half",
        "float",
        "double",
        "bfloat16",
        "type",
        "train",
        "eval",
        "share_memory",
        "to_empty",
        "compile",
    ]
)


def module_method(frame: Frame, module: Instance | Layer, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """Call a method that a module inherits from the framework."""
    first = arguments.positional[0] if arguments.positional else None
    if isinstance(module, Instance):
        complete(module)
        result = lightning_method(frame, module, name, arguments, node)
        if result is not None:
            return result
    if name in _SAME:
        return module
    match name:
        case "requires_grad_":
            freeze(frame, module, frozen=isinstance(first, Const) and first.value is False)
            return module
        case "parameters":
            return Sequence(list(parameters_of(frame, module)), is_exact=False)
        case "named_parameters":
            named = named_parameters_of(frame, module)
            return Sequence([Sequence([Const(n), p], is_tuple=True) for n, p in named], is_exact=False)
        case "children" | "modules" | "named_children" | "named_modules":
            return _modules(module, deep=name.endswith("modules"), named=name.startswith("named"))
        case "register_buffer" if isinstance(first, Const) and len(arguments.positional) > 1:
            _register_buffer(frame, module, str(first.value), arguments.positional[1])
            return NONE
        case "register_forward_hook" | "register_forward_pre_hook" if first is not None:
            add_hook(frame, module, BEFORE if name.endswith("pre_hook") else AFTER, first)
            return Opaque()
        case "load_state_dict" | "update_parameters":
            overwrite_parameters(frame, module, name, node)
            return Opaque()
        case "register_full_backward_hook" | "register_full_backward_pre_hook":
            frame.machine.journal.set(module.attributes, BACKWARD, NONE)
            return Opaque()
        case "forward" | "__call__" if isinstance(module, Layer):
            return call_layer(frame, module, arguments, node)
        case "forward" | "__call__" if isinstance(module, Instance):
            return call_instance(frame, module, arguments, node)
        case "apply":
            return module
    return _children_method(frame, module, name, arguments, node)


def _children_method(frame: Frame, module: Instance | Layer, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """Call a method that adds children to a module, hands them out or takes them away."""
    first = arguments.positional[0] if arguments.positional else None
    match name:
        case "register_parameter" | "add_module" | "register_module" if isinstance(first, Const):
            value = arguments.get(1, "param") or arguments.get(1, "module") or NONE
            frame.machine.journal.set(module.attributes, first.value, value)
            put_child(frame, module, str(first.value), value)
            return NONE
        case "add_module":
            if len(arguments.positional) > 1:
                put_child(frame, module, "", arguments.positional[1])
            return NONE
        case "update" if first is not None:
            update_children(frame, module, pairs_of(first) if isinstance(first, Sequence) else first)
            return NONE
        case "pop" if is_dict(frame, module) and isinstance(first, Const):
            return child_named(module, str(first.value)) or Opaque()
        case "append" | "extend" | "insert" | "items" | "keys" | "values" | "pop" if module.children is not None:
            return sequence_method(frame, module.children, name, arguments, node)
    return Opaque()


def _register_buffer(frame: Frame, module: Instance | Layer, name: str, value: Value) -> None:
    if isinstance(value, Tensor):
        value.storage.kind = TensorKind.BUFFER
        value.storage.name = f"self.{name}"
        value.storage.owner = module.info.name if isinstance(module, Instance) else ""
    elif isinstance(value, Opaque):
        value.name = f"self.{name}"
    frame.machine.journal.set(module.attributes, name, value)


def _modules(module: Instance | Layer, *, deep: bool, named: bool) -> Sequence:
    found: list[tuple[str, Value]] = [("", module)] if deep else []
    _collect(module, found, 6 if deep else 1, "")
    rows: list[Value] = [Sequence([Const(name), m], is_tuple=True) if named else m for name, m in found]
    return Sequence(rows, is_exact=not _holds_unknown(module))


def _holds_unknown(module: Instance | Layer) -> bool:
    """Return whether a module may hold modules that aren't known."""
    if module.children is not None and not module.children.is_exact:
        return True
    return isinstance(module, Instance) and any(
        isinstance(held, (Opaque, Choice)) and not (isinstance(held, Opaque) and held.is_number)
        for held in module.attributes.values()
    )


def _collect(module: Value, found: list[tuple[str, Value]], depth: int, prefix: str) -> None:
    if not depth or not isinstance(module, (Instance, Layer)):
        return
    for name, part in named_children(module):
        if isinstance(part, (Instance, Layer)) and all(part is not known for _, known in found):
            dotted = f"{prefix}.{name}" if prefix else name
            found.append((dotted, part))
            _collect(part, found, depth - 1, dotted)


def freeze(frame: Frame, module: Value, *, frozen: bool, depth: int = 6) -> None:
    """Set whether the parameters of a module require gradients."""
    if isinstance(module, (Instance, Layer)):
        module.is_frozen = frozen
        if isinstance(module, Layer):
            layer_weights(frame, module)
        for parameter in parameters_of(frame, module):
            frame.machine.regrads.append(regrad_of(parameter))
            parameter.grad = Grad.NO if frozen else Grad.YES
        if depth:
            for _, part in named_children(module):
                freeze(frame, part, frozen=frozen, depth=depth - 1)


def super_method(frame: Frame, value: Super, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """Call a method that ``super()`` finds in the framework."""
    receiver = value.receiver
    if isinstance(receiver, Instance):
        if name == "__init__" and is_optimizer_class(frame.machine.project, receiver.info):
            fill_groups(frame, receiver, arguments)
            return NONE
        if name == "__init__":
            fill_container(frame, receiver, arguments)
            construct_base(frame, receiver, arguments, node)
            return NONE
        if name in ("forward", "__call__") and receiver.children is not None:
            if container_base(frame.machine.project, receiver.info) == "Sequential":
                return chain(frame, receiver.children, arguments, node)
            return Opaque()
        if name == "__setattr__" and len(arguments.positional) == 2 and isinstance(arguments.positional[0], Const):
            frame.machine.journal.set(receiver.attributes, arguments.positional[0].value, arguments.positional[1])
            return NONE
        base = base_of(frame, receiver, node) if name in ("forward", "__call__") else None
        if base is not None:
            return call(frame, base, arguments, node)
        if name not in ("forward", "__call__"):
            return module_method(frame, receiver, name, arguments, node)
    return opaque_call(frame, Opaque(), arguments, node)


__all__ = ["call", "container_items", "module_method", "super_method"]
