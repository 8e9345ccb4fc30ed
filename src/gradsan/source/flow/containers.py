"""Methods of lists, dicts and text."""

from __future__ import annotations

import ast

from gradsan.source.flow.branches import truth_of
from gradsan.source.flow.children import names_of
from gradsan.source.flow.deleting import present
from gradsan.source.flow.iterating import elements
from gradsan.source.flow.machine import Arguments, Frame, call
from gradsan.source.flow.values import (
    ABSENT,
    HOLE,
    NONE,
    Const,
    External,
    Mapping,
    Opaque,
    Sequence,
    Value,
    join,
    nodes_of,
)

MAX_LENGTH = 64


def sequence_method(frame: Frame, value: Sequence, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """Call a method of a list or a tuple."""
    journal = frame.machine.journal
    first = arguments.positional[0] if arguments.positional else None
    if name == "append" and first is not None:
        if len(value.items) < MAX_LENGTH:
            journal.set_items(value, [*value.items, first], is_exact=value.is_exact)
        return NONE
    if name in ("extend", "__iadd__") and first is not None:
        items, is_exact = elements(frame, first, node)
        journal.set_items(value, [*value.items, *items][:MAX_LENGTH], is_exact=value.is_exact and is_exact)
        return NONE
    if name == "insert" and len(arguments.positional) == 2:
        at = first.value if isinstance(first, Const) and isinstance(first.value, int) else None
        items = list(value.items)
        items.insert(at if at is not None else 0, arguments.positional[1])
        journal.set_items(value, items, is_exact=value.is_exact and at is not None)
        return NONE
    if name == "pop" and value.items:
        return _pop(frame, value, first)
    if name == "clear":
        journal.set_items(value, [], is_exact=True)
        return NONE
    if name in ("copy", "__iter__"):
        return Sequence(list(value.items), is_exact=value.is_exact, is_tuple=value.is_tuple)
    if name == "reverse":
        journal.set_items(value, value.items[::-1], is_exact=value.is_exact)
        return NONE
    if name in ("index", "count"):
        return Opaque(is_number=True)
    if name == "values":
        return value
    if name in ("items", "keys"):
        names = names_of(value)
        if name == "items":
            names = [Sequence([n, item], is_tuple=True) for n, item in zip(names, value.items, strict=False)]
        return Sequence(names, is_exact=value.is_exact)
    return Opaque()


def _pop(frame: Frame, value: Sequence, where: Value | None) -> Value:
    at = where.value if isinstance(where, Const) and isinstance(where.value, int) else -1
    if not -len(value.items) <= at < len(value.items) or not value.is_exact:
        return value.items[-1]
    items = list(value.items)
    item = items.pop(at)
    frame.machine.journal.set_items(value, items, is_exact=True)
    return item


def mapping_method(frame: Frame, value: Mapping, name: str, arguments: Arguments, _node: ast.AST) -> Value:
    """Call a method of a dict."""
    journal = frame.machine.journal
    key = arguments.positional[0] if arguments.positional else None
    match name:
        case "items":
            return Sequence(
                [Sequence([_key(k), v], is_tuple=True) for k, v in present(value).items()], is_exact=value.is_exact
            )
        case "values":
            return Sequence(list(present(value).values()), is_exact=value.is_exact)
        case "keys":
            return Sequence([_key(k) for k in present(value)], is_exact=value.is_exact)
        case "get" | "pop" | "setdefault" if isinstance(key, Const):
            other = arguments.get(1, "default") or NONE
            held = value.items.get(key.value, ABSENT)
            if name == "setdefault" and held is ABSENT:
                journal.set(value.items, key.value, other)
                return other
            if name == "pop" and key.value in value.items:
                journal.set(value.items, key.value, ABSENT)
            if held is not ABSENT:
                return held
            return other if value.is_exact and (name != "pop" or len(arguments.positional) > 1) else Opaque()
        case "get" | "pop" | "setdefault":
            return join([(item, frozenset()) for item in list(value.items.values())[:5]]) if value.items else Opaque()
        case "update":
            if isinstance(key, Mapping):
                for k, v in key.items.items():
                    journal.set(value.items, k, v)
            for k, v in arguments.keywords.items():
                journal.set(value.items, k, v)
            if key is not None and not isinstance(key, Mapping):
                value.is_exact = False
                frame.machine.escaped += list(nodes_of(key))
            return NONE
        case "copy":
            return Mapping(dict(present(value)), is_exact=value.is_exact)
    return Opaque()


def _key(key: object) -> Value:
    return Const(key) if isinstance(key, (str, int, float, bool, type(None))) else Opaque()


def const_method(value: Const, name: str, arguments: Arguments) -> Value:
    """Call a method of a literal."""
    text = value.value
    given = [a.value for a in arguments.positional if isinstance(a, Const)]
    if isinstance(text, str) and not arguments.keywords:
        if name == "join":
            given = [_texts(arguments)]
        if name in _TEXT_METHODS and len(given) == len(arguments.positional):
            return _text_of(text, name, given)
        if name == "format" and text.count(HOLE) == len(arguments.positional):
            parts = [str(part.value) if isinstance(part, Const) else HOLE for part in arguments.positional]
            return Opaque(name=text.format(*parts))
    return Opaque(is_number=isinstance(text, (int, float)))


_TEXT_METHODS = frozenset(
    [
        "capitalize",
        "count",
        "endswith",
        "find",
        "format",
        "index",
        "isalpha",
        "isdigit",
        "isnumeric",
        "join",
        "lower",
        "lstrip",
        "removeprefix",
        "removesuffix",
        "replace",
        "rfind",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "title",
        "upper",
    ]
)
_MAX_TEXT = 1000


def _texts(arguments: Arguments) -> list[str] | None:
    """Return the texts that are joined, if all are known."""
    given = arguments.positional[0] if len(arguments.positional) == 1 else None
    if not isinstance(given, Sequence) or not given.is_exact:
        return None
    texts = [item.value for item in given.items if isinstance(item, Const) and isinstance(item.value, str)]
    return texts if len(texts) == len(given.items) else None


def _text_of(text: str, name: str, given: list[object]) -> Value:
    """Return what a method of a known text gives."""
    try:
        result = getattr(text, name)(*given)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError):
        return Opaque()
    if isinstance(result, list):
        return Sequence([Const(part) for part in result])
    return Const(result) if not isinstance(result, str) or len(result) <= _MAX_TEXT else Opaque()


