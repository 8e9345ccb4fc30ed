"""``torch.func.functional_call``: a module run with other parameters than its own."""

from __future__ import annotations

import ast

from gradsan.source.flow.calling import opaque_call
from gradsan.source.flow.machine import Arguments, Frame, call
from gradsan.source.flow.values import Instance, Layer, Mapping, Opaque, Sequence, Tensor, Value
from gradsan.source.flow.weights import named_children

FUNCTIONAL_CALLS = frozenset(
    {"torch.func.functional_call", "torch.nn.utils.stateless.functional_call", "torch.nn.utils.functional_call"}
)


def call_functionally(frame: Frame, arguments: Arguments, node: ast.AST) -> Value:
    """Run a module on the parameters of a dict; its own are put back afterwards."""
    module, given = arguments.get(0, "module"), arguments.get(1, "parameter_and_buffer_dicts")
    if not isinstance(module, (Instance, Layer)) or not isinstance(given, Mapping):
        return opaque_call(frame, Opaque(), arguments, node)
    inputs = arguments.get(2, "args")
    passed = inputs.items if isinstance(inputs, Sequence) else [inputs] if inputs is not None else []
    named = arguments.get(3, "kwargs")
    keywords = {str(k): v for k, v in named.items.items()} if isinstance(named, Mapping) else {}
    replaced: list[tuple[dict[object, Value], str, Value | None]] = []
    for name, value in given.items.items():
        holder = _holder(module, str(name))
        if holder is not None and isinstance(value, Tensor):
            last = str(name).rpartition(".")[2]
            replaced.append((holder.attributes, last, holder.attributes.get(last)))
            holder.attributes[last] = value
    result = call(frame, module, Arguments(list(passed), keywords), node)
    for attributes, last, before in reversed(replaced):
        if before is None:
            attributes.pop(last, None)
        else:
            attributes[last] = before
    return result


def _holder(module: Instance | Layer, name: str) -> Instance | Layer | None:
    """Return the module that holds a parameter of a dotted name."""
    for part in name.split(".")[:-1]:
        inner = dict(named_children(module)).get(part)
        if not isinstance(inner, (Instance, Layer)):
            return None
        module = inner
    return module
