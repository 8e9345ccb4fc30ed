"""Literals: the numbers of what tests say, the same for the same words about the same values."""

from __future__ import annotations

import ast

from gradsan.source.flow.machine import Condition, Frame, evaluate
from gradsan.source.flow.values import External, Instance, Opaque, Value, is_given
from gradsan.source.index import dotted_name
from gradsan.source.spelling import spelled
from gradsan.source.walking import walk

_TYPES = frozenset({"builtins.tuple", "builtins.list", "builtins.dict", "builtins.str", "torch.Tensor"})
"""Types of which nothing is two at once, as far as programs ask."""


def type_name(frame: Frame, node: ast.expr) -> str:
    """Return the name of a type that excludes the others; empty for any other expression."""
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return ""
    kind = evaluate(frame, node)
    return kind.dotted if isinstance(kind, External) and kind.dotted in _TYPES else ""


def held(frame: Frame, node: ast.expr) -> Value | None:
    """Return what a name is bound to, or an attribute of an object."""
    if isinstance(node, ast.Name):
        return frame.local.get(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        holder = frame.local.get(node.value.id)
        return holder.attributes.get(node.attr) if isinstance(holder, (Instance, Opaque)) else None
    return None


_OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.IsNot: ast.Is,
    ast.NotEq: ast.Eq,
    ast.NotIn: ast.In,
    ast.GtE: ast.Lt,
    ast.LtE: ast.Gt,
}


def literal_of(frame: Frame, test: ast.expr) -> int:
    """Return the literal of a test: the same number for the same words about the same values."""
    machine = frame.machine
    sign, test = _positive(frame, test)
    subject, asked = _subject(frame, test)
    key: tuple[object, ...]
    if type(subject) is Opaque:
        machine.kept.append(subject)
        key = id(subject), *asked
    else:
        key = _worded(frame, test)
    number = machine.conditions.get(key)
    if number is None:
        text = text_of(frame, test)
        stack = tuple(machine.stack) if text != _GRADIENT_MODE else ()
        is_training = text.endswith(".training") or text == "training"
        condition = Condition(text, is_training=is_training, stack=stack)
        condition.is_given = subject is not None and is_given(subject)
        number = machine.literal(key, condition)
    return sign * number


def _positive(frame: Frame, test: ast.expr) -> tuple[int, ast.expr]:
    """Return the sign of a test, and its opposite where that is negative: `is not` says the opposite of `is`."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or type(test.ops[0]) not in _OPPOSITES:
        return 1, test
    opposites = frame.machine.opposites
    opposite = opposites.get(id(test))
    if opposite is None:
        opposite = ast.Compare(test.left, [_OPPOSITES[type(test.ops[0])]()], test.comparators)
        opposites[id(test)] = opposite
    return -1, opposite


_GRADIENT_MODE = "torch.is_grad_enabled()"
"""Asks the same wherever it stands."""


def _worded(frame: Frame, test: ast.expr) -> tuple[object, ...]:
    """Return what tells one test from another by its words, and by the values of their names."""
    text = text_of(frame, test)
    if text == _GRADIENT_MODE:
        return (text,)
    names, is_pure = _about(frame, test)
    about: list[int] = []
    for name in names:
        value = frame.local.get(name)
        if value is not None:
            frame.machine.kept.append(value)
            about.append(id(value))
    if not is_pure:
        # A call may answer otherwise the next time; the same place asks again in each iteration.
        about.append(frame.machine.clock)
    return (text, *about)


def _subject(frame: Frame, test: ast.expr) -> tuple[Value | None, tuple[object, ...]]:
    """Return of which value a test asks what, where one is known: it may be one thing under several names.

    What a constructor was given and what the object keeps of it are the same: a branch on the one decides the other.
    """
    match test:
        case ast.Compare(left=left, ops=[op], comparators=[ast.Constant(value=constant)]):
            asked: tuple[object, ...] = (type(op), type(constant), constant)
        case ast.Call(func=ast.Name(id="isinstance"), args=[left, kind]) if name := type_name(frame, kind):
            asked = ("isinstance", name)
        case _:
            left, asked = test, ("truth",)
    return held(frame, left), asked


def text_of(frame: Frame, node: ast.expr) -> str:
    """Return the source of an expression, in standard form."""
    texts = frame.machine.texts
    text = texts.get(id(node))
    if text is None:
        text = texts[id(node)] = spelled(node)
    return text


def _about(frame: Frame, test: ast.expr) -> tuple[tuple[str, ...], bool]:
    """Return the names in a test, and whether it calls nothing that may answer otherwise the next time."""
    known = frame.machine.abouts.get(id(test))
    if known is None:
        inner = list(walk(test))
        names = tuple(n.id for n in inner if isinstance(n, ast.Name))
        is_pure = all(_is_pure(n) for n in inner if isinstance(n, ast.Call))
        known = frame.machine.abouts[id(test)] = (names, is_pure)
    return known


def _is_pure(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "len", "hasattr", "getattr", "callable")


def equality(frame: Frame, node: ast.expr, value: Value, constant: object) -> int:
    """Return the literal that says that what an expression gives equals a constant: the same as that of a test."""
    text = text_of(frame, node)
    frame.machine.kept.append(value)
    key = (id(value), ast.Eq, type(constant), constant)
    literal = frame.machine.literal(key, Condition(f"{text} == {constant!r}"))
    if isinstance(constant, str) and (dotted := dotted_name(node)):
        other_literals(frame, holder_of(frame, dotted), literal)
    return literal


def other_literals(frame: Frame, key: tuple[str, int], literal: int) -> tuple[int, ...]:
    """File a literal with those that can't hold beside it, and return the negations of these."""
    known = frame.machine.equalities.setdefault(key, [])
    if abs(literal) not in known:
        known.append(abs(literal))
    return tuple(-other for other in known if other != abs(literal))


def holder_of(frame: Frame, dotted: str) -> tuple[str, int]:
    """Return what tells one thing from another in an analysis: the words, and what their first one is bound to."""
    value = frame.local.get(dotted.partition(".")[0])
    if value is not None:
        frame.machine.kept.append(value)
    return dotted, id(value)
