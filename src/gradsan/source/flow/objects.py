"""Attributes of values: methods along the class hierarchy, parameters, tensors' own properties."""

from __future__ import annotations

import ast

from gradsan.model.history import TensorKind
from gradsan.source.flow.children import child_named
from gradsan.source.flow.graph import Grad
from gradsan.source.flow.layers import inherited_weight
from gradsan.source.flow.lightning import is_lightning_method
from gradsan.source.flow.machine import Arguments, Frame, call, evaluate, get_attribute, gets
from gradsan.source.flow.names import find_global
from gradsan.source.flow.off_tape import left_by_backward
from gradsan.source.flow.operations import apply
from gradsan.source.flow.requiring import require_grad, requires_grad_of
from gradsan.source.flow.tensors import as_tensor, detached, grad_of, leaf, node_of, tensors_of, view_of
from gradsan.source.flow.values import (
    ABSENT,
    NONE,
    TRUE,
    Bound,
    Choice,
    Class,
    Const,
    Context,
    External,
    Function,
    Instance,
    Layer,
    Mapping,
    Namespace,
    Opaque,
    Optimizer,
    Partial,
    Sequence,
    Super,
    Tensor,
    Value,
    complete,
    join,
    nodes_of,
)
from gradsan.source.flow.weights import is_parameter, layer_weights
from gradsan.source.flow.writes import write
from gradsan.source.hierarchy import external_bases, find_member, is_method_of_its_own, members_after
from gradsan.source.index import ClassInfo, FunctionInfo

_NUMBERS = frozenset({"shape", "ndim", "dtype", "device", "is_cuda", "requires_grad", "is_leaf", "itemsize", "layout"})
_MODULE_STATE = frozenset({"weight", "bias", "running_mean", "running_var", "data", "grad", "training", "eps"})
_TRANSPOSED = frozenset({"T", "mT", "H", "mH"})


def member_of(frame: Frame, receiver: Value, found: FunctionInfo | ast.expr, owner: ClassInfo, node: ast.AST) -> Value:
    """Return a class's member as reading it from an object gives it."""
    if isinstance(found, FunctionInfo):
        if found.is_property:
            return call(frame, Function(found, None, receiver), Arguments(), node)
        if found.is_static:
            return Function(found)
        if found.is_class_method:
            info = receiver.info if isinstance(receiver, (Instance, Class)) else owner
            return Function(found, None, Class(info))
        return Function(found, None, receiver if not isinstance(receiver, Class) else None)
    key = (id(found), "<class>")
    constants = frame.machine.constants
    if key not in constants:
        constants[key] = Opaque()
        constants[key] = evaluate(Frame(frame.machine, owner.module, owner.name), found)
    value = constants[key]
    if isinstance(value, Partial) and isinstance(receiver, Instance) and is_method_of_its_own(owner, found):
        return Partial(value.function, [receiver, *value.positional], value.keywords)
    if isinstance(value, Function) and isinstance(receiver, Instance) and value.receiver is None:
        return value if isinstance(found, ast.Lambda) else Function(value.info, value.scope, receiver)
    return value


@gets(Instance)
def _instance(frame: Frame, value: Instance, name: str, node: ast.AST) -> Value:
    if value.pending is not None:
        complete(value)
    known = value.attributes.get(name)
    if known is not None:
        return known
    found = find_member(frame.machine.project, value.info, name)
    if found is not None:
        return member_of(frame, value, found[1], found[0], node)
    if name == "__class__":
        return Class(value.info)
    if name in MODULE_METHODS or is_lightning_method(frame, value, name):
        return Bound(value, name)
    held = child_named(value, name)
    if held is not None:
        return held
    if value.children is not None and name in (
        "append",
        "extend",
        "insert",
        "items",
        "keys",
        "values",
        "pop",
        "update",
    ):
        return Bound(value, name)
    weight = inherited_weight(frame, value, name, node)
    if weight is not None:
        return weight
    base = value.attributes.get("<base>")
    if name == "inplace" and isinstance(base, Layer) and isinstance(base.arguments.get(name, False), bool):
        return Const(base.arguments.get(name, False))
    unknown = Opaque(name=f"self.{name}" if value.is_self else name)
    if not value.is_self and not external_bases(frame.machine.project, value.info):
        unknown.name = name
    value.attributes[name] = unknown
    return unknown


CONTAINER_METHODS = frozenset({"append", "extend", "insert", "items", "keys", "values", "pop", "update"})
MODULE_METHODS = frozenset(
    [
        "parameters",
        "named_parameters",
        "buffers",
        "named_buffers",
        "children",
        "named_children",
        "modules",
        "named_modules",
        "apply",
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
        "requires_grad_",
        "zero_grad",
        "state_dict",
        "load_state_dict",
        "update_parameters",
        "register_buffer",
        "register_parameter",
        "add_module",
        "register_module",
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
        "register_backward_hook",
        "get_submodule",
        "share_memory",
        "to_empty",
        "compile",
        "forward",
        "__call__",
        "extra_repr",
    ]
)


