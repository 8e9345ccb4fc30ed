"""Whether a function's own text may mutate a tensor: a quick look by pattern, then a look at the syntax tree.

Both err on the side of yes; what neither finds needs no data flow.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from gradsan import knowledge
from gradsan.source.program import last_name

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
_NUMBERS = frozenset({"len", "int", "float", "bool", "str", "round", "repr", "range", "ord", "id", "hash"})
_NUMBER_METHODS = frozenset(
    {"item", "size", "numel", "dim", "tolist", "count", "index", "nelement", "join", "format", "time", "perf_counter"}
)
_NUMBER_ATTRIBUTES = frozenset({"shape", "ndim", "itemsize"})
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
_MAPPINGS = frozenset({"dict", "defaultdict", "OrderedDict", "Counter"})


def spells_write(text: str) -> bool:
    """Return whether a function's source has a pattern of one that mutates a tensor."""
    return any(spelled in text and pattern.search(text) for spelled, pattern in _QUICK)


_MUTATING = frozenset({ast.AugAssign, ast.Subscript, ast.Call})
_BINDING = frozenset(
    [
        *(ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.For, ast.AsyncFor, ast.comprehension, ast.With, ast.AsyncWith),
        *(ast.arguments, ast.Global, ast.Nonlocal),
    ]
)
"""The classes of the nodes that are looked at closely: most are of others."""


def may_write(nodes: Iterable[ast.AST], *, has_backward: bool) -> bool:
    """Return whether a function whose text spells a write may mutate a tensor itself.

    Args:
        nodes: Its syntax tree, itself first; functions inside it belong to it.
        has_backward: Whether its module runs backward passes: without one an optimizer's step breaks nothing.
    """
    nodes = list(nodes)
    # A constructor makes layers that work in place, and calls none.
    is_constructor = isinstance(nodes[0], ast.FunctionDef) and nodes[0].name == "__init__"
    bindings: dict[str, list[ast.expr]] | None = None
    for inner in nodes:
        if inner.__class__ not in _MUTATING:
            continue
        match inner:
            case ast.AugAssign():
                if bindings is None:
                    bindings = _bindings(nodes)
                if _may_update(inner, bindings):
                    return True
            case ast.Subscript(ctx=ast.Store()):
                if bindings is None:
                    bindings = _bindings(nodes)
                if not _is_key(inner.slice) and not _is_container(inner.value, bindings):
                    return True
            case ast.Call() if _may_mutate(inner, has_backward=has_backward, is_constructor=is_constructor):
                return True
    return False


def _bindings(nodes: Iterable[ast.AST]) -> dict[str, list[ast.expr]]:
    """Return what each name is bound to; an unknown binding is an ellipsis."""
    found: dict[str, list[ast.expr]] = {}
    unknown = ast.Constant(value=...)
    for inner in nodes:
        if inner.__class__ not in _BINDING:
            continue
        match inner:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    for name, is_whole in _names_in(target):
                        found.setdefault(name, []).append(value if is_whole else unknown)
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                | ast.NamedExpr(target=ast.Name(id=name), value=value)
            ):
                found.setdefault(name, []).append(value)
            case ast.For() | ast.AsyncFor() | ast.comprehension():
                for name, is_whole in _names_in(inner.target):
                    is_counter = is_whole and _called(inner.iter) == "range"
                    found.setdefault(name, []).append(inner.iter if is_counter else unknown)
            case ast.With(items=items) | ast.AsyncWith(items=items):
                for item in items:
                    for name, _ in _names_in(item.optional_vars):
                        found.setdefault(name, []).append(unknown)
            case ast.arguments():
                for parameter, default in _parameters(inner):
                    found.setdefault(parameter.arg, []).append(default if _is_number(default) else unknown)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                for name in names:
                    found.setdefault(name, []).append(unknown)
    return found


def _parameters(spec: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr]]:
    """Yield the parameters of a function with their defaults; an ellipsis stands for none."""
    none = ast.Constant(value=...)
    names = [*spec.posonlyargs, *spec.args]
    yield from zip(names, [*[none] * (len(names) - len(spec.defaults)), *spec.defaults], strict=True)
    yield from ((name, default or none) for name, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True))
    yield from ((name, none) for name in (spec.vararg, spec.kwarg) if name is not None)


