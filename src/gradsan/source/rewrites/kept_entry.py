"""``state["previous"] = p.grad`` -> ``state["previous"] = p.grad.clone()``: what is kept is a value, not a buffer."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradsan.model.rewrite import Applicability, Edit, Fix
from gradsan.source import program as parsed
from gradsan.source.program import Program
from gradsan.source.rewrites.editing import cloned

TITLE = "keep a clone as"


def propose(paths: Sequence[str], owner: str, key: str) -> Iterator[Fix]:
    """Yield the fix that clones what a class keeps under a key, wherever it stores it.

    Args:
        paths: The files of the program.
        owner: The name of the class.
        key: The key.
    """
    for path, program in parsed.load_all(paths):
        for each in ast.walk(program.tree):
            is_owner = isinstance(each, ast.ClassDef) and each.name == owner
            edits = tuple(_cloned_in(program, each, key, path)) if is_owner else ()
            if edits:
                yield Fix(f"{TITLE} `{key}`", Applicability.UNSAFE, edits)


def _cloned_in(program: Program, owner: ast.AST, key: str, path: str) -> Iterator[Edit]:
    for node in ast.walk(owner):
        for value in _stored_under(node, key):
            if isinstance(value, (ast.Name, ast.Attribute)):
                yield from cloned(program, value, path)


def _stored_under(node: ast.AST, key: str) -> Iterator[ast.expr]:
    match node:
        case ast.Assign(targets=targets, value=value):
            if any(isinstance(each, ast.Subscript) and _is(each.slice, key) for each in targets):
                yield value
        case ast.Dict(keys=keys, values=values):
            yield from (value for each, value in zip(keys, values, strict=True) if each is not None and _is(each, key))
        case ast.Call(func=ast.Attribute(attr="setdefault"), args=[first, value]) if _is(first, key):
            yield value
        case ast.Call(func=ast.Attribute(attr="update"), keywords=keywords):
            yield from (keyword.value for keyword in keywords if keyword.arg == key)


def _is(node: ast.expr, key: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == key