@gets(Layer)
def _layer(frame: Frame, value: Layer, name: str, _node: ast.AST) -> Value:
    known = value.attributes.get(name)
    if known is not None:
        return known
    if name == "__class__":
        return External(value.dotted)
    held = child_named(value, name)
    if held is not None:
        return held
    weights = layer_weights(frame, value)
    if name in weights:
        return weights[name]
    if name in value.arguments:
        setting = value.arguments[name]
        if isinstance(setting, (bool, int, float, str, type(None))):
            return Const(setting)
    if weights and name.startswith(("weight", "bias")):
        tensor = as_parameter(frame, name, value)
        value.attributes[name] = tensor
        return tensor
    if name in MODULE_METHODS or value.children is not None:
        return Bound(value, name)
    unknown = Opaque(is_number=True) if name.startswith(("num_", "in_", "out_", "hidden")) else Opaque()
    value.attributes[name] = unknown
    return unknown


def as_parameter(frame: Frame, name: str, layer: Layer) -> Tensor:
    """Return a parameter of a layer that the table doesn't name, ``weight_hh_l0``."""
    tensor = leaf(frame, kind=TensorKind.PARAMETER, name=name, requires_grad=not layer.is_frozen)
    tensor.storage.owner = layer.dotted.rpartition(".")[2]
    tensor.storage.since = layer.since
    return tensor


@gets(Tensor)
def _tensor(frame: Frame, value: Tensor, name: str, node: ast.AST) -> Value:
    if name in _TRANSPOSED:
        return view_of(frame, value, name, node, is_contiguous=False)
    if name == "data":
        return detached(frame, value, is_data=True)
    if name == "requires_grad":
        return requires_grad_of(value)
    if name in _NUMBERS:
        return Opaque(is_number=True)
    if name == "grad":
        return left_by_backward(frame)
    if name == "grad_fn":
        return _grad_fn_of(value)
    if name in ("real", "imag"):
        return view_of(frame, value, name, node)
    return Bound(value, name)


_NODE = External("<node>")


def _grad_fn_of(value: Tensor) -> Value:
    """Return ``tensor.grad_fn``: what an operation made has one where gradients flow; a parameter may be a leaf."""
    grad = grad_of(value)
    if grad is Grad.NO:
        return NONE
    return Opaque() if grad is Grad.UNKNOWN or node_of(value) is None else _NODE


@gets(Opaque)
def _opaque(frame: Frame, value: Opaque, name: str, node: ast.AST) -> Value:
    if value.tensor is not None and (name in _TRANSPOSED or name in _NUMBERS or name in ("data", "real", "imag")):
        return _tensor(frame, value.tensor, name, node)
    if name == "data" and value.name.endswith((".weight", ".weights", ".bias", ".kernel", ".param")):
        tensor = as_tensor(frame, value)
        if tensor is not None:
            return detached(frame, tensor, is_data=True)
    if name == "requires_grad" and value.roots:
        return TRUE
    if name == "grad_fn" and value.roots and value.name not in value.roots:
        return _NODE
    if name in _NUMBERS:
        _note_asked(frame, value, name)
        return Opaque(is_number=True)
    if name in ("mT", "mH") or (name == "T" and value.roots):
        tensor = as_tensor(frame, value, is_sure=name != "T")
        if tensor is not None:
            return view_of(frame, tensor, name, node, is_contiguous=False)
    known = value.attributes.get(name)
    is_weight = known is None and name in ("weight", "bias")
    if is_weight and (value.is_network or is_parameter(frame, node, name)):
        known = value.attributes[name] = leaf(frame, kind=TensorKind.PARAMETER, name=name, owner=value.name or name)
    if known is None and name == "grad":
        known = value.attributes[name] = left_by_backward(frame)
    if known is None:
        roots = value.roots if name not in _MODULE_STATE else frozenset()
        known = Opaque(name=f"{value.name}.{name}" if value.name else name, node=value.node, roots=roots)
        known.is_network = value.is_network and name not in _MODULE_STATE
        value.attributes[name] = known
    return known


_TELLING = ("shape", "dtype", "device")
"""What together only a tensor has: a network has no shape, an array no device, a dictionary of tensors no dtype."""


def _note_asked(frame: Frame, value: Opaque, name: str) -> None:
    """Take what something unknown is asked for as a sign of what it is."""
    if name in _TELLING and value.tensor is None and not value.is_number and value.roots:
        value.attributes["<asked>", name] = TRUE
        if all(("<asked>", other) in value.attributes for other in _TELLING):
            as_tensor(frame, value)


