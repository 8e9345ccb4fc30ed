"""Calls of methods: of tensors by the table, of lists and dicts as Python has them, of modules and optimizers."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from gradsan.source.flow import containers, module_methods
from gradsan.source.flow.accelerators import prepared
from gradsan.source.flow.calling import opaque_call
from gradsan.source.flow.custom import call_apply
from gradsan.source.flow.evaluating import derived
from gradsan.source.flow.external import call_operation
from gradsan.source.flow.graph import Grad
from gradsan.source.flow.inplace import OPERATORS, call_operator
from gradsan.source.flow.iterating import append_unknown
from gradsan.source.flow.literals import text_of
from gradsan.source.flow.machine import Arguments, Frame, call, calls, calls_members, get_attribute
from gradsan.source.flow.method_names import AMBIGUOUS, IGNORED, INTEGERS, NOT_TENSOR, REDUCTIONS, TO_NUMBERS, VIEWS
from gradsan.source.flow.requiring import cut, require_grad, share_gradient
from gradsan.source.flow.tensors import as_tensor, detached, fresh, grad_of, node_of, roots_of
from gradsan.source.flow.training import call_backward, call_backward_of, call_step, overwrite_parameters
from gradsan.source.flow.values import (
    TRUE,
    Bound,
    Class,
    Const,
    Context,
    External,
    Instance,
    Layer,
    Mapping,
    Opaque,
    Optimizer,
    Sequence,
    Super,
    Tensor,
    Value,
    nodes_of,
)
from gradsan.source.hierarchy import is_module_class


@calls(Bound)
def _bound(frame: Frame, value: Bound, arguments: Arguments, node: ast.AST) -> Value:
    receiver = value.receiver
    match receiver:
        case Tensor():
            return tensor_method(frame, receiver, value.name, arguments, node)
        case Sequence():
            return containers.sequence_method(frame, receiver, value.name, arguments, node)
        case Mapping():
            return containers.mapping_method(frame, receiver, value.name, arguments, node)
        case Const():
            return containers.const_method(receiver, value.name, arguments)
        case Instance() | Layer():
            return module_methods.module_method(frame, receiver, value.name, arguments, node)
        case Super():
            return module_methods.super_method(frame, receiver, value.name, arguments, node)
        case Optimizer():
            return call_step(frame, receiver, arguments, node) if value.name == "step" else Opaque()
        case Class() if value.name == "apply":
            return call_apply(frame, receiver, arguments, node)
        case Context():
            return _context_method(frame, receiver, value.name, arguments, node)
        case _:
            return derived(frame, arguments.values())


def _context_method(frame: Frame, value: Context, name: str, arguments: Arguments, node: ast.AST) -> Value:
    match name:
        case "save_for_backward" | "save_for_forward":
            value.saved += [(given, frame.place(node)) for given in arguments.positional]
        case "mark_dirty":
            value.dirty += [(given, frame.place(node)) for given in arguments.positional]
    return Opaque()


def tensor_method(frame: Frame, tensor: Tensor, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """Call a method of a tensor."""
    special = _SPECIAL.get(name)
    if special is not None:
        return special(frame, tensor, arguments, node)
    if name in TO_NUMBERS and not (name == "type" and arguments.values()):  # given a type, it converts to that
        return Opaque(is_number=True)
    if name in IGNORED:
        return tensor if name == "share_memory_" else Opaque()
    if name.startswith("__") and name.strip("_").removeprefix("r") in OPERATORS and len(arguments.positional) == 1:
        return _operate(frame, tensor, name.strip("_"), arguments.positional[0], node)
    operation = frame.machine.operation(f"torch.Tensor.{name}") if not name.startswith("_") else None
    if operation is None:
        return derived(frame, [tensor, *arguments.values()])
    target = ""
    if operation.may_write and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        target = text_of(frame, node.func.value)
    given = Arguments([tensor, *arguments.positional], arguments.keywords, arguments.is_exact)
    result = call_operation(frame, operation, given, node, target=target)
    if isinstance(result, Tensor) and (name in INTEGERS or (name in ("to", "type") and _names_integers(arguments))):
        result.is_integer = True
        if name == "bool":  # what indexes is the mask: nothing tells that what it was made of is one
            result.roots = frozenset()
    return result


def _operate(frame: Frame, tensor: Tensor, name: str, other: Value, node: ast.AST) -> Value:
    """``x.__mul__(y)``, ``x.__rmul__(y)``, ``x.__imul__(y)``: the operator by its name."""
    if name in OPERATORS:
        return call_operator(frame, name, [tensor, other], node)
    return call_operator(frame, name.removeprefix("r"), [other, tensor], node)


_INTEGRAL = re.compile(r"torch\.(?:cuda\.)?(?:u?int\d*|long|short|bool|(?:Long|Int|Short|Byte|Bool|Char)Tensor)$")


def _names_integers(arguments: Arguments) -> bool:
    """Return whether a tensor is converted to integers: ``x.to(torch.long)``, ``x.type("torch.LongTensor")``."""
    for given in (*arguments.positional[:1], *arguments.keywords.values()):
        dotted = given.dotted if isinstance(given, External) else given.value if isinstance(given, Const) else ""
        if isinstance(dotted, str) and _INTEGRAL.match(dotted):
            return True
    return False


def _detach(frame: Frame, tensor: Tensor, _arguments: Arguments, _node: ast.AST) -> Value:
    return detached(frame, tensor)


def _detach_in_place(frame: Frame, tensor: Tensor, _arguments: Arguments, _node: ast.AST) -> Value:
    cut(frame, tensor)
    return tensor


def _requires_grad(frame: Frame, tensor: Tensor, arguments: Arguments, node: ast.AST) -> Value:
    require_grad(frame, tensor, arguments.get(0, "requires_grad") or TRUE)
    if isinstance(node, ast.Call) and node.args and tensor.is_leaf:
        share_gradient(frame, tensor, node.args[0])
    return tensor


def _numpy(_frame: Frame, _tensor: Tensor, _arguments: Arguments, _node: ast.AST) -> Value:
    return Opaque(is_number=False)


def _new(frame: Frame, _tensor: Tensor, _arguments: Arguments, _node: ast.AST) -> Value:
    return fresh(frame)


def _clone(frame: Frame, tensor: Tensor, _arguments: Arguments, _node: ast.AST) -> Value:
    enabled = frame.machine.grad_enabled
    result = fresh(
        frame,
        grad=grad_of(tensor) if enabled else Grad.NO,
        roots=roots_of(tensor) if enabled else frozenset(),
        node=node_of(tensor) if enabled else None,
    )
    result.is_integer = tensor.is_integer
    result.storage.is_tensor = tensor.storage.is_tensor
    return result


def _backward(frame: Frame, tensor: Tensor, arguments: Arguments, node: ast.AST) -> Value:
    return call_backward(frame, tensor, arguments, node)


_SPECIAL: dict[str, Callable[[Frame, Tensor, Arguments, ast.AST], Value]] = {
    "detach": _detach,
    "detach_": _detach_in_place,
    "requires_grad_": _requires_grad,
    "numpy": _numpy,
    "clone": _clone,
    "backward": _backward,
    **dict.fromkeys(("new_zeros", "new_ones", "new_full", "new_empty", "new_tensor", "new"), _new),
}


@calls_members(Opaque)
def opaque_method(frame: Frame, receiver: Opaque, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """Call a method of something unknown."""
    if receiver.tensor is not None and (receiver.tensor.storage.is_tensor or name not in NOT_TENSOR):
        return tensor_method(frame, receiver.tensor, name, arguments, node)
    if name in ("backward", "manual_backward"):
        return _backward_of_opaque(frame, receiver, name, arguments, node)
    if name == "detach" and not arguments.values():
        tensor = as_tensor(frame, receiver)
        if tensor is not None:
            return detached(frame, tensor)
    if name in ("parameters", "named_parameters") and not receiver.roots - {receiver.name}:
        from gradsan.source.flow.weights import opaque_weights

        weights = opaque_weights(frame, receiver)
        is_named = name == "named_parameters"
        return Sequence([Sequence([Opaque(), weights], is_tuple=True) if is_named else weights], is_exact=False)
    if name in INTEGERS and name in AMBIGUOUS and not receiver.is_number and receiver.tensor is None:
        return Opaque(node=None, name="")
    if name in ("to", "cuda", "cpu", "float", "half", "double", "train", "eval", "requires_grad_"):
        receiver.is_network = receiver.is_network and name != "requires_grad_"
        return receiver
    is_known = name not in AMBIGUOUS or _asks_as_of_a_tensor(arguments) or _is_network_reducing(frame, receiver, name)
    operation = frame.machine.operation(f"torch.Tensor.{name}") if is_known else None
    if operation is not None and operation.kind != "schema" and _is_tensor_like(receiver):
        tensor = as_tensor(frame, receiver)
        if tensor is not None:
            return tensor_method(frame, tensor, name, arguments, node)
    if name in AMBIGUOUS and (receiver.roots or receiver.node is not None) and name in VIEWS:
        tensor = as_tensor(frame, receiver, is_sure=False)
        if tensor is not None:
            return tensor_method(frame, tensor, name, arguments, node)
    handed_back = prepared(receiver, name, arguments)
    if handed_back is not None:
        return handed_back
    if name == "step" and arguments.positional and isinstance(arguments.positional[0], Optimizer):
        return call_step(frame, arguments.positional[0], Arguments(), node)  # a `GradScaler` steps it
    is_tensors = operation is not None or name in TO_NUMBERS
    return _unknown_method(frame, receiver, name, arguments, node, is_tensors=is_tensors)


def _asks_as_of_a_tensor(arguments: Arguments) -> bool:
    """Return whether a method is given what only a tensor's takes: NumPy has an ``axis``, xarray names its ``dim``."""
    keywords = arguments.keywords
    if "keepdim" in keywords or "unbiased" in keywords:
        return True
    dim = keywords.get("dim")
    return dim is not None and not (isinstance(dim, Const) and isinstance(dim.value, str))


