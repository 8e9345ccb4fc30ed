"""Builtins that look at objects: ``getattr``, ``isinstance``, ``super``, ``type``."""

from __future__ import annotations

import ast
import re

from gradsan.model.history import TensorKind
from gradsan.source.flow.machine import Arguments, Frame, evaluate, get_attribute
from gradsan.source.flow.objects import set_attribute
from gradsan.source.flow.values import (
    FALSE,
    HOLE,
    NONE,
    TRUE,
    Choice,
    Class,
    Const,
    External,
    Function,
    Instance,
    Layer,
    Mapping,
    Opaque,
    Sequence,
    Super,
    Tensor,
    Value,
    join,
)
from gradsan.source.hierarchy import external_bases, find_member, linearize_known


def call_reflection(frame: Frame, name: str, arguments: Arguments, node: ast.AST) -> Value | None:
    """Call a builtin that looks at objects; None for others."""
    given = arguments.positional
    match name:
        case "getattr" if len(given) >= 2:
            return _getattr(frame, given, node)
        case "setattr" if len(given) == 3 and isinstance(given[1], Const) and isinstance(given[1].value, str):
            target = ast.Attribute(ast.Name("object", ast.Load()), given[1].value, ast.Store())
            set_attribute(frame, given[0], given[1].value, given[2], ast.copy_location(target, node))
            return NONE
        case "hasattr" if len(given) == 2:
            return _hasattr(frame, given[0], given[1])
        case "isinstance" if len(given) == 2:
            return is_instance(frame, given[0], given[1])
        case "super":
            return _super(frame, given)
        case "type" if len(given) == 1:
            return Class(given[0].info) if isinstance(given[0], Instance) else Opaque()
        case "callable" if len(given) == 1:
            return TRUE if isinstance(given[0], (Function, Class, Instance, Layer)) else Opaque(is_number=True)
    return None


def _getattr(frame: Frame, given: list[Value], node: ast.AST) -> Value:
    key = given[1]
    if isinstance(key, Opaque) and key.default is not None and isinstance(given[0], External):
        key = key.default  # `getattr(nn, activation)`: what it is unless a caller wants another one
    if isinstance(key, Const) and isinstance(key.value, str):
        return get_attribute(frame, given[0], key.value, node)
    if isinstance(given[0], Layer) and isinstance(key, Opaque) and key.name.startswith(("weight", "bias")):
        return get_attribute(frame, given[0], key.name, node)
    if isinstance(given[0], External) and isinstance(key, Opaque) and _is_for_dimensions(key.name):
        return get_attribute(frame, given[0], key.name.replace(HOLE, "2"), node)
    return Opaque()


def _is_for_dimensions(name: str) -> bool:
    """Return whether a text names a layer for one, two or three dimensions, which all keep the same tensors.

    Source: derivatives.yaml, 2.13.0.
    """
    return name.endswith(f"{HOLE}d") and name.count(HOLE) == 1


def _hasattr(frame: Frame, value: Value, key: Value) -> Value:
    if not isinstance(key, Const) or not isinstance(key.value, str) or not isinstance(value, Instance):
        return Opaque(is_number=True)
    project = frame.machine.project
    if key.value in value.attributes or find_member(project, value.info, key.value) is not None:
        return TRUE if not isinstance(value.attributes.get(key.value), Opaque) else Opaque(is_number=True)
    return Opaque(is_number=True) if value.is_self else FALSE


def _super(frame: Frame, given: list[Value]) -> Value:
    if len(given) >= 2 and isinstance(given[0], Class):
        return Super(given[1], given[0].info)
    if frame.owner is None or frame.receiver is None:
        return Opaque()
    return Super(frame.receiver, frame.owner)


_TENSORS = ("torch.Tensor", "torch.FloatTensor")


def is_instance(frame: Frame, value: Value, kind: Value) -> Value:
    """Return whether a value is of a type, or of one of several, as far as that is known."""
    kinds = kind.items if isinstance(kind, Sequence) else [kind]
    answers = {_is_kind(frame, value, one) for one in kinds}
    if True in answers:
        return TRUE
    return FALSE if answers == {False} else Opaque(is_number=True)


