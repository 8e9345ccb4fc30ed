"""What the names of a function are bound to, as far as its text tells: numbers, texts, lists, or anything.

A name is what all that is bound to it is, wherever that stands; so the order of the statements doesn't matter.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Set
from enum import Enum
from typing import TypeAlias

from gradsan.source.program import last_name


class Kind(Enum):
    """What an expression may be."""

    NUMBER = "number"
    """Or nothing at all, or what else is no tensor and holds none."""
    TEXT = "text"
    LIST = "list"
    """Or a dictionary, a tuple, a set."""
    ANY = "any"


Kinds: TypeAlias = frozenset[Kind]

_NUMBER, _TEXT, _LIST, _ANY = (frozenset({kind}) for kind in Kind)
_NOTHING: Kinds = frozenset()
_OPEN = frozenset({Kind.NUMBER, Kind.ANY})
"""What an augmented assignment may make a tensor of."""

_A_NUMBER, _A_TEXT, _A_LIST, _ANYTHING = ast.Constant(0), ast.Constant(""), ast.List([], ast.Load()), ast.Constant(...)
"""Stand for what is bound where no expression does."""

_CALLS = {
    **dict.fromkeys(("len", "int", "float", "bool", "round", "range", "ord", "id", "hash"), _NUMBER),
    **dict.fromkeys(("isinstance", "issubclass", "hasattr", "callable", "any", "all"), _NUMBER),
    **dict.fromkeys(("str", "repr", "chr"), _TEXT),
    **dict.fromkeys(("dict", "defaultdict", "OrderedDict", "Counter", "list", "tuple", "set", "sorted"), _LIST),
}
"""What functions return that have no namespace."""
_METHODS = {
    **dict.fromkeys(("item", "size", "numel", "dim", "tolist", "count", "index", "nelement"), _NUMBER),
    **dict.fromkeys(("time", "perf_counter"), _NUMBER),
    **dict.fromkeys(("join", "format"), _TEXT),
    "state_dict": _LIST,
}
_ATTRIBUTES = frozenset({"shape", "ndim", "itemsize"})
_ANNOTATIONS = {
    **dict.fromkeys(("int", "float", "bool", "bytes"), _A_NUMBER),
    "str": _A_TEXT,
    **dict.fromkeys(("dict", "Dict", "DefaultDict", "OrderedDict", "MutableMapping"), _A_LIST),
    **dict.fromkeys(("list", "List", "set", "Set", "tuple", "Tuple"), _A_LIST),
}
_TESTS = (ast.Is, ast.IsNot, ast.In, ast.NotIn)
"""Comparisons that give a truth value, whatever they compare."""

_BINDING = frozenset(
    [
        *(ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.For, ast.AsyncFor, ast.comprehension, ast.With, ast.AsyncWith),
        *(ast.arguments, ast.Global, ast.Nonlocal, ast.MatchAs, ast.MatchStar),
    ]
)
"""The classes of the nodes that bind: most are of others."""


class Bindings:
    """The names that a function binds, those of the functions inside it included."""

    def __init__(self, nodes: Iterable[ast.AST]) -> None:
        self._bound: dict[str, list[ast.expr]] = {}
        for node in nodes:
            if node.__class__ in _BINDING:
                for name, value in _bound_by(node):
                    self._bound.setdefault(name, []).append(value)

    @property
    def names(self) -> Set[str]:
        """All names that are bound."""
        return self._bound.keys()

    def is_plain(self, node: ast.expr) -> bool:
        """Return whether an expression is a number, a text or a list: no tensor in any case."""
        return Kind.ANY not in self._kinds(node, set())

    def keeps_kind(self, node: ast.expr) -> bool:
        """Return whether an expression stays a text or a list, whatever is added to it."""
        return not self._kinds(node, set()) & _OPEN

    def is_text(self, node: ast.expr) -> bool:
        """Return whether an expression is a text: no tensor has an item of that key."""
        return self._kinds(node, set()) == _TEXT

    def _kinds(self, node: ast.expr, seen: set[str]) -> Kinds:
        """Return what an expression may be; a name that was looked at before adds nothing.

        Where such a name may be anything, so is the whole: what doesn't matter to an expression isn't looked at.
        """
        match node:
            case ast.Constant(value=value):
                return _ANY if value is Ellipsis else _TEXT if isinstance(value, str) else _NUMBER
            case ast.Name(id=name):
                if name in seen:
                    return _NOTHING
                seen.add(name)
                return self._any_of(self._bound.get(name, [_ANYTHING]), seen)
            case ast.JoinedStr():
                return _TEXT
            case ast.List() | ast.Tuple() | ast.Dict() | ast.Set() | ast.ListComp() | ast.DictComp() | ast.SetComp():
                return _LIST
            case ast.BinOp():
                return self._computed(node, seen)
            case ast.UnaryOp(op=op, operand=operand):
                return _NUMBER if isinstance(op, ast.Not) else self._kinds(operand, seen)
            case ast.BoolOp(values=values):
                return self._any_of(values, seen)
            case ast.IfExp(body=body, orelse=orelse):
                return self._any_of([body, orelse], seen)
            case ast.Compare(left=left, ops=ops, comparators=others):
                is_test = all(isinstance(op, _TESTS) for op in ops)
                return _NUMBER if is_test or Kind.ANY not in self._any_of([left, *others], seen) else _ANY
            case ast.Attribute(attr=name) | ast.Subscript(value=ast.Attribute(attr=name)) if name in _ATTRIBUTES:
                return _NUMBER
            case ast.Call(func=ast.Name(id=name)):
                return _CALLS.get(name, _ANY)
            case ast.Call(func=ast.Attribute(attr=name)):
                return _METHODS.get(name, _ANY)
        return _ANY

    def _any_of(self, nodes: Iterable[ast.expr], seen: set[str]) -> Kinds:
        found = _NOTHING
        for node in nodes:
            found |= self._kinds(node, seen)
            if Kind.ANY in found:
                return _ANY
        return found

    def _computed(self, node: ast.BinOp, seen: set[str]) -> Kinds:
        left = self._kinds(node.left, seen)
        if isinstance(node.op, (ast.Add, ast.Mod)) and left == _TEXT:
            return _TEXT
        if isinstance(node.op, (ast.Add, ast.Mult)) and left == _LIST:
            return _LIST
        return left | self._kinds(node.right, seen) if Kind.ANY not in left else _ANY


def _bound_by(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a node binds, each with what it binds it to."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _unpacked(target, value)
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value):
            yield name, _annotated(annotation) or value
        case ast.NamedExpr(target=ast.Name(id=name), value=value):
            yield name, value
        case ast.For() | ast.AsyncFor() | ast.comprehension():
            yield from _unpacked(node.target, _element(node.iter))
        case ast.With(items=items) | ast.AsyncWith(items=items):
            for item in items:
                if item.optional_vars is not None:
                    yield from _unpacked(item.optional_vars, _ANYTHING)
        case ast.arguments():
            yield from _parameters(node)
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from ((name, _ANYTHING) for name in names)
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name, _ANYTHING


def _unpacked(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names of a target, each with its part of a value; an attribute or an item has none."""
    match target:
        case ast.Name(id=name):
            yield name, value
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            known = value.elts if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(parts) else None
            if known is None or any(isinstance(part, ast.Starred) for part in (*parts, *known)):
                known = [_ANYTHING] * len(parts)
            for part, given in zip(parts, known, strict=True):
                yield from _unpacked(part, given)
        case ast.Starred(value=inner):
            yield from _unpacked(inner, _A_LIST)