def call_builtin(frame: Frame, name: str, arguments: Arguments, node: ast.AST) -> Value | None:
    """Call a builtin that makes or reads containers; None for others."""
    first = arguments.positional[0] if arguments.positional else None
    match name:
        case "list" | "tuple" | "sorted" | "set" | "frozenset" | "iter":
            if first is None:
                return Sequence([], is_tuple=name == "tuple")
            items, is_exact = elements(frame, first, node)
            known = is_exact and name in ("list", "tuple", "iter")
            return Sequence(list(items), is_exact=known, is_tuple=name == "tuple")
        case "reversed" if first is not None:
            items, is_exact = elements(frame, first, node)
            return Sequence(items[::-1], is_exact=is_exact)
        case "dict":
            found = Mapping({}, is_exact=arguments.is_exact)
            if isinstance(first, Mapping):
                found.items.update(first.items)
                found.is_exact = first.is_exact
            elif first is not None:
                _fill_pairs(frame, found, first, node)
            found.items.update(arguments.keywords)
            return found
        case "zip":
            return _zip(frame, arguments, node)
        case "enumerate" if first is not None:
            items, is_exact = elements(frame, first, node)
            return _enumerated(items, arguments.get(1, "start"), is_exact=is_exact)
        case "range":
            return _range(arguments)
        case "map" if first is not None and len(arguments.positional) > 1:
            return _map(frame, first, _zip(frame, Arguments(arguments.positional[1:]), node), node)
        case "filter" if first is not None and len(arguments.positional) > 1:
            items, _ = elements(frame, arguments.positional[1], node)
            return Sequence(list(items), is_exact=False)
        case "next" if first is not None:
            items, _ = elements(frame, first, node)
            return items[0] if items else Opaque()
    return None