def _is_kind(frame: Frame, value: Value, kind: Value) -> bool | None:
    if isinstance(value, Choice):
        answers = {_is_kind(frame, option, kind) for option, _ in value.options}
        return answers.pop() if len(answers) == 1 else None
    if isinstance(value, Opaque):
        if value.tensor is not None and value.tensor.storage.is_tensor and isinstance(kind, External):
            return True if kind.dotted in _TENSORS else None
        return None
    if isinstance(kind, External):
        return _is_external_kind(frame, value, kind.dotted)
    if isinstance(kind, Class) and isinstance(value, Instance):
        return kind.info in linearize_known(frame.machine.project, value.info)[0]
    if isinstance(kind, Class) and isinstance(value, (Tensor, Sequence, Mapping, Const)):
        return False
    return None


def sift(frame: Frame, test: ast.expr, *, holds: bool) -> None:
    """Keep, of what a name may be bound to, what a test of its type leaves on one of the ways that it opens."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            sift(frame, inner, holds=not holds)
        case ast.BoolOp(op=op, values=parts) if isinstance(op, ast.And) is holds:
            for part in parts:
                sift(frame, part, holds=holds)
        case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), kinds]):
            value = frame.local.get(name)
            if not isinstance(value, Choice):
                return
            kind = evaluate(frame, kinds)
            wrong = FALSE if holds else TRUE
            left = [(option, guard) for option, guard in value.options if is_instance(frame, option, kind) is not wrong]
            if 0 < len(left) < len(value.options):
                frame.machine.journal.set(frame.local, name, join(left))


DERIVED = {
    **dict.fromkeys(("GRU", "LSTM", "RNN"), "RNNBase"),
    **dict.fromkeys(("GRUCell", "LSTMCell", "RNNCell"), "RNNCellBase"),
    **dict.fromkeys(("UpsamplingBilinear2d", "UpsamplingNearest2d"), "Upsample"),
    **{f"ZeroPad{n}d": f"ConstantPad{n}d" for n in (1, 2, 3)},
    "NLLLoss2d": "NLLLoss",
    "ReLU6": "Hardtanh",
}
"""The modules of `torch.nn` that derive from another one of it, those named `Lazy...` aside.

Source: torch/nn/modules, 2.13.0.
"""
_PUBLIC = re.compile(r"torch\.nn\.([A-Z]\w*)$")


def _is_layer_kind(own: str, dotted: str) -> bool | None:
    """Return whether a module of the framework is of a type, both by dotted name."""
    if dotted in (own, "torch.nn.Module"):
        return True
    one, other = _PUBLIC.match(own), _PUBLIC.match(dotted)
    if one is None or other is None:
        return None
    base = one[1].removeprefix("Lazy") if one[1].startswith("Lazy") else DERIVED.get(one[1])
    return base == other[1]


def _is_tensor_kind(value: Tensor, dotted: str) -> bool | None:
    if dotted in ("torch.nn.Parameter", "torch.nn.parameter.Parameter"):
        kind = value.storage.kind
        if kind is TensorKind.PARAMETER:
            return value.is_leaf and value.view is None
        return False if kind is TensorKind.BUFFER or value.storage.is_own else None
    return dotted in _TENSORS if dotted.startswith(("torch.", "builtins.", "numpy.")) else None


def _is_external_kind(frame: Frame, value: Value, dotted: str) -> bool | None:
    match value:
        case Tensor():
            return _is_tensor_kind(value, dotted)
        case Sequence(is_tuple=is_tuple):
            return dotted in ("builtins.tuple" if is_tuple else "builtins.list", "collections.abc.Sequence")
        case Mapping():
            return dotted in ("builtins.dict", "collections.abc.Mapping", "collections.OrderedDict")
        case Const(value=inner):
            return dotted == f"builtins.{type(inner).__name__}" or (dotted, type(inner)) == ("builtins.int", bool)
        case Layer(dotted=own):
            return _is_layer_kind(own, dotted)
        case Instance(info=info):
            return True if dotted in external_bases(frame.machine.project, info) else None
    return None
