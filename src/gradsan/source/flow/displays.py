"""Displays of tuples, lists, sets and dicts."""

from __future__ import annotations

import ast

from gradsan.source.flow.machine import Frame, evaluate, evaluates
from gradsan.source.flow.values import Const, Mapping, Sequence, Value


@evaluates(ast.Tuple, ast.List, ast.Set)
def _display(frame: Frame, node: ast.Tuple | ast.List | ast.Set) -> Value:
    items: list[Value] = []
    is_exact = True
    for element in node.elts:
        if not isinstance(element, ast.Starred):
            items.append(evaluate(frame, element))
            continue
        spread = evaluate(frame, element.value)
        if isinstance(spread, Sequence):
            items += spread.items
            is_exact = is_exact and spread.is_exact
        else:
            is_exact = False
    return Sequence(items, is_exact=is_exact, is_tuple=isinstance(node, ast.Tuple))


@evaluates(ast.Dict)
def _dict(frame: Frame, node: ast.Dict) -> Value:
    found: dict[object, Value] = {}
    is_exact = True
    for key, item in zip(node.keys, node.values, strict=True):
        value = evaluate(frame, item)
        if key is None:
            if isinstance(value, Mapping):
                found.update(value.items)
            is_exact = is_exact and isinstance(value, Mapping) and value.is_exact
            continue
        name = evaluate(frame, key)
        if isinstance(name, Const) and isinstance(name.value, (str, int, bool, float, type(None))):
            found[name.value] = value
        else:
            is_exact = False
            found[id(key), "unknown"] = value
    return Mapping(found, is_exact=is_exact)
