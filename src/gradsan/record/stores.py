"""Where the source of a program assigns a name: the only witness of a replaced value that nothing else has followed."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from gradsan.model.span import Span

MAX_STORES = 4
_REFILLS = frozenset({"append", "extend", "insert", "pop", "popleft", "appendleft", "remove", "clear", "reverse"})
"""Methods that give a list other entries."""
_CONSTRUCTORS = ("__init__", "__post_init__", "__new__")
_LOOPS = (ast.For, ast.While, ast.AsyncFor)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a walk stands: a file, a function, whether it runs once, and which names that function shares."""

    path: str
    function: str
    runs_once: bool
    shared: frozenset[str] | None
    """None outside of functions."""

    def inside(self, function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> _Place:
        declared = (node.names for node in ast.walk(function) if isinstance(node, (ast.Global, ast.Nonlocal)))
        return _Place(self.path, name, False, frozenset(each for names in declared for each in names))

    def is_local(self, name: str) -> bool:
        return self.shared is not None and name not in self.shared


def stores_of(
    name: str, files: Iterable[str], *, after: tuple[str, int] = ("", 0), within: frozenset[str] = frozenset()
) -> list[Span]:
    """Return where files assign a variable, an attribute, or an entry of this name; none where there are too many.

    Constructors are left out, and so are statements of the file of ``after`` that ran once, above its line.
    Where a function of ``within`` assigns it, no other place counts; of other functions a variable of their own is
    another one.
    """
    return _places(lambda node: _assigns(node, name), files, after, within)


def refills_of(name: str, files: Iterable[str], *, after: tuple[str, int] = ("", 0)) -> list[Span]:
    """Return where files give a list of this name, a variable or an attribute, other entries; see `stores_of`."""
    return _places(lambda node: _refills(node, name), files, after)


def _places(
    does: Callable[[ast.AST], bool],
    files: Iterable[str],
    after: tuple[str, int],
    within: frozenset[str] = frozenset(),
) -> list[Span]:
    found: list[Span] = []
    for path in files:
        try:
            tree = ast.parse("".join(linecache.getlines(path)))
        except (SyntaxError, ValueError):
            continue
        limit = after[1] if path == after[0] else 0
        found += [
            span
            for span, runs_once in _found(tree, _Place(path, "<module>", True, None), does, within)
            if not (runs_once and span.line < limit)
        ]
    found = [span for span in found if span.function in within] or found
    return found if len(found) <= MAX_STORES else []


def _found(
    node: ast.AST, place: _Place, does: Callable[[ast.AST], bool], within: frozenset[str]
) -> Iterator[tuple[Span, bool]]:
    """Yield each place, and whether it is a statement of the file itself outside of loops."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _FUNCTIONS):
            if child.name not in _CONSTRUCTORS:
                yield from _found(child, place.inside(child, child.name), does, within)
        elif isinstance(child, ast.ClassDef):
            yield from (
                each
                for part in child.body
                if isinstance(part, _FUNCTIONS)
                for each in _found(part, place.inside(part, f"{child.name}.{part.name}"), does, within)
                if part.name not in _CONSTRUCTORS
            )
        else:
            is_own = isinstance(child, ast.Name) and place.function not in within and place.is_local(child.id)
            if isinstance(child, ast.expr) and not is_own and does(child):
                end_line, end_column = child.end_lineno or child.lineno, child.end_col_offset or 0
                start = child.lineno, child.col_offset + 1
                yield Span(place.path, *start, end_line, end_column + 1, place.function), place.runs_once
            runs_once = place.runs_once and not isinstance(child, _LOOPS)
            yield from _found(child, replace(place, runs_once=runs_once), does, within)


def _assigns(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Name(id=found, ctx=ast.Store()) | ast.Attribute(attr=found, ctx=ast.Store()):
            return found == name
        case ast.Subscript(slice=ast.Constant(value=found), ctx=ast.Store()):
            return str(found) == name
        case _:
            return False


def _refills(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Subscript(value=filled, ctx=ast.Store() | ast.Del()):
            return _is_named(filled, name)
        case ast.Call(func=ast.Attribute(value=filled, attr=method)):
            return method in _REFILLS and _is_named(filled, name)
        case _:
            return False


def _is_named(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Name(id=found) | ast.Attribute(attr=found):
            return found == name
        case _:
            return False
