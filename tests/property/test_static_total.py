"""The static check is total: any program that parses gives findings or nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

hypothesis = pytest.importorskip("hypothesis")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from gradsan import knowledge  # noqa: E402
from gradsan.rules import judge  # noqa: E402
from gradsan.source.entries import Analyst, analyse  # noqa: E402
from gradsan.source.project import Project  # noqa: E402

names = st.sampled_from(["x", "y", "self", "a", "torch", "F", "nn", "n"])
leaves = names | st.sampled_from(["1", "0", "None", "True", "'s'", "...", "2.5"])


def expressions(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(children, children)
    methods = st.sampled_from(
        ["exp", "add_", "view", "chunk", "append", "detach", "float", "backward", "step", "items"]
    )
    functions = st.sampled_from(
        ["torch.exp", "F.relu", "nn.ReLU", "zip", "torch.cat", "list", "f", "enumerate", "super"]
    )
    return st.one_of(
        pair.map(lambda p: f"({p[0]} + {p[1]})"),
        pair.map(lambda p: f"({p[0]} * {p[1]})"),
        pair.map(lambda p: f"({p[0]})[{p[1]}]"),
        pair.map(lambda p: f"[{p[0]}, {p[1]}]"),
        pair.map(lambda p: f"({p[0]} if {p[1]} else {p[0]})"),
        pair.map(lambda p: f"[i for i in ({p[0]}) if {p[1]}]"),
        pair.map(lambda p: f"{{'k': {p[0]}, **({p[1]})}}"),
        st.tuples(children, methods, children).map(lambda p: f"({p[0]}).{p[1]}({p[2]})"),
        st.tuples(functions, children).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(functions, children).map(lambda p: f"{p[0]}(*({p[1]}), inplace=True)"),
        st.tuples(children, names).map(lambda p: f"({p[0]}).{p[1]}"),
        children.map(lambda c: f"(lambda i: {c})(x)"),
    )


expression = st.recursive(leaves, expressions, max_leaves=8)


def blocks(children: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    def indented(head: str, body: list[str]) -> list[str]:
        return [head, *("    " + line for line in body)]

    both = st.tuples(expression, children)
    return st.one_of(
        both.map(lambda p: indented(f"if {p[0]}:", p[1])),
        both.map(lambda p: indented(f"for y in {p[0]}:", p[1])),
        both.map(lambda p: indented(f"while {p[0]}:", p[1])),
        both.map(lambda p: indented(f"with {p[0]} as a:", p[1])),
        children.map(lambda body: [*indented("try:", body), *indented("except E:", body)]),
        st.tuples(children, children).map(lambda p: p[0] + p[1]),
        children.map(lambda body: indented("def f(x, *y, n=1, **a):", body)),
        children.map(lambda body: indented("class f(nn.Module):", body)),
    )


simple = st.one_of(
    expression.map(lambda e: [f"x = {e}"]),
    expression.map(lambda e: [f"x += {e}"]),
    expression.map(lambda e: [f"x[{e}] = y"]),
    expression.map(lambda e: [f"x, *y = {e}"]),
    expression.map(lambda e: [f"self.a = {e}"]),
    expression.map(lambda e: [f"x.a *= {e}"]),
    expression.map(lambda e: [e]),
    st.sampled_from([["pass"], ["global n"], ["del y"], ["raise x"]]),
)
program = st.recursive(simple, blocks, max_leaves=6)
ANALYST = Analyst(Project(), knowledge.load("torch"))


@settings(max_examples=200, deadline=None)
@given(program)
def test_every_program_is_looked_at(lines: list[str]) -> None:
    body = "\n".join("    " + line for line in lines)
    text = (
        "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
        f"def f(x, y):\n{body}\n    return x\nclass A(nn.Module):\n  def forward(self, x):\n{body}\n    return x\nf(1, 2)\n"
    )
    try:
        ast.parse(text)
    except SyntaxError:
        return
    ANALYST.forget()
    module = ANALYST.project.load(Path("generated.py"), text=text)
    for inference in analyse(ANALYST, module):
        judge(inference.history)
    assert ANALYST.problems == []