def quantified(frame: Frame, name: str, value: Value, node: ast.AST) -> Value:
    """Return what ``any`` or ``all`` says of the elements of a value."""
    items, is_exact = elements(frame, value, node)
    truths = [truth_of(item) for item in items]
    decisive = name == "any"
    if decisive in truths:
        return Const(decisive)
    return Const(not decisive) if is_exact and None not in truths else Opaque(is_number=True)


def _map(frame: Frame, function: Value, columns: Sequence, node: ast.AST) -> Sequence:
    rows = [row for row in columns.items[:4] if isinstance(row, Sequence)]
    results = [call(frame, function, Arguments(list(row.items)), node) for row in rows]
    return Sequence(results, is_exact=columns.is_exact and len(results) == len(columns.items))


def pairs_of(given: Sequence) -> Mapping:
    """Return the mapping that a list of pairs spells."""
    found = Mapping({}, is_exact=given.is_exact)
    for item in given.items:
        if isinstance(item, Sequence) and len(item.items) == 2 and isinstance(item.items[0], Const):
            found.items[item.items[0].value] = item.items[1]
        else:
            found.is_exact = False
    return found


def _fill_pairs(frame: Frame, found: Mapping, given: Value, node: ast.AST) -> None:
    items, is_exact = elements(frame, given, node)
    pairs = pairs_of(Sequence(items, is_exact=is_exact))
    found.items.update(pairs.items)
    found.is_exact = pairs.is_exact


def _zip(frame: Frame, arguments: Arguments, node: ast.AST) -> Sequence:
    columns = [elements(frame, given, node) for given in arguments.positional]
    if not columns:
        return Sequence([], is_exact=arguments.is_exact)
    exact = [len(items) for items, is_exact in columns if is_exact]
    length = min(exact) if exact else max(len(items) for items, _ in columns)
    length = min(length, max((len(items) for items, _ in columns), default=0))
    rows: list[Value] = []
    for at in range(length):
        row = [items[min(at, len(items) - 1)] if items else Opaque() for items, _ in columns]
        rows.append(Sequence(list(row), is_tuple=True))
    return Sequence(rows, is_exact=len(exact) == len(columns) and arguments.is_exact)


def _enumerated(items: list[Value], start: Value | None, *, is_exact: bool) -> Sequence:
    at = start.value if isinstance(start, Const) and isinstance(start.value, int) else 0
    numbers: list[Value] = [Const(at + i) for i in range(len(items))]
    if numbers and not is_exact:  # the last sample stands for all that follow
        numbers[-1] = Opaque(is_number=True)
    rows: list[Value] = [Sequence([i, v], is_tuple=True) for i, v in zip(numbers, items, strict=True)]
    return Sequence(rows, is_exact=is_exact)


def _range(arguments: Arguments) -> Sequence:
    bounds = [a.value if isinstance(a, Const) and isinstance(a.value, int) else None for a in arguments.positional]
    if bounds and None not in bounds and len(bounds) <= 3 and 0 not in bounds[2:]:
        values = range(*[b for b in bounds if b is not None])
        return Sequence([Const(i) for i in values[:8]], is_exact=len(values) <= 8)
    start = bounds[0] if len(bounds) > 1 else 0
    if start is None or len(bounds) > 2:
        return Sequence([Opaque(is_number=True), Opaque(is_number=True)], is_exact=False)
    return Sequence([Const(start), Const(start + 1)], is_exact=False)


__all__ = ["External", "call_builtin", "const_method", "mapping_method", "sequence_method"]
