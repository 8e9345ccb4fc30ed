"""Whether a function's own text may mutate a tensor: a quick look by pattern, then a look at the syntax tree.

Both err on the side of yes; what neither finds needs no data flow.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable

from gradsan import knowledge
from gradsan.source.bindings import Bindings
from gradsan.source.program import dotted_name, last_name

_SPELLINGS = {
    "=": r"(?:(?<=[-+*/%&|^]=)|(?<=>>=)|(?<=<<=))(?!=)",
    "]": r"\s*=(?!=)",
    "_(": r"(?<=[A-Za-z0-9]_\()",
    ".step(": "",
    ".load_state_dict(": "",
    ".update_parameters(": "",
}
"""How a mutation is spelled: a text, and what must stand around it."""
_BEGINNINGS = {
    "aten.": r"\w+_\b",
    "inplace": r"\s*=(?!\s*False)",
    "out": r"\s*=",
    "max_norm": r"\s*=",
    "True": r"\s*\)",
    **dict.fromkeys(("all_", "reduce", "broadcast", "recv", "irecv", "scatter", "gather"), r"\w*\("),
    **dict.fromkeys(("batch_norm", "instance_norm"), r"\w*\("),
}
"""The same, where the text begins a word."""
_QUICK = tuple(
    (text, re.compile(re.escape(text) + around))
    for text, around in (
        *_SPELLINGS.items(),
        *((text, rf"(?<!\w{re.escape(text)}){rest}") for text, rest in _BEGINNINGS.items()),
    )
)
"""Patterns that begin with a text are found many times faster than one pattern of them all."""
_OTHERS = frozenset(
    [
        "all_gather",
        "all_gather_into_tensor",
        "all_reduce",
        "all_reduce_coalesced",
        "all_to_all",
        "all_to_all_single",
        "batch_norm",
        "broadcast",
        "instance_norm",
        "irecv",
        "recv",
        "reduce",
        "reduce_scatter",
        "reduce_scatter_tensor",
    ]
)
"""What writes an argument, but not the first one, or of another namespace; nor is it told to by ``inplace``.

Source: torch.distributed documentation, and the schemas of 2.13.0.
"""
_STEPS = frozenset({"step", "load_state_dict", "update_parameters"})
"""What overwrites all weights at once."""
_ACTIVATIONS = frozenset(
    [
        "alpha_dropout",
        "celu",
        "dropout",
        "dropout1d",
        "dropout2d",
        "dropout3d",
        "elu",
        "hardsigmoid",
        "hardswish",
        "hardtanh",
        "leaky_relu",
        "leakyrelu",
        "mish",
        "relu",
        "relu6",
        "rrelu",
        "selu",
        "silu",
        "threshold",
    ]
)
"""What takes ``inplace`` by position too, in lower case.  Source: torch/nn/functional.py, 2.13.0."""


def spells_write(text: str) -> bool:
    """Return whether a function's source has a pattern of one that mutates a tensor."""
    return any(spelled in text and pattern.search(text) for spelled, pattern in _QUICK)


_MUTATING = frozenset({ast.AugAssign, ast.Subscript, ast.Call})
"""The classes of the nodes that are looked at closely: most are of others."""