def _element(iterable: ast.expr) -> ast.expr:
    """Return what a loop's target is bound to."""
    match iterable:
        case ast.Call(func=ast.Name(id="range")):
            return _A_NUMBER
        case ast.Call(func=ast.Name(id="enumerate")):
            return ast.Tuple([_A_NUMBER, _ANYTHING], ast.Load())
    return _ANYTHING


def _parameters(spec: ast.arguments) -> Iterator[tuple[str, ast.expr]]:
    """Yield the parameters of a function, each with what its annotation or its default shows it to be."""
    names = [*spec.posonlyargs, *spec.args]
    missing = [_ANYTHING] * (len(names) - len(spec.defaults))
    for name, default in zip((*names, *spec.kwonlyargs), (*missing, *spec.defaults, *spec.kw_defaults), strict=True):
        yield name.arg, _annotated(name.annotation) or _default(default)
    yield from ((name.arg, _A_LIST) for name in (spec.vararg, spec.kwarg) if name is not None)


def _default(default: ast.expr | None) -> ast.expr:
    """Return a default that shows a parameter to be a number or a text, as data flow takes it to be."""
    is_telling = isinstance(default, ast.Constant) and isinstance(default.value, (bool, int, float, str))
    return default if is_telling and default is not None else _ANYTHING


def _annotated(annotation: ast.expr | None) -> ast.expr | None:
    """Return what an annotation says; None where that may be a tensor."""
    match annotation:
        case ast.Subscript(value=ast.Name() | ast.Attribute() as head, slice=inner):
            return _annotated(inner) if last_name(head) == "Optional" else _annotated(head)
        case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(value=None)):
            return _annotated(left)
        case ast.Name() | ast.Attribute():
            return _ANNOTATIONS.get(last_name(annotation))
    return None
