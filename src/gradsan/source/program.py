"""One parsed file: its tree, who encloses whom, and where each node stands in characters."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TypeAlias

from gradsan.model.span import Span
from gradsan.source.program_text import text_of
from gradsan.source.walking import push_parts

Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda"
Located: TypeAlias = "ast.stmt | ast.expr | ast.excepthandler"
Region: TypeAlias = tuple[int, int, int, int]
"""Line, column, end line, end column, as in a `Span`."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Program:
    """A parsed source.

    Attributes:
        lines: Its lines, without their ends.
        tree: Its syntax tree.
        imports: Name that an import binds -> what it stands for, ``F`` -> ``torch.nn.functional``.
    """

    def __init__(self, text: str, tree: ast.Module) -> None:
        self.lines = text.split("\n")
        self.tree = tree
        self.imports: dict[str, str] = {}
        self._parents: dict[ast.AST, ast.AST] = {}
        self._by_line: dict[int, list[Located]] = {}
        found: list[ast.AST] = [tree]
        for node in found:  # grows on the way, from the outside in
            if isinstance(node, (ast.stmt, ast.expr)):
                self._by_line.setdefault(node.lineno, []).append(node)
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self.imports.update(_bound_by(node))
            n_before = len(found)
            push_parts(node, found)
            for child in found[n_before:]:
                self._parents[child] = node

    def parent(self, node: ast.AST) -> ast.AST | None:
        """Return the node that directly encloses another."""
        return self._parents.get(node)

    def enclosing(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes around another, innermost first."""
        outer = self._parents.get(node)
        while outer is not None:
            yield outer
            outer = self._parents.get(outer)

    def statement_of(self, node: ast.AST) -> ast.stmt | None:
        """Return the innermost statement that a node is or belongs to."""
        return next((n for n in (node, *self.enclosing(node)) if isinstance(n, ast.stmt)), None)

    def function_of(self, node: ast.AST) -> Function | None:
        """Return the innermost function around a node."""
        return next((n for n in self.enclosing(node) if isinstance(n, _FUNCTIONS)), None)

    def class_of(self, node: ast.AST) -> ast.ClassDef | None:
        """Return the innermost class around a node."""
        return next((n for n in self.enclosing(node) if isinstance(n, ast.ClassDef)), None)

    def loops_around(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the loops around a node within its function, innermost first."""
        for outer in self.enclosing(node):
            if isinstance(outer, _FUNCTIONS):
                return
            if isinstance(outer, _LOOPS):
                yield outer

    def blocks_around(self, statement: ast.stmt) -> list[list[ast.stmt]]:
        """Return the blocks of what directly encloses a statement, one of which holds it."""
        owner = self._parents.get(statement)
        if isinstance(owner, ast.Module):
            return [owner.body]
        if isinstance(owner, (ast.ExceptHandler, ast.match_case)):
            return [owner.body]
        return blocks_of(owner) if isinstance(owner, ast.stmt) else []

    def region(self, node: Located) -> Region:
        """Return where a node stands, in characters from 1."""
        end_line = node.end_lineno or node.lineno
        end_offset = node.col_offset if node.end_col_offset is None else node.end_col_offset
        return (
            node.lineno,
            self._column(node.lineno, node.col_offset),
            end_line,
            self._column(end_line, end_offset),
        )

    def source(self, node: Located) -> str:
        """Return the text of a node as it stands."""
        return self.text_at(self.region(node))

    def text_at(self, region: Region) -> str:
        """Return the text of a region as it stands."""
        line, column, end_line, end_column = region
        if line == end_line:
            return self.lines[line - 1][column - 1 : end_column - 1]
        return "\n".join(
            [
                self.lines[line - 1][column - 1 :],
                *self.lines[line : end_line - 1],
                self.lines[end_line - 1][: end_column - 1],
            ]
        )

    def node_at(self, span: Span) -> Located | None:
        """Return the outermost expression, or else the statement, that stands exactly at a span."""
        wanted = (span.line, span.column, span.end_line, span.end_column)
        # The walk that filed them went from the outside in.
        here = (node for node in self._by_line.get(span.line, ()) if not isinstance(node, ast.Expr))
        return next((node for node in here if self.region(node) == wanted), None)

    def roots_at(self, line: int) -> list[ast.AST]:
        """Return what runs on a line: simple statements, and the expressions in the headers of compound ones."""
        found: list[ast.AST] = []
        _collect(self.tree.body, line, found)
        return found

    def _column(self, line: int, byte_offset: int) -> int:
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        if text.isascii():
            return byte_offset + 1
        return len(text.encode("utf-8", "surrogatepass")[:byte_offset].decode("utf-8", "ignore")) + 1


def load(path: str) -> Program | None:
    """Return the parsed file of a path; None where it can't be read or parsed.

    Effect: reads the file; the tree is kept for as long as its text stays the same.
    """
    return parse(text_of(path))


def load_all(paths: Iterable[str]) -> Iterator[tuple[str, Program]]:
    """Yield each path, once, and its parsed file; those that can't be read or parsed are left out."""
    for path in dict.fromkeys(paths):
        program = load(path)
        if program is not None:
            yield path, program


@lru_cache(maxsize=64)
def parse(text: str) -> Program | None:
    """Return the parsed text; None where it isn't Python that this interpreter understands."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Program(text, ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def last_name(node: ast.AST) -> str:
    """Return the last name of a dotted expression, ``sigmoid`` of ``torch.sigmoid``; empty where it has none."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def dotted_name(node: ast.AST) -> str:
    """Return ``a.b.c`` of a chain of names; empty where anything else is in it."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = dotted_name(node.value)
        return f"{left}.{node.attr}" if left else ""
    return ""


def arguments_of(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[str]:
    """Return the names of a function's parameters, without those that take the rest."""
    spec = function.args
    return [each.arg for each in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]


def _bound_by(node: ast.Import | ast.ImportFrom) -> dict[str, str]:
    if isinstance(node, ast.ImportFrom):
        origin = "." * node.level + (node.module or "")
        return {alias.asname or alias.name: f"{origin}.{alias.name}" for alias in node.names}
    return {
        alias.asname or alias.name.partition(".")[0]: alias.name if alias.asname else alias.name.partition(".")[0]
        for alias in node.names
    }


def _collect(body: list[ast.stmt], line: int, found: list[ast.AST]) -> None:
    for statement in body:
        first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])
        if not first <= line <= (statement.end_lineno or statement.lineno):
            continue
        blocks = blocks_of(statement)
        if not blocks:
            found.append(statement)
            continue
        for part in _header(statement):
            if part.lineno <= line <= (part.end_lineno or part.lineno):
                found.append(part)
        for block in blocks:
            _collect(block, line, found)