def may_write(nodes: Iterable[ast.AST], *, has_backward: bool, is_foreign: Callable[[str], bool] | None = None) -> bool:
    """Return whether a function whose text spells a write may mutate a tensor itself.

    Args:
        nodes: Its syntax tree, itself first; functions inside it belong to it.
        has_backward: Whether its module runs backward passes: without one an optimizer's step breaks nothing.
        is_foreign: Whether a dotted name leads to no function of the framework: those of the project have a text of
            their own, those of others aren't followed.
    """
    nodes = list(nodes)
    # A constructor makes layers that work in place, and calls none.
    is_constructor = isinstance(nodes[0], ast.FunctionDef) and nodes[0].name == "__init__"
    bindings: Bindings | None = None
    for inner in nodes:
        if inner.__class__ not in _MUTATING:
            continue
        match inner:
            case ast.AugAssign():
                if bindings is None:
                    bindings = Bindings(nodes)
                if _may_update(inner, bindings):
                    return True
            case ast.Subscript(ctx=ast.Store()):
                if bindings is None:
                    bindings = Bindings(nodes)
                if _may_store(inner, bindings):
                    return True
            case ast.Call() if _may_mutate(inner, has_backward=has_backward, is_constructor=is_constructor):
                if bindings is None:
                    bindings = Bindings(nodes)
                dotted = dotted_name(inner.func)
                is_local = not dotted or dotted.partition(".")[0] in bindings.names - {"self"}
                if is_local or is_foreign is None or not is_foreign(dotted) or _takes_inplace(inner):
                    return True
    return False


def _may_update(node: ast.AugAssign, bindings: Bindings) -> bool:
    """Return whether an augmented assignment may be one of a tensor."""
    if isinstance(node.op, ast.MatMult):
        return False
    value = node.value
    if isinstance(value, (ast.JoinedStr, ast.List, ast.Tuple, ast.ListComp, ast.Dict, ast.Set)):
        return False
    if isinstance(value, ast.Constant) and isinstance(value.value, (str, bytes)):
        return False
    target = node.target
    if isinstance(target, ast.Name) and bindings.is_plain(target):
        return not (bindings.keeps_kind(target) or bindings.is_plain(value))
    return True


def _may_store(node: ast.Subscript, bindings: Bindings) -> bool:
    """Return whether an item that is assigned may be one of a tensor."""
    holder = node.value
    if isinstance(holder, ast.Attribute) and holder.attr in ("environ", "__dict__", "modules"):
        return False
    return not (isinstance(holder, ast.Name) and bindings.is_plain(holder)) and not bindings.is_text(node.slice)


def _called(node: ast.expr) -> str:
    """Return the last name of what an expression calls; empty where it is no call."""
    return last_name(node.func) if isinstance(node, ast.Call) else ""


def _may_mutate(call: ast.Call, *, has_backward: bool, is_constructor: bool) -> bool:
    name = _called(call)
    if name in _STEPS:
        return has_backward and isinstance(call.func, ast.Attribute)
    if _is_initialiser(call.func, name):
        return has_backward
    if is_constructor and _is_layer(name):
        return False
    if name in _OTHERS or knowledge.load().mutates(name):
        return True
    match call.func:
        case ast.Attribute(value=ast.Attribute(value=ast.Attribute(attr="aten"), attr=operation)):
            return knowledge.load().mutates(operation)  # `torch.ops.aten.add_.Tensor`
    return not is_constructor and _takes_inplace(call)


def _is_layer(name: str) -> bool:
    operation = knowledge.load().lookup(f"torch.nn.{name}") if name[:1].isupper() else None
    return operation is not None and operation.kind == "module"


def _is_initialiser(function: ast.expr, name: str) -> bool:
    """Return whether a function of ``torch.nn.init`` is called: those give parameters their first values."""
    if isinstance(function, ast.Attribute) and last_name(function.value) == "init":
        return True
    table = knowledge.load()
    return table.lookup(f"torch.nn.init.{name}") is not None and table.lookup(f"torch.Tensor.{name}") is None


def _takes_inplace(call: ast.Call) -> bool:
    """Return whether a call may ask for work in place, or name what is written."""
    is_positional = _called(call).lower() in _ACTIVATIONS and any(_is_true(given) for given in call.args)
    return is_positional or _switches(call.keywords)


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _switches(keywords: Iterable[ast.keyword]) -> bool:
    return any(
        keyword.arg in ("inplace", "out", "max_norm")
        and not (isinstance(keyword.value, ast.Constant) and keyword.value.value in (False, None))
        for keyword in keywords
    )
