"""From syntax trees to spans."""

from __future__ import annotations

import ast

from gradsan.model.span import Span
from gradsan.source.flow.graph import Place


def span_of(place: Place) -> Span:
    """Return the span of a place; columns count characters."""
    node, lines = place.node, place.module.lines
    line = getattr(node, "lineno", 1)
    end_line = getattr(node, "end_lineno", None) or line
    return Span(
        str(place.module.path),
        line,
        _column(lines, line, getattr(node, "col_offset", 0)),
        end_line,
        _column(lines, end_line, getattr(node, "end_col_offset", None) or 0),
        place.function,
    )


def _column(lines: list[str], line: int, offset: int) -> int:
    """Return a column from a byte offset into a line."""
    if not 1 <= line <= len(lines):
        return offset + 1
    text = lines[line - 1]
    if text.isascii():
        return offset + 1
    return len(text.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "replace")) + 1


def line_of(node: ast.AST) -> int:
    """Return the line of a node; 0 where it has none."""
    return getattr(node, "lineno", 0)