@gets(Context)
def _context(_frame: Frame, value: Context, name: str, _node: ast.AST) -> Value:
    known = value.attributes.get(name)
    if known is not None:
        return known
    if name in ("saved_tensors", "saved_variables", "saved_for_forward"):
        items = [item for item, _ in value.saved]
        return Sequence(items, is_exact=not value.is_backward or bool(items), is_tuple=True)
    return Bound(value, name)


@gets(Sequence)
def _sequence(_frame: Frame, value: Sequence, name: str, _node: ast.AST) -> Value:
    if name in value.fields:
        return value.items[value.fields.index(name)]
    return Bound(value, name)


@gets(Optimizer)
def _optimizer(_frame: Frame, value: Optimizer, name: str, _node: ast.AST) -> Value:
    if name == "param_groups":
        return Sequence([Mapping({"params": Sequence(list(value.targets))})], is_exact=False)
    return Bound(value, name)


@gets(Mapping, Const, Partial)
def _bound(_frame: Frame, value: Value, name: str, _node: ast.AST) -> Value:
    if isinstance(value, Mapping) and name in value.items and name not in ("items", "keys", "values", "get", "update"):
        return value.items[name]
    return Bound(value, name)


@gets(Choice)
def _choice(frame: Frame, value: Choice, name: str, node: ast.AST) -> Value:
    there = [pair for pair in value.options if pair[0] is not ABSENT] or value.options
    return join([(get_attribute(frame, option, name, node), guard) for option, guard in there])


@gets(External)
def _external(_frame: Frame, value: External, name: str, _node: ast.AST) -> Value:
    if name == "__name__" and value.dotted.startswith("torch.nn."):
        return Const(value.dotted.rpartition(".")[2])
    return External(f"{value.dotted}.{name}")


@gets(Namespace)
def _namespace(frame: Frame, value: Namespace, name: str, _node: ast.AST) -> Value:
    found = find_global(frame, value.module, name)
    if isinstance(found, Opaque):
        inner = frame.machine.project.find_module(value.module, f"{value.module.name}.{name}")
        return Namespace(inner) if inner is not None else found
    return found


@gets(Class)
def _class(frame: Frame, value: Class, name: str, node: ast.AST) -> Value:
    found = find_member(frame.machine.project, value.info, name)
    if found is not None:
        return member_of(frame, value, found[1], found[0], node)
    if name == "__name__":
        return Const(value.info.name)
    return Bound(value, name) if name in ("apply", "__new__") else Opaque()


@gets(Function)
def _function(_frame: Frame, value: Function, name: str, _node: ast.AST) -> Value:
    return Const(value.info.name) if name == "__name__" else Opaque()


@gets(Super)
def _super(frame: Frame, value: Super, name: str, node: ast.AST) -> Value:
    receiver = value.receiver
    info = receiver.info if isinstance(receiver, (Instance, Class)) else value.after
    found = members_after(frame.machine.project, info, value.after, name)
    if found is not None:
        return member_of(frame, receiver, found[1], found[0], node)
    return Bound(value, name)


def set_attribute(frame: Frame, holder: Value, name: str, value: Value, node: ast.Attribute) -> None:
    """Record that an attribute was assigned."""
    journal = frame.machine.journal
    match holder:
        case Instance():
            complete(holder)
            setter = find_member(frame.machine.project, holder.info, name, setters=True)
            if setter is not None and isinstance(setter[1], FunctionInfo):
                call(frame, Function(setter[1], None, holder), Arguments([value]), node)
                return
            _own(value, f"self.{name}" if holder.is_self else name, holder.info.name)
            journal.set(holder.attributes, name, value)
            if holder.is_self:
                frame.machine.escaped += list(nodes_of(value))
        case Layer() | Context():
            if isinstance(holder, Layer):
                _own(value, name, holder.dotted.rpartition(".")[2])
            journal.set(holder.attributes, name, value)
        case Opaque(tensor=Tensor() as tensor) if name in ("real", "imag"):
            set_attribute(frame, tensor, name, value, node)
        case Opaque():
            journal.set(holder.attributes, name, value)
            frame.machine.escaped += list(nodes_of(value))
        case Tensor() if name == "requires_grad":
            require_grad(frame, holder, value)
        case Tensor() if name in ("real", "imag"):  # their setters copy into the view that their getters return
            part = view_of(frame, holder, name, node)
            write(frame, part, operation="copy_", node=node, target=ast.unparse(node), sources=(value,))
        case Choice(options=options):
            for option, _ in options:
                set_attribute(frame, option, name, value, node)


def _own(value: Value, name: str, owner: str) -> None:
    """Let a parameter that nothing holds yet belong to the module that it is assigned to."""
    if isinstance(value, Tensor) and value.storage.kind is TensorKind.PARAMETER and not value.storage.owner:
        value.storage.name, value.storage.owner = name, owner


__all__ = ["apply", "node_of", "tensors_of"]
