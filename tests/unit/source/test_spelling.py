"""The source of expressions: what `ast.unparse` says, said faster."""

from __future__ import annotations

import ast
from pathlib import Path

import gradsan
from gradsan.source.spelling import spelled

ROOT = Path(gradsan.__file__).parent


def test_expressions_are_spelled_as_the_standard_library_does() -> None:
    texts = ("x", "a.b.c", "f(x)[0].y", "x is not None", "x[i, 1:] == -1", "-x < 1", "not x", "(a, b) in c", "f(*a)")
    texts += ("f(k=1)", "(yield)", "1 .real", "'a'", "u'a'", '"a\'b"', "x[(1, 2)]", "x == (y == z)", "(lambda: 1)()")
    texts += ("1e400", "...", "f(x for x in y)", "(x := 1) > 2", "x < y < z", "b'a' in x", "'a'.join(x)", "(-1) in x")
    for text in texts:
        tree = ast.parse(text, mode="eval").body
        assert spelled(tree) == ast.unparse(tree)


def test_every_expression_of_gradsan_is_spelled_as_the_standard_library_does() -> None:
    for path in (ROOT / "source").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Compare, ast.Subscript)):
                assert spelled(node) == ast.unparse(node)
