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
        "def f(x, n=0):\n    n = n or x\n    n += 1",
        "def f(x):\n    a, b = 0, x\n    b += 1",
        "def f(x):\n    n = 0\n    m = n + x\n    m *= 2",
        "def f(x):\n    for i, row in enumerate(x): row += i",
        "def f(x: Optional[Tensor]): x[i] = 1",
        "def f(x, k): x[k] = 1",
        "def f(x):\n    match x:\n        case [y]: y += 1",
        "def __init__(self, x): x.copy_(0)",
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
        "def __init__(self, inplace=True): self.norm = nn.BatchNorm2d(8)",
        "def f(n=1):\n    m = n // 2\n    m *= n",
        "def f():\n    a, b = 0, 0.0\n    b += a",
        "def f(x):\n    for i, row in enumerate(x): i += 1",
        "def f(x, flag=True): flag &= x is None or not x",
        "def f(x):\n    text = ''\n    text += x",
        "def f(x):\n    shape = [1] * x.dim()\n    shape[-1] = x",
        "def f(x, key: str): x[key + '.weight'] = 1",
        "def f(x: Optional[Dict[str, Tensor]], k): x[k] = 1",
        "def f(k, **kwargs): kwargs[k] = 1",
        "def f(n: int): n += 1",
    ],
)
def test_what_mutates_no_tensor(text: str) -> None:
    assert not writes(text)


@pytest.mark.parametrize("text", ["def f(w): nn.init.normal_(w)", "def f(w): xavier_uniform_(w)", "def f(o): o.step()"])
def test_what_breaks_nothing_without_a_backward_pass(text: str) -> None:
    assert not writes(text)
    assert writes(text, has_backward=True)


def test_a_function_of_another_library_writes_nothing() -> None:
    text = "def f(x):\n    return reduce(x, 'b n -> b', 'sum')"
    nodes = list(ast.walk(ast.parse(text).body[0]))
    assert may_write(nodes, has_backward=False)
    assert not may_write(nodes, has_backward=False, is_foreign=lambda dotted: dotted == "reduce")


def test_a_name_that_is_bound_in_the_function_may_lead_anywhere() -> None:
    text = "def f(x, reduce):\n    return reduce(x)"
    nodes = list(ast.walk(ast.parse(text).body[0]))
    assert may_write(nodes, has_backward=False, is_foreign=lambda dotted: True)
