"""What a piece of a syntax tree mentions: names, members, calls, and the special methods behind its operators."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

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
        match inner:
            case ast.Name():
                found.names[inner.id] = None
                continue
            case ast.Constant():
                continue
            case ast.Attribute():
                found.members.add(inner.attr)
                _add_chain(found, inner, stack)
                continue
            case ast.Call():
                found.calls.add(_called(inner.func))
            case ast.Subscript():
                found.specials.add(item_method(inner.ctx))
            case ast.BinOp():
                found.specials |= operator_methods(type(inner.op), "", "r")
            case ast.AugAssign():
                found.specials |= operator_methods(type(inner.op), "i", "", "r")
                if isinstance(inner.target, ast.Subscript):
                    found.specials.add("__getitem__")
        found.nodes.append(inner)
        push_parts(inner, stack)
    return found


def _add_chain(found: Mentions, node: ast.Attribute, stack: list[ast.AST]) -> None:
    """File ``a.b.c`` as one name; of ``f(x).b``, what stands before the dot is looked into."""
    dotted = dotted_name(node)
    if not dotted:
        stack.append(node.value)
        return
    found.names[dotted] = None
    found.members.update(dotted.split(".")[1:])


def _called(function: ast.expr) -> str:
    dotted = dotted_name(function)
    if dotted or not isinstance(function, ast.Attribute):
        return dotted
    return f".{function.attr}"