def _is_number(default: ast.expr) -> bool:
    """Return whether a default shows a parameter to be a number or a text, as data flow takes it to be."""
    return isinstance(default, ast.Constant) and isinstance(default.value, (bool, int, float, str))


def _names_in(target: ast.expr | None) -> Iterator[tuple[str, bool]]:
    match target:
        case ast.Name(id=name):
            yield name, True
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            for part in parts:
                yield from ((name, False) for name, _ in _names_in(part))
        case ast.Starred(value=value):
            yield from ((name, False) for name, _ in _names_in(value))


def _may_update(node: ast.AugAssign, bindings: dict[str, list[ast.expr]]) -> bool:
    """Return whether an augmented assignment may be one of a tensor."""
    if isinstance(node.op, ast.MatMult):
        return False
    value = node.value
    if isinstance(value, (ast.JoinedStr, ast.List, ast.Tuple, ast.ListComp, ast.Dict, ast.Set)):
        return False
    if isinstance(value, ast.Constant) and isinstance(value.value, (str, bytes)):
        return False
    target = node.target
    if isinstance(target, ast.Name):
        known = bindings.get(target.id)
        if known and all(_is_plain(one) for one in known):
            return not _is_plain(value, bindings)
    return True


def _is_plain(node: ast.expr, bindings: dict[str, list[ast.expr]] | None = None) -> bool:
    """Return whether an expression is a number, a text or a list, whatever the names in it stand for.

    With ``bindings``, a name is what it is bound to.
    """
    match node:
        case ast.Name(id=name) if bindings is not None:
            return bool(bindings.get(name)) and all(_is_plain(one) for one in bindings[name])
        case ast.Constant(value=value):
            return value is not Ellipsis and value is not None
        case ast.JoinedStr() | ast.List() | ast.Dict() | ast.Set() | ast.ListComp() | ast.DictComp() | ast.SetComp():
            return True
        case ast.UnaryOp(operand=operand):
            return _is_plain(operand, bindings)
        case ast.BinOp(left=left, right=right):
            return _is_plain(left, bindings) and _is_plain(right, bindings)
        case ast.Attribute(attr=name):
            return name in _NUMBER_ATTRIBUTES
        case ast.Subscript(value=value):
            return isinstance(value, ast.Attribute) and value.attr in _NUMBER_ATTRIBUTES
        case ast.Call(func=ast.Name(id=name)):
            return name in _NUMBERS
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in _NUMBER_METHODS
        case _:
            return False


def _is_key(index: ast.expr) -> bool:
    return isinstance(index, ast.JoinedStr) or (isinstance(index, ast.Constant) and isinstance(index.value, str))


def _is_container(holder: ast.expr, bindings: dict[str, list[ast.expr]]) -> bool:
    """Return whether only lists and dicts are bound to a name."""
    if isinstance(holder, ast.Attribute):
        return holder.attr in ("environ", "__dict__", "modules")
    known = bindings.get(holder.id) if isinstance(holder, ast.Name) else None
    return bool(known) and all(_is_display(one) for one in known or ())


def _is_display(node: ast.expr) -> bool:
    if isinstance(node, (ast.Dict, ast.List, ast.Set, ast.ListComp, ast.DictComp)):
        return True
    return _called(node) in _MAPPINGS


def _called(node: ast.expr) -> str:
    """Return the last name of what an expression calls; empty where it is no call."""
    return last_name(node.func) if isinstance(node, ast.Call) else ""


def _may_mutate(call: ast.Call, *, has_backward: bool, is_constructor: bool) -> bool:
    name = _called(call)
    if name in _STEPS:
        return has_backward and isinstance(call.func, ast.Attribute)
    if _is_initialiser(call.func, name):
        return has_backward
    if name in _OTHERS or knowledge.load().mutates(name):
        return True
    match call.func:
        case ast.Attribute(value=ast.Attribute(value=ast.Attribute(attr="aten"), attr=operation)):
            return knowledge.load().mutates(operation)  # `torch.ops.aten.add_.Tensor`
    return not is_constructor and _takes_inplace(call)


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
