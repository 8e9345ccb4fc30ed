"""Calls of what stands outside the project: builtins, the standard library, the framework."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

from gradsan import knowledge
from gradsan.knowledge import Operation
from gradsan.model.history import TensorKind
from gradsan.source.flow import containers
from gradsan.source.flow.accelerators import accelerator
from gradsan.source.flow.arrays import NUMERIC, call_numeric
from gradsan.source.flow.binding import bind
from gradsan.source.flow.calling import opaque_call
from gradsan.source.flow.checkpoints import call_checkpoint
from gradsan.source.flow.copying import copy_value
from gradsan.source.flow.einops import call_einops
from gradsan.source.flow.evaluating import derived
from gradsan.source.flow.inplace import OPERATORS, call_operator
from gradsan.source.flow.iterating import elements
from gradsan.source.flow.layers import construct
from gradsan.source.flow.literals import text_of
from gradsan.source.flow.machine import Arguments, Frame, call, calls, get_attribute
from gradsan.source.flow.modes import EXPORTING, SWITCH, switch
from gradsan.source.flow.operations import apply
from gradsan.source.flow.outputs import write_out
from gradsan.source.flow.overlaps import made_by
from gradsan.source.flow.records import NAMED_TUPLE, construct_named_tuple, define_named_tuple
from gradsan.source.flow.reflection import call_reflection
from gradsan.source.flow.requiring import share_gradient
from gradsan.source.flow.stateless import FUNCTIONAL_CALLS, call_functionally
from gradsan.source.flow.tensors import fresh, leaf, tensors_of, used_as_size
from gradsan.source.flow.training import call_grad, construct_optimizer, run_backward
from gradsan.source.flow.values import (
    ABSENT,
    Choice,
    Class,
    Const,
    External,
    Function,
    Instance,
    Layer,
    Mapping,
    Opaque,
    Partial,
    Sequence,
    Tensor,
    Value,
    join,
)
from gradsan.source.flow.writes import write

Special: TypeAlias = Callable[[Frame, str, Arguments, ast.AST], Value | None]
"""Calls a function of a dotted name; None where it is called like any operation after all."""

_TRANSPARENT = frozenset(
    {
        "torch.compile",
        "torch.jit.script",
        "torch.jit.script_if_tracing",
        "torch.nn.DataParallel",
        "torch.nn.parallel.DistributedDataParallel",
        "torch.nn.utils.spectral_norm",
        "torch.nn.utils.weight_norm",
        "torch.nn.utils.parametrizations.spectral_norm",
        "torch.nn.utils.parametrizations.weight_norm",
        "torch.fx.wrap",
        "torch.jit.ignore",
        "torch.jit.unused",
        "torch.vmap",
        "torch.func.vmap",
    }
)
_NEW = frozenset(
    [
        "zeros",
        "ones",
        "full",
        "empty",
        "rand",
        "randn",
        "randint",
        "arange",
        "linspace",
        "eye",
        "tensor",
        "as_tensor",
        "from_numpy",
    ]
)
_SIZED = frozenset(["zeros", "ones", "full", "empty", "rand", "randn", "eye"])
_NETWORKS = re.compile(
    r"torchvision\.models\.(?:\w+\.)*[a-z]\w*$|timm\.create_model$|torch\.hub\.load$"
    r"|transformers\.(?:\w+\.)*\w*Model\w*\.from_pretrained$|transformers\.(?:\w+\.)*AutoModel\w*\.from_pretrained$"
)
"""What makes a pretrained network."""
_CASTS = ("typing.cast", "typing_extensions.cast", "torch.jit.annotate")


@calls(External)
def call_external(frame: Frame, value: External, arguments: Arguments, node: ast.AST) -> Value:
    """Call something outside the project."""
    dotted = value.dotted
    if value is ABSENT:
        return arguments.positional[0] if arguments.positional else Opaque()
    head, _, rest = dotted.partition(".")
    if head == "torch":
        return _call_torch(frame, dotted, arguments, node)
    if head == "builtins":
        return _call_builtin(frame, rest, arguments, node)
    if head in NUMERIC:
        return call_numeric(frame, head, arguments)
    if dotted == "types.SimpleNamespace":
        return Opaque(attributes=dict(arguments.keywords.items()))
    if dotted in ("functools.partial", "functools.partialmethod") and arguments.positional:
        return Partial(arguments.positional[0], arguments.positional[1:], arguments.keywords)
    if dotted in ("copy.deepcopy", "copy.copy") and arguments.positional:
        return copy_value(frame, arguments.positional[0], deep=dotted.endswith("deepcopy"))
    if dotted == "collections.namedtuple":
        return define_named_tuple(arguments)
    if value is NAMED_TUPLE:
        return construct_named_tuple(arguments)
    if dotted == "functools.reduce" and len(arguments.positional) > 1:
        return _reduce(frame, arguments, node)
    if head == "operator" and rest in OPERATORS and len(arguments.positional) == 2:
        return call_operator(frame, rest, arguments.positional, node)
    if dotted in _CASTS and len(arguments.positional) == 2:
        return arguments.positional[1]
    if dotted == "collections.OrderedDict":
        found = containers.call_builtin(frame, "dict", arguments, node)
        return found if found is not None else Opaque()
    if dotted == "itertools.chain":
        items = [elements(frame, given, node) for given in arguments.positional]
        return Sequence([i for part, _ in items for i in part], is_exact=all(exact for _, exact in items))
    if _NETWORKS.match(dotted):
        return Opaque(is_network=True)
    if head == "einops":
        return call_einops(frame, rest, arguments, node)
    return accelerator(dotted, arguments) or opaque_call(frame, Opaque(), arguments, node)


def _reduce(frame: Frame, arguments: Arguments, node: ast.AST) -> Value:
    """``functools.reduce(function, items, initial)``."""
    items, _ = elements(frame, arguments.positional[1], node)
    start = arguments.positional[2:3] or items[:1]
    rest = items[:4] if arguments.positional[2:] else items[1:5]
    result = start[0] if start else Opaque()
    for item in rest:
        result = call(frame, arguments.positional[0], Arguments([result, item]), node)
    return result


def _call_builtin(frame: Frame, name: str, arguments: Arguments, node: ast.AST) -> Value:
    found = containers.call_builtin(frame, name, arguments, node)
    if found is None:
        found = call_reflection(frame, name, arguments, node)
    if found is not None:
        return found
    if name in ("int", "float", "bool", "len", "round", "str", "repr", "hash", "id", "ord", "abs", "divmod", "complex"):
        first = arguments.positional[0] if arguments.positional else None
        if name == "len" and isinstance(first, Sequence) and first.is_exact:
            return Const(len(first.items))
        if name == "len" and isinstance(first, Const) and isinstance(first.value, str):
            return Const(len(first.value))
        if name == "len" and isinstance(first, (Instance, Layer)) and first.children and first.children.is_exact:
            return Const(len(first.children.items))
        if name in ("int", "bool", "str") and isinstance(first, Const) and isinstance(first.value, (int, str, bool)):
            try:
                return Const({"int": int, "bool": bool, "str": str}[name](first.value))
            except ValueError:
                return Opaque(is_number=True)
        if name == "abs" and first is not None and any(True for _ in tensors_of(frame, first, is_sure=False)):
            operation = frame.machine.operation("torch.abs")
            if operation is not None:
                return apply(frame, operation, bind(operation, arguments), node)
        return Opaque(is_number=True)
    if name in ("any", "all") and arguments.positional:
        return containers.quantified(frame, name, arguments.positional[0], node)
    if name == "sum" and arguments.positional:
        items, _ = elements(frame, arguments.positional[0], node)
        return _total(frame, items)
    if name == "print":
        return Const(None)
    return derived(frame, arguments.values())


def _total(frame: Frame, items: list[Value]) -> Value:
    from gradsan.source.flow.tensors import nodes_and_grad

    if not any(isinstance(item, Tensor) for item in items):
        return derived(frame, items)
    node, grad, roots = nodes_and_grad(frame, items)
    if not frame.machine.grad_enabled:
        return fresh(frame)
    return fresh(frame, grad=grad, roots=roots, node=node)


def _call_torch(frame: Frame, dotted: str, arguments: Arguments, node: ast.AST) -> Value:
    special = _special(dotted)
    result = special(frame, dotted, arguments, node) if special is not None else None
    return result if result is not None else _call_plain(frame, dotted, arguments, node)


@cache
def _special(dotted: str) -> Special | None:
    """Return what calls a function that is no plain operation of the table; given no argument, it may be one."""
    last = dotted.rpartition(".")[2]
    if dotted.startswith("torch.nn.") and last[:1].isupper():
        return _construct
    if dotted.startswith("torch.nn.init."):
        return _initialise
    if dotted.startswith("torch.optim.") and last[:1].isupper() and dotted.count(".") == 2:
        return construct_optimizer
    if dotted in SWITCH:
        return _switch
    if dotted.startswith("torch.utils.checkpoint.checkpoint"):
        return call_checkpoint
    if dotted in _TRANSPARENT:
        return _first
    if dotted in FUNCTIONAL_CALLS:
        return _functionally
    if dotted.startswith("torch.ops.aten."):
        return _call_aten
    if dotted.startswith("torch.Tensor."):
        return _call_method
    return _SPECIAL.get(dotted)


def _call_plain(frame: Frame, dotted: str, arguments: Arguments, node: ast.AST) -> Value:
    last = dotted.rpartition(".")[2]
    if last in _NEW or last.endswith("_like"):
        return _new(frame, last, arguments, node)
    if dotted in ("torch.Tensor", "torch.FloatTensor", "torch.LongTensor"):
        return fresh(frame)
    operation = frame.machine.operation(dotted)
    if operation is None or operation.kind in ("module", "schema"):
        return opaque_call(frame, Opaque(), arguments, node)
    target = _target(frame, node) if operation.may_write else ""
    return call_operation(frame, operation, arguments, node, target=target)


def _first(_frame: Frame, _dotted: str, arguments: Arguments, _node: ast.AST) -> Value | None:
    return arguments.positional[0] if arguments.positional else None


def _call_method(frame: Frame, dotted: str, arguments: Arguments, node: ast.AST) -> Value | None:
    if not arguments.positional:
        return None
    first, *rest = arguments.positional
    member = get_attribute(frame, first, dotted.rpartition(".")[2], node)
    return call(frame, member, Arguments(rest, arguments.keywords, arguments.is_exact), node)


def _call_aten(frame: Frame, dotted: str, arguments: Arguments, node: ast.AST) -> Value:
    name = dotted.split(".")[3]
    if frame.machine.operation(f"torch.Tensor.{name}") is None:
        return _call_plain(frame, f"torch.{name}", arguments, node)
    result = _call_method(frame, name, arguments, node)
    return result if result is not None else _call_plain(frame, f"torch.Tensor.{name}", arguments, node)


def _switch(frame: Frame, _dotted: str, _arguments: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(node, ast.Call):
        return None
    switch(frame, node)
    return Opaque()


def _functionally(frame: Frame, _dotted: str, arguments: Arguments, node: ast.AST) -> Value:
    return call_functionally(frame, arguments, node)


def _grad(frame: Frame, _dotted: str, arguments: Arguments, node: ast.AST) -> Value:
    return call_grad(frame, arguments, node)


def _backward(frame: Frame, _dotted: str, arguments: Arguments, node: ast.AST) -> Value | None:
    if not arguments.positional:
        return None
    run_backward(frame, arguments.positional[:1], retains="retain_graph" in arguments.keywords, node=node)
    return Const(None)


def _average(frame: Frame, _dotted: str, arguments: Arguments, _node: ast.AST) -> Value | None:
    return copy_value(frame, arguments.positional[0], deep=True) if arguments.positional else None


def _variable(_frame: Frame, _dotted: str, arguments: Arguments, _node: ast.AST) -> Value | None:
    first = arguments.positional[0] if arguments.positional else None
    return first if isinstance(first, Tensor) else None


def _as_tensor(_frame: Frame, _dotted: str, arguments: Arguments, _node: ast.AST) -> Value | None:
    """``torch.as_tensor(x)``: what is a tensor already is handed back.

    Asked for a type or a device it stands where data come in, boxes and points, to which no gradient is meant to flow.
    """
    data = arguments.get(0, "data")
    tensor = data.tensor if isinstance(data, Opaque) else data
    is_handed_back = isinstance(tensor, Tensor) and tensor.storage.is_tensor and len(arguments.values()) == 1
    return tensor if is_handed_back else None


_SPECIAL: dict[str, Special] = {
    "torch.as_tensor": _as_tensor,
    "torch.autograd.grad": _grad,
    "torch.autograd.backward": _backward,
    "torch.autograd.Variable": _variable,
    "torch.is_grad_enabled": lambda frame, *_: Const(frame.machine.grad_enabled),
    "torch.is_inference_mode_enabled": lambda *_: Const(False),
    **dict.fromkeys(EXPORTING, lambda *_: Const(False)),
    "torch.optim.swa_utils.AveragedModel": _average,
}


def call_operation(
    frame: Frame, operation: Operation, arguments: Arguments, node: ast.AST, *, target: str = ""
) -> Value:
    """Call an operation of the table; ``out=`` is written."""
    out = arguments.keywords.get("out")
    if out is not None and not (isinstance(out, Const) and out.value is None):
        keywords = {k: v for k, v in arguments.keywords.items() if k != "out"}
        ways = write_out(frame, operation, out, tuple(arguments.positional), node)
        made = apply(frame, operation, bind(operation, Arguments(arguments.positional, keywords)), node)
        return join([(value if value is not None else made, guard) for value, guard in ways])
    return apply(frame, operation, bind(operation, arguments), node, target=target)


def _target(frame: Frame, node: ast.AST) -> str:
    if isinstance(node, ast.Call) and node.args:
        text = text_of(frame, node.args[0])
        return text if len(text) < 60 else ""
    return ""


def _new(frame: Frame, name: str, arguments: Arguments, node: ast.AST) -> Value:
    out = arguments.keywords.get("out")
    if out is not None and not (isinstance(out, Const) and out.value is None):
        for tensor, guard in tensors_of(frame, out):
            write(frame, tensor, operation=name, node=node, target="out", guard=guard)
        return out
    requires = arguments.keywords.get("requires_grad")
    if isinstance(requires, Const) and requires.value is True:
        made = leaf(frame, kind=TensorKind.LEAF)
        for keyword in node.keywords if isinstance(node, ast.Call) else ():
            if keyword.arg == "requires_grad":
                share_gradient(frame, made, keyword.value)
        return made
    if name in _SIZED:
        used_as_size(frame, node)
    made = fresh(frame, kind=TensorKind.CONSTANT)
    made.ones = made_by(name, arguments.positional)
    return made


def _construct(frame: Frame, dotted: str, arguments: Arguments, node: ast.AST) -> Value:
    if dotted in ("torch.nn.Parameter", "torch.nn.UninitializedParameter"):
        return _parameter(frame, arguments)
    if dotted == "torch.nn.Module":
        return Opaque()
    if dotted in _TRANSPARENT and arguments.positional:
        return arguments.positional[0]
    layer = construct(frame, dotted, arguments, node)
    return layer if layer is not None else Opaque()


def _parameter(frame: Frame, arguments: Arguments) -> Value:
    requires = arguments.get(1, "requires_grad")
    is_frozen = isinstance(requires, Const) and requires.value is False
    tensor = leaf(frame, kind=TensorKind.PARAMETER, requires_grad=not is_frozen)
    data = arguments.get(0, "data")
    if isinstance(data, Tensor):
        tensor.storage.name = data.storage.name if data.is_data else ""
    return tensor


def _initialise(frame: Frame, dotted: str, arguments: Arguments, node: ast.AST) -> Value:
    """``torch.nn.init``: writes with gradients switched off.  Source: torch/nn/init.py, 2.13.0."""
    value, name = arguments.get(0, "tensor"), dotted.rpartition(".")[2]
    if value is None:
        return Opaque()
    if knowledge.load().mutates(name):
        for tensor, guard in tensors_of(frame, value):
            write(frame, tensor, operation=name, node=node, guard=guard, grad_enabled=False, is_first=True)
    return value


__all__ = ["Choice", "Class", "Function", "Mapping", "call_operation"]
