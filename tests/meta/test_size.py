"""How long a file and a function may be."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES = 400
FILE_DEFECT_LINES = 600
FUNCTION_LINES = 40

FILES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "tools").rglob("*.py")])


Function = ast.FunctionDef | ast.AsyncFunctionDef


def code_lines(node: Function) -> int:
    """Lines from `def` to the end, without the docstring (prose is free) and without functions inside."""
    inside = {line for part in ast.walk(node) if part is not node and isinstance(part, Function) for line in span(part)}
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        inside |= span(first)
    return len(span(node) - inside)


def span(node: ast.stmt) -> set[int]:
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_size(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    n_lines = len(text.splitlines())
    assert n_lines <= FILE_DEFECT_LINES, f"{file.name} has {n_lines} lines"
    long = [
        f"{node.name} has {code_lines(node)} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, Function) and code_lines(node) > FUNCTION_LINES
    ]
    assert not long, f"{file.relative_to(ROOT)}: {', '.join(long)}"
    if n_lines > FILE_LINES:
        pytest.xfail(f"{n_lines} lines, past the {FILE_LINES} that a file should have")
