from __future__ import annotations

import ast

import pytest

from gradsan.source.writing import may_write, spells_write


def writes(text: str, *, has_backward: bool = False) -> bool:
    return spells_write(text) and may_write(ast.walk(ast.parse(text).body[0]), has_backward=has_backward)


@pytest.mark.parametrize(
    "text",
    [
        "def f(x): x.add_(1)",
        "def f(x): x += 1",
        "def f(x, y=1.0):\n    y += x",
        "def f(x): x[0] = 1",
        "def f(x): return F.relu(x, inplace=True)",
        "def f(x): return F.relu(x, True)",
        "def f(x):\n    act = nn.ReLU(inplace=True)\n    return act(x)",
        "def f(x): return nn.Sequential(nn.ReLU(inplace=True))(x)",
        "def f(x): torch.exp(x, out=x)",
    ],
)
def test_what_may_mutate_a_tensor(text: str) -> None:
    assert writes(text)


@pytest.mark.parametrize(
    "text",
    [
        "def f(x): return x + 1",
        "def f(n=1):\n    n *= 2\n    return n",
        "def f(stride=2, more=3):\n    stride *= more",
        "def f():\n    n = 0\n    n += len(names)",
        "def f(d): d['key'] = 1",
        "def __init__(self): self.act = nn.ReLU(inplace=True)",
    ],
)
def test_what_mutates_no_tensor(text: str) -> None:
    assert not writes(text)


@pytest.mark.parametrize("text", ["def f(w): nn.init.normal_(w)", "def f(w): xavier_uniform_(w)", "def f(o): o.step()"])
def test_what_breaks_nothing_without_a_backward_pass(text: str) -> None:
    assert not writes(text)
    assert writes(text, has_backward=True)