def blocks_of(statement: ast.stmt) -> list[list[ast.stmt]]:
    """Return the blocks of a compound statement, in order; none of a simple one."""
    if not hasattr(statement, "body") and not isinstance(statement, ast.Match):
        return []
    blocks = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
    blocks += [handler.body for handler in getattr(statement, "handlers", [])]
    blocks += [case.body for case in getattr(statement, "cases", [])]
    return [block for block in blocks if block]


def _header(statement: ast.stmt) -> list[ast.expr]:
    """Return the expressions of a compound statement that stand before its blocks."""
    parts: list[ast.AST | None] = []
    match statement:
        case ast.If() | ast.While():
            parts = [statement.test]
        case ast.For() | ast.AsyncFor():
            parts = [statement.target, statement.iter]
        case ast.With() | ast.AsyncWith():
            parts = [item.context_expr for item in statement.items]
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            parts = [*statement.decorator_list, *statement.args.defaults, *statement.args.kw_defaults]
        case ast.ClassDef():
            parts = [*statement.decorator_list, *statement.bases, *(keyword.value for keyword in statement.keywords)]
        case ast.Match():
            parts = [statement.subject, *(case.guard for case in statement.cases)]
        case _:
            parts = [handler.type for handler in getattr(statement, "handlers", [])]
    return [part for part in parts if isinstance(part, ast.expr)]
