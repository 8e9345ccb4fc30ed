"""The arguments of a call, bound to the parameters of an operation, as the table understands them."""

from __future__ import annotations

from gradsan.knowledge import UNKNOWN, Effect, Operation, TensorFacts
from gradsan.source.flow.machine import Arguments, Frame
from gradsan.source.flow.values import Choice, Const, Opaque, Sequence, Tensor, Value

_FACTS = TensorFacts()
_LITERALS = (bool, int, float, complex, str, type(None))
_COMPARED = (*_LITERALS, tuple)
"""What of a call's arguments is told apart by value; anything else by identity."""


def bind(operation: Operation, arguments: Arguments) -> dict[str, Value]:
    """Return the arguments of a call by parameter name; what no parameter takes is left out."""
    bound: dict[str, Value] = {}
    position = 0
    for parameter in operation.parameters:
        if parameter.keyword_only or position >= len(arguments.positional):
            break
        if parameter.variadic:
            bound[parameter.name] = Sequence(arguments.positional[position:])
            position = len(arguments.positional)
            break
        bound[parameter.name] = arguments.positional[position]
        position += 1
    if position < len(arguments.positional):
        bound["<rest>"] = Sequence(arguments.positional[position:])
    if "dim" in bound and "other" not in bound and _is_other(operation, bound["dim"]):
        bound["other"] = bound.pop("dim")
    for name, value in arguments.keywords.items():
        if name == "input" and operation.parameter("input") is None and operation.parameter("self") is not None:
            name = "self"
        bound[name] = value
    return bound


def _is_other(operation: Operation, value: Value) -> bool:
    """Return whether the second argument of ``min`` or ``max`` is a second tensor, and not a dimension."""
    if operation.parameter("other") is None:
        return False
    if type(value) is Choice:
        return all(_is_other(operation, option) for option, _ in value.options)
    return type(value) is Tensor or (type(value) is Opaque and value.tensor is not None and value.node is not None)


def literal_of(value: Value) -> object:
    """Return a value as the table understands arguments."""
    if type(value) is Const:
        return value.value if isinstance(value.value, _LITERALS) else UNKNOWN
    if type(value) is Tensor:
        return _FACTS
    if type(value) is Opaque:
        if value.default is not None and (isinstance(value.default.value, bool) or _is_nonzero(value.default.value)):
            return value.default.value
        return _FACTS if value.tensor is not None and value.tensor.storage.is_tensor else UNKNOWN
    if type(value) is Sequence:
        if any(type(item) is Tensor for item in value.items):
            return _FACTS
        parts = tuple(literal_of(item) for item in value.items)
        if value.is_exact and all(isinstance(part, _LITERALS) for part in parts):
            return parts
        return UNKNOWN
    if type(value) is Choice:
        kinds = [literal_of(option) for option, _ in value.options]
        if all(kind is kinds[0] for kind in kinds):
            return kinds[0]
        # Where one of them is a tensor, the unknown ones are as well.
        return _FACTS if all(kind is _FACTS or kind is UNKNOWN for kind in kinds) else UNKNOWN
    return UNKNOWN


def setting_of(operation: Operation, name: str, value: Value) -> object:
    """Return an argument as `literal_of` does; where it is unknown, as it is in training.

    A network is in training mode, whoever asks for dropout with a rate of their own doesn't ask for none, and whoever
    lets the caller choose the order of a norm doesn't mean the nuclear one.
    """
    known = literal_of(value)
    if name == "input" and operation.name == "nn.LSTM" and (known is _FACTS or known is UNKNOWN):
        return _SINGLE
    if name in ("x1", "x2") and operation.name.endswith("cdist") and (known is _FACTS or known is UNKNOWN):
        return _POINTS
    if known is UNKNOWN and type(value) is Opaque and value.default is None:
        if name == "training" and value.name.endswith("training"):
            return True
        if name == "p" and "dropout" in operation.name.lower():
            return _RATE
        if name in ("p", "ord") and operation.name.rpartition(".")[2] in ("norm", "matrix_norm"):
            return _ORDER
    return known


_RATE = 0.5
_ORDER = 2
_SINGLE = TensorFacts(dtype="float32", ndim=3)
"""What networks are fed with.  oneDNN and cuDNN save an LSTM's result then; in double precision nothing does."""

_POINTS = TensorFacts(ndim=2)
"""What distances are taken between: points, or batches of points.  Both are saved then; of four dimensions, copies."""


def _is_nonzero(value: object) -> bool:
    return isinstance(value, (int, float)) and value != 0


def effect_of(frame: Frame, operation: Operation, given: dict[str, object]) -> Effect:
    """Return what a call does; remembered by what is known of its arguments."""
    key = operation.name, tuple([(n, v if isinstance(v, _COMPARED) else id(v)) for n, v in given.items()])
    effects = frame.machine.effects
    effect = effects.get(key)
    if effect is None:
        effect = effects[key] = operation.effect(given)
    return effect


_ONLY_TENSORS = frozenset(
    [
        *("self", "input", "tensors", "x1", "x2", "mat", "mat1", "mat2", "batch1", "batch2"),
        *("vec", "vec1", "vec2", "A", "B", "tensor1", "tensor2", "logits", "anchor", "query", "theta", "log_probs"),
    ]
)
"""Arguments for which a number won't do.  Source: native_functions.yaml and torch/functional.py, 2.13.0."""


def takes_tensor(operation: Operation, name: str) -> bool:
    """Return whether what is given for a parameter is surely a tensor, or a list of them."""
    if operation.kind == "module":
        return name in operation.inputs[:1]
    return name in _ONLY_TENSORS or (name == "args" and operation.name == "einsum")