def _is_network_reducing(frame: Frame, receiver: Opaque, name: str) -> bool:
    """Return whether a network reduces what its ``forward`` is given: of what has such methods, that takes tensors."""
    if name not in REDUCTIONS or receiver.roots != {receiver.name} or frame.info is None or frame.owner is None:
        return False
    return frame.info.name == "forward" and is_module_class(frame.machine.project, frame.owner)


def _backward_of_opaque(frame: Frame, receiver: Opaque, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """Run a backward: from the value itself, or from the loss that an accelerator or a trainer is given."""
    if not arguments.positional or (name == "backward" and isinstance(arguments.positional[0], Const)):
        return call_backward(frame, receiver, arguments, node)
    return call_backward_of(frame, name, arguments, node)


_RESHAPING = frozenset({"repeat", "tile", "view", "reshape", "expand", "repeat_interleave"})
"""Methods of tensors that are given sizes: numbers, whatever they are read from."""


def _unknown_method(
    frame: Frame, receiver: Opaque, name: str, arguments: Arguments, node: ast.AST, *, is_tensors: bool
) -> Value:
    """Call a method of which the name tells all that is known; ``is_tensors`` where tensors have one of that name."""
    if name == "step":
        frame.machine.is_open = True
    if name == "load_state_dict" and receiver.weights is not None:
        overwrite_parameters(frame, receiver, name, node)
    if name in ("append", "extend", "add", "insert", "update", "put"):
        frame.machine.escaped += [n for given in arguments.values() for n in nodes_of(given)]
    if name == "append" and len(arguments.positional) == 1:
        append_unknown(frame, receiver, arguments.positional[0])
    if receiver.name and receiver.roots == {receiver.name} and name not in AMBIGUOUS and not is_tensors:
        # Whoever passes an object that is known may know the method as well.
        frame.machine.is_open = True
        receiver.attributes[_OBJECT] = TRUE
    member = get_attribute(frame, receiver, name, node)
    if not isinstance(member, Opaque):
        return call(frame, member, arguments, node)
    result = opaque_call(frame, member, Arguments() if name in _RESHAPING else arguments, node)
    if isinstance(result, Opaque):
        result.is_number = result.is_number or name in TO_NUMBERS
        if result.node is None and receiver.node is not None:
            result.node = receiver.node
        result.roots |= receiver.roots if frame.machine.grad_enabled else frozenset()
    return result


_OBJECT = "<object>"
"""Says of something unknown that a method was called which tensors don't have."""


def _is_tensor_like(receiver: Opaque) -> bool:
    return not receiver.is_number and receiver.weights is None and _OBJECT not in receiver.attributes
