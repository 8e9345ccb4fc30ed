"""What a piece of a syntax tree mentions: names, members, calls, and the special methods behind its operators."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gradsan.source.flow.user_operators import item_method, operator_methods
from gradsan.source.index import dotted_name
from gradsan.source.walking import push_parts


@dataclass(slots=True)
class Mentions:
    """What stands in a function or an expression, functions inside it included.

    Attributes:
        names: Dotted names, each as long as it stands there, ``self.net.forward``; in the order of the walk.
        members: The attributes that are read, called or set.
        calls: What is called, by dotted name; ``.relu`` is a method of something else than a name, empty anything else.
        specials: The special methods that operators and items may call.
        nodes: All nodes but names, constants and attributes; an outer one before those inside it.
    """

    names: dict[str, None] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    specials: set[str] = field(default_factory=set)
    nodes: list[ast.AST] = field(default_factory=list)


def mentions_of(node: ast.AST) -> Mentions:
    """Return what a piece of a syntax tree mentions."""
    found = Mentions()
    stack = [node]
    while stack:
        inner = stack.pop()
        kind = inner.__class__
        if kind is ast.Constant:
            continue
        if kind is ast.Name:
            found.names[inner.id] = None  # type: ignore[attr-defined]
            continue
        if kind is ast.Attribute:
            _add_chain(found, inner, stack)  # type: ignore[arg-type]
            continue
        file = _FILED.get(kind)
        if file is not None:
            file(found, inner)
        found.nodes.append(inner)
        if kind is ast.Call and _is_super(inner):
            stack.append(inner.func)  # type: ignore[attr-defined]
        else:
            push_parts(inner, stack)
    return found


def _is_super(node: ast.AST) -> bool:
    """Return whether a node is ``super(Net, self)``, which neither makes a `Net` nor calls one."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _add_chain(found: Mentions, node: ast.Attribute, stack: list[ast.AST]) -> None:
    """File ``a.b.c`` as one name; of ``f(x).b``, what stands before the dot is looked into."""
    found.members.add(node.attr)
    dotted = dotted_name(node)
    if not dotted:
        stack.append(node.value)
        return
    found.names[dotted] = None
    found.members.update(dotted.split(".")[1:])


def _add_call(found: Mentions, node: ast.Call) -> None:
    found.calls.add(_called(node.func))


def _add_item(found: Mentions, node: ast.Subscript) -> None:
    found.specials.add(item_method(node.ctx))


def _add_operator(found: Mentions, node: ast.BinOp) -> None:
    found.specials |= operator_methods(type(node.op), "", "r")


def _add_update(found: Mentions, node: ast.AugAssign) -> None:
    found.specials |= operator_methods(type(node.op), "i", "", "r")
    if isinstance(node.target, ast.Subscript):
        found.specials.add("__getitem__")


_FILED: dict[type[ast.AST], Callable[[Mentions, Any], None]] = {
    ast.Call: _add_call,
    ast.Subscript: _add_item,
    ast.BinOp: _add_operator,
    ast.AugAssign: _add_update,
}
"""What is filed of a node beside itself, by its class: `match` asks for one class after the other."""


def _called(function: ast.expr) -> str:
    dotted = dotted_name(function)
    if dotted or not isinstance(function, ast.Attribute):
        return dotted
    return f".{function.attr}"
