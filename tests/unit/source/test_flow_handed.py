"""Functions that are defined inside others and handed on, and layers that a class derives from."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.source.test_flow import errors

HANDED = {
    "to what isn't known": """\
def rescale(tree_map, grads, squares):
    def one(grad, square):
        return grad.div(square.sqrt().add_(1e-8))
    return tree_map(one, grads, squares)
""",
    "to the caller": """\
def make(scale):
    def body(x):
        y = x.exp()
        y *= scale
        return y
    return body
""",
    "to the caller, from inside what is handed on": """\
def make(tree_map):
    def update(grads):
        return tree_map(lambda grad: grad.exp().add_(1), grads)
    return update
""",
}
HANDED_QUIETLY = {
    "what was saved before may be freed when it is called": """\
def make(x):
    y = x.exp()
    def later():
        y.add_(1)
    return y, later
""",
    "it is called without gradients, for all that can be told": """\
class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def reset(self, each):
        def one(value):
            self.weight.fill_(value)
        each(one)
""",
    "its parameter is called what data are": """\
def make(tree_map, trees):
    def one(mask):
        y = mask.exp()
        y *= 2
        return y
    return tree_map(one, trees)
""",
    "it is called where it is defined": """\
def run(x):
    def scaled(y):
        y = y * 2
        y += 1
        return y
    return scaled(x)
""",
}
DERIVED = """\
class Safe(nn.Conv3d):
    def forward(self, x, into=None):
        if into is None:
            return super().forward(x)
        into[...] = super().forward(x)
        return into

class Plain(nn.{base}):
    pass

class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.safe = Safe(3, 3, 3)
        self.plain = Plain({given})

    def forward(self, x: torch.Tensor):
        y = F.interpolate(x, scale_factor=2)
        {body}
        return y
"""


@pytest.mark.parametrize("program", HANDED.values(), ids=HANDED.keys())
def test_a_function_that_is_handed_on_may_be_called(tmp_path: Path, program: str) -> None:
    assert errors(tmp_path, program)


@pytest.mark.parametrize("program", HANDED_QUIETLY.values(), ids=HANDED_QUIETLY.keys())
def test_when_and_how_it_is_called_is_not_guessed(tmp_path: Path, program: str) -> None:
    assert not errors(tmp_path, program)


@pytest.mark.parametrize(
    ("base", "given", "body", "is_told"),
    [
        ("ReLU", "", "y.add_(self.safe(y))", True),
        ("ReLU", "", "y.add_(self.safe(y, into=torch.empty_like(y)))", True),
        ("ReLU", "", "y = self.plain(y); y += x", True),
        ("Conv3d", "3, 3, 3", "z = self.plain(y); y += z", True),
        ("Conv3d", "3, 3, 3", "y = self.plain(y); y += x", False),
        ("AvgPool3d", "2", "y = self.plain(y); y += x", False),
    ],
)
def test_a_class_that_derives_from_a_layer_saves_what_it_saves(
    tmp_path: Path, base: str, given: str, body: str, is_told: bool
) -> None:
    program = DERIVED.format(base=base, given=given, body=body.replace("; ", "\n        "))
    assert bool(errors(tmp_path, program)) is is_told


@pytest.mark.parametrize(("given", "is_told"), [("0.1", False), ("0.1, inplace=True", True)])
def test_a_class_that_derives_from_a_layer_has_its_flag(tmp_path: Path, given: str, *, is_told: bool) -> None:
    program = f"""\
        class Rows(nn.Dropout):
            def forward(self, x):
                return x.mul_(2) if self.inplace else x * 2

        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.rows = Rows({given})

            def forward(self, x):
                return self.rows(torch.relu(x))
        """
    assert bool(errors(tmp_path, program)) is is_told
