"""``for w, g in zip(ws, gs): w -= g`` -> ``for i, (w, g) in enumerate(zip(ws, gs)): ws[i] = w - g``.

A loop's own name is no place to keep a new tensor: it goes where the loop took the old one from.
"""

from __future__ import annotations

import ast
import dataclasses
from dataclasses import dataclass

from gradsan.model.rewrite import Applicability, Edit, Fix, Remedy
from gradsan.model.span import Span
from gradsan.source.program import Program, dotted_name
from gradsan.source.rewrites import out_of_place
from gradsan.source.rewrites.editing import locate, replace, start_of, unused_name
from gradsan.source.targets import written_by

TITLE = "put a new tensor in the list"
_INDICES = ("i", "j", "k", "n", "index")
_KEYS = ("key", "name", "k", "entry")


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a loop's name comes from: an item of a container, and what has to be put in the header to count."""

    item: str
    header: tuple[Edit, ...] = ()


def propose(span: Span) -> Fix | None:
    """Return the fix that assigns a new tensor to the item of the list or dictionary that a loop runs over.

    Args:
        span: The write, into a name that the header of a `for` statement binds.

    Returns:
        None where the name is bound otherwise, or where what the loop runs over has no name.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    statement, target = program.statement_of(node), written_by(program, node)
    if not isinstance(statement, (ast.AugAssign, ast.Expr)) or not isinstance(target, ast.Name):
        return None
    loop = _loop_that_binds(program, target.id, node)
    source = None if loop is None else _source_of(program, loop, target.id, span.path)
    fix = out_of_place.propose(span)
    if source is None or fix is None:
        return None
    is_read = loop is not None and _is_read_after(loop, target.id, statement)
    edits = _assigned_to(source.item, target.id, fix.edits, keeps=is_read)
    return (
        None
        if edits is None
        else Fix(TITLE, Applicability.UNSAFE, tuple(sorted([*source.header, *edits])), Remedy.OUT_OF_PLACE)
    )


def is_lost(span: Span) -> bool:
    """Return whether a new tensor under the name that is written at a span would be lost.

    The header of a loop binds the name, and nothing in the loop reads it after the write.
    """
    found = locate(span)
    target = None if found is None else written_by(*found)
    if found is None or not isinstance(target, ast.Name):
        return False
    program, node = found
    statement, loop = program.statement_of(node), _loop_that_binds(program, target.id, node)
    if loop is None or not isinstance(statement, (ast.AugAssign, ast.Expr)):
        return False
    return not _is_read_after(loop, target.id, statement)


def _assigned_to(item: str, name: str, edits: tuple[Edit, ...], *, keeps: bool) -> list[Edit] | None:
    """Return edits that make ``w = w - g`` with the item in place of ``w``, or before it where the loop reads it on."""
    head = f"{name} = "
    if not any(edit.replacement.startswith(head) for edit in edits):
        return None
    assigned = f"{item} = {head}" if keeps else f"{item} = "
    return [
        dataclasses.replace(edit, replacement=assigned + edit.replacement[len(head) :])
        if edit.replacement.startswith(head)
        else edit
        for edit in edits
    ]


def _loop_that_binds(program: Program, name: str, node: ast.AST) -> ast.For | None:
    """Return the innermost loop around a node whose header binds a name, which its body does not bind again."""
    for loop in program.loops_around(node):
        if isinstance(loop, ast.For) and any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(loop.target)):
            stores = [n for n in ast.walk(loop) if isinstance(n, ast.Name) and n.id == name and not _is_load(n)]
            augmented = [n for n in stores if isinstance(program.parent(n), ast.AugAssign)]
            return loop if len(stores) - len(augmented) == 1 and len(augmented) <= 1 else None
    return None


def _is_load(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def _source_of(program: Program, loop: ast.For, name: str, path: str) -> _Source | None:
    match loop.target, loop.iter:
        case ast.Tuple(elts=[ast.Name(id=index), inner]), ast.Call(func=ast.Name(id="enumerate"), args=[counted]):
            entry = _entry_of(program, inner, counted, name, path)
            item = _item_of(inner, counted, name)
            return entry or (None if item is None else _Source(f"{item}[{index}]"))
        case _:
            entry = _entry_of(program, loop.target, loop.iter, name, path)
            item = _item_of(loop.target, loop.iter, name)
            return entry or (None if item is None else _counted(program, loop, item, path))


def _entry_of(program: Program, target: ast.expr, source: ast.expr, name: str, path: str) -> _Source | None:
    """Return the entry of the dictionary whose values a name is bound to in turn, ``fast[name]``."""
    match target, source:
        case (
            ast.Tuple(elts=[ast.Name(id=key), ast.Name(id=value)]),
            ast.Call(func=ast.Attribute(value=owner, attr="items"), args=[]),
        ) if value == name:
            return _Source(f"{dotted_name(owner)}[{key}]") if dotted_name(owner) else None
        case ast.Name(id=value), ast.Call(func=ast.Attribute(value=owner, attr="values") as func, args=[]) if (
            value == name
        ):
            key = unused_name(program, _KEYS)
            return _with_keys(program, target, func, key, path) if key and dotted_name(owner) else None
        case ast.Tuple(elts=targets), ast.Call(func=ast.Name(id="zip"), args=sources) if len(targets) == len(sources):
            found = [_entry_of(program, *pair, name, path) for pair in zip(targets, sources, strict=True)]
            return next((entry for entry in found if entry is not None), None)
        case _:
            return None


def _with_keys(program: Program, target: ast.expr, func: ast.Attribute, key: str, path: str) -> _Source:
    """Make ``for w in fast.values():`` ``for key, w in fast.items():``."""
    text = f"{key}, {program.source(target)}"
    is_nested = not isinstance(program.parent(target), ast.For)
    line, column = program.region(func)[2:]
    header = (
        replace(path, program.region(target), f"({text})" if is_nested else text),
        Edit(path, line, column - len(func.attr), line, column, "items"),
    )
    return _Source(f"{dotted_name(func.value)}[{key}]", header)


def _item_of(target: ast.expr, source: ast.expr, name: str) -> str | None:
    """Return the name of the list whose items a name is bound to in turn."""
    match target, source:
        case ast.Name(id=bound), _ if bound == name:
            return dotted_name(source) or None
        case ast.Tuple(elts=targets), ast.Call(func=ast.Name(id="zip"), args=sources) if len(targets) == len(sources):
            found = [_item_of(*pair, name) for pair in zip(targets, sources, strict=True)]
            return next((item for item in found if item is not None), None)
        case _:
            return None


def _counted(program: Program, loop: ast.For, item: str, path: str) -> _Source | None:
    """Put a count in a loop's header."""
    function = program.function_of(loop) or program.tree
    used = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)}
    index = next((each for each in _INDICES if each not in used), None)
    header = program.text_at((*start_of(program, loop.target), *program.region(loop.iter)[2:]))
    if index is None or "\n" in header:
        return None
    target, source = program.source(loop.target), program.source(loop.iter)
    if isinstance(loop.target, ast.Tuple):
        target = f"({target.removeprefix('(').removesuffix(')')})"
    region = (*start_of(program, loop.target), *program.region(loop.iter)[2:])
    return _Source(f"{item}[{index}]", (replace(path, region, f"{index}, {target} in enumerate({source})"),))


def _is_read_after(loop: ast.For, name: str, write: ast.stmt) -> bool:
    end = (write.end_lineno or write.lineno, write.end_col_offset or 0)
    return any(
        isinstance(n, ast.Name) and n.id == name and _is_load(n) and (n.lineno, n.col_offset) >= end
        for n in ast.walk(loop)
    )


__all__ = ["TITLE", "is_lost", "propose"]
