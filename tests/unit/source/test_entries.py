"""Which functions are open: whoever calls them may find more than running them alone did."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradsan import knowledge
from gradsan.source.entries import Analyst
from gradsan.source.project import Project
from gradsan.source.running import FUEL, FUEL_OF_CALLER


def is_open(folder: Path, statement: str) -> bool:
    path = folder / "module.py"
    path.write_text(f"import torch\n\nclass A:\n    def update(self, x):\n        {statement}\n")
    analyst = Analyst(Project(), knowledge.load("torch"), frozenset({path}))
    return analyst.is_open(analyst.project.load_parsed(path).classes["A"].methods["update"])


@pytest.mark.parametrize("statement", ["self.held += x", "self.held &= x", "x += 1", "self.held[x] = 1"])
def test_what_may_be_of_a_tensor_opens_a_method(tmp_path: Path, statement: str) -> None:
    assert is_open(tmp_path, statement)


@pytest.mark.parametrize("statement", ["self.held &= isinstance(x, str)", "self.held |= x is None and not x", "y = x"])
def test_what_is_of_a_truth_value_opens_none(tmp_path: Path, statement: str) -> None:
    assert not is_open(tmp_path, statement)


CALLED = "def fill(x):\n    x.add_(1)\n\ndef call(x):\n    fill(x)\n"
TRAINED = "def train(loss, opt):\n    loss.backward()\n    opt.step()\n"


@pytest.mark.parametrize(
    ("text", "name", "fuel"),
    [
        (CALLED, "fill", FUEL),
        (CALLED, "call", FUEL_OF_CALLER),
        (CALLED + TRAINED, "call", FUEL),
    ],
)
def test_who_only_calls_is_followed_less_far_unless_something_is_trained(
    tmp_path: Path, text: str, name: str, fuel: int
) -> None:
    path = tmp_path / "module.py"
    path.write_text(f"import torch\n\n{text}")
    analyst = Analyst(Project(), knowledge.load("torch"), frozenset({path}))
    assert analyst.fuel_of(analyst.project.load_parsed(path).functions[name]) == fuel


def test_who_calls_a_base_as_python_2_did_needs_no_run(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "import torch\n\nclass Base(torch.nn.Module):\n    def forward(self, x):\n        return x + 1\n\n"
        "class Net(Base):\n    def forward(self, x):\n        return super(Net, self).forward(x * 2)\n"
    )
    analyst = Analyst(Project(), knowledge.load("torch"), frozenset({path}))
    net = analyst.project.load_parsed(path).classes["Net"]
    assert not analyst.reach.needs_run(net.methods["forward"])
