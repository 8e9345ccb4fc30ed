"""What is done about an exception is a way of its own; and who makes a leaf asks for its gradient."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.source.test_flow import errors

TRIED = """\
def spectrum(matrix):
    try:
        values, vectors = torch.linalg.eigh(matrix)
    except RuntimeError:
        matrix = matrix + torch.eye(3)
        values, vectors = torch.linalg.eigh(matrix)
        CORRECTED
    return values.clamp(min=0.0), vectors
"""
FIRST_WAY = """\
def f(x):
    try:
        h = torch.sigmoid(x)
    except RuntimeError:
        h = torch.sub(x, 1)
    h += 1
    return h
"""
APART = """\
def f(x):
    h = x * 2
    try:
        y = torch.exp(h)
    except ValueError:
        h.add_(1)
        y = h + 1
    return y
"""
STRAINED = """\
class Preprocess(nn.Module):
    def forward(self, data):
        places = data["places"]
        strain = torch.zeros(3, 3)
        ASKED
        places += places @ strain
        return places
"""
TIMED = """\
class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 4)

    def METHOD(self, x):
        gates = self.lin(x)
        first = gates[:, :2].tanh_()
        second = gates[:, 2:].sigmoid_()
        return first * second
"""


def test_what_a_handler_computes_is_looked_at(tmp_path: Path) -> None:
    assert errors(tmp_path, TRIED.replace("CORRECTED", "values -= 1.0")) == {("GS101", 7)}
    assert errors(tmp_path, TRIED.replace("CORRECTED", "values = values - 1.0")) == set()


def test_what_is_tried_goes_on_as_well(tmp_path: Path) -> None:
    assert errors(tmp_path, FIRST_WAY) == {("GS101", 6)}


def test_what_was_tried_is_not_done_where_a_handler_runs(tmp_path: Path) -> None:
    assert errors(tmp_path, APART) == set()


@pytest.mark.parametrize("asked", ["strain.requires_grad_(True)", "strain.requires_grad = True"])
def test_who_makes_a_leaf_asks_for_its_gradient_whatever_the_name_says(tmp_path: Path, asked: str) -> None:
    assert errors(tmp_path, STRAINED.replace("ASKED", asked)) == {("GS101", 6)}
    assert errors(tmp_path, STRAINED.replace("ASKED", "pass")) == set()


def test_a_network_among_benchmarks_is_trained(tmp_path: Path) -> None:
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "__init__.py").touch()
    assert errors(folder, TIMED.replace("METHOD", "forward")) == {("GS106", 9)}
    assert errors(folder, TIMED.replace("METHOD", "run")) == set()
