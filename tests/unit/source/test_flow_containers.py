"""Modules and parameters that a network keeps by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.source.test_flow import errors

KEPT = """\
class Net(nn.Module):
    def __init__(self, n=2):
        super().__init__()
        FIRST
        SECOND

    def forward(self, x):
        FORWARD
        h += 1
        return h
"""
BY_NAME = 'self.parts = nn.ModuleDict({"lin": nn.Linear(3, 3), "act": nn.Sigmoid()})'
PAIRS = 'self.parts = nn.ModuleDict([("lin", nn.Linear(3, 3)), ("act", nn.Sigmoid())])'
ORDERED = 'self.parts = nn.Sequential(collections.OrderedDict([("lin", nn.Linear(3, 3)), ("act", nn.Sigmoid())]))'
EMPTY = "self.parts = nn.ModuleDict()"
COMPREHENSION = 'self.parts = nn.ModuleDict({f"act{i}": nn.Sigmoid() for i in range(2)})'
UNKNOWN = "self.parts = nn.ModuleDict({str(i): nn.Sigmoid() for i in range(n)})"
ITEMS = 'h = self.parts["act"](self.parts["lin"](x))'
ATTRIBUTES = "h = self.parts.act(self.parts.lin(x))"
FOUND = [
    pytest.param(BY_NAME, "pass", ITEMS, id="a dict of modules"),
    pytest.param(PAIRS, "pass", ITEMS, id="pairs of names and modules"),
    pytest.param(BY_NAME, "pass", ATTRIBUTES, id="read as attributes"),
    pytest.param(ORDERED, "pass", ATTRIBUTES, id="a sequential's names"),
    pytest.param(EMPTY, 'self.parts["act"] = nn.Sigmoid()', 'h = self.parts["act"](x)', id="stored item by item"),
    pytest.param(EMPTY, 'self.parts.update({"act": nn.Sigmoid()})', 'h = self.parts["act"](x)', id="updated"),
    pytest.param(EMPTY, 'self.parts.add_module("act", nn.Sigmoid())', "h = self.parts.act(x)", id="added by name"),
    pytest.param(COMPREHENSION, "pass", 'h = self.parts["act1"](x)', id="names of a comprehension"),
    pytest.param(UNKNOWN, "pass", 'h = self.parts["0"](x)', id="names that are not known"),
    pytest.param(
        BY_NAME, "pass", "h = x\n        for part in self.parts.values():\n            h = part(h)", id="its values"
    ),
    pytest.param(
        BY_NAME, "pass", "h = x\n        for name in self.parts:\n            h = self.parts[name](h)", id="its names"
    ),
    pytest.param(
        "self.parts = nn.ModuleList([nn.Linear(3, 3)])", "self.parts[0] = nn.Sigmoid()", "h = self.parts[0](x)",
        id="an item of a list replaced",
    ),
    pytest.param(
        'self.parts = nn.ParameterDict({"w": nn.Parameter(torch.ones(3))})', "pass",
        'h = self.parts["w"].exp()', id="parameters by name",
    ),
]  # fmt: skip
QUIET = [
    pytest.param(BY_NAME, "pass", 'h = self.parts["lin"](self.parts["act"](x))', id="the other one by name"),
    pytest.param(BY_NAME, 'self.parts["act"] = nn.SiLU()', ITEMS, id="replaced under its name"),
    pytest.param(BY_NAME, 'self.parts.update({"act": nn.SiLU()})', ITEMS, id="updated under its name"),
    pytest.param(BY_NAME, "pass", 'h = self.parts["act"](x) * 2', id="a new tensor"),
    pytest.param(
        "self.parts = nn.ModuleList([nn.Sigmoid()])", "self.parts[0] = nn.Linear(3, 3)", "h = self.parts[0](x)",
        id="an item of a list replaced",
    ),
]  # fmt: skip
STEPPED = """\
net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
loss = net(torch.ones(3)).sum()
FIRST
with torch.no_grad():
    for group in opt.param_groups:
        for p in group["params"]:
            p.mul_(0.9)
SECOND
"""


def filled(text: str, **parts: str) -> str:
    for name, part in parts.items():
        text = text.replace(name, part)
    return "import collections\n" + text


@pytest.mark.parametrize(("first", "second", "forward"), FOUND)
def test_what_a_container_holds_is_known(tmp_path: Path, first: str, second: str, forward: str) -> None:
    text = filled(KEPT, FIRST=first, SECOND=second, FORWARD=forward)
    line = text.splitlines().index("        h += 1") + 1
    assert errors(tmp_path, text) == {("GS101", line)}


@pytest.mark.parametrize(("first", "second", "forward"), QUIET)
def test_nothing_is_said_of_what_another_name_holds(tmp_path: Path, first: str, second: str, forward: str) -> None:
    assert errors(tmp_path, filled(KEPT, FIRST=first, SECOND=second, FORWARD=forward)) == set()


def test_the_parameters_of_an_optimizer_are_those_it_was_given(tmp_path: Path) -> None:
    assert errors(tmp_path, filled(STEPPED, FIRST="pass", SECOND="loss.backward()"))
    assert errors(tmp_path, filled(STEPPED, FIRST="loss.backward()", SECOND="pass")) == set()


LEVELS = """\
class Pyramid(nn.Module):
    def __init__(self, first, last):
        super().__init__()
        self.levels = nn.ModuleList()
        for i in range(first, last):
            level = nn.Sequential()
            if i == 0:
                level.add_module("conv" + str(i), nn.Sequential(nn.Conv2d(3, 3, 1), nn.BASE()))
                self.levels.append(level)
                continue
            for j in range(i):
                level.add_module("conv" + str(j), nn.Conv2d(3, 3, 1))
                level.add_module("up" + str(j), nn.Upsample(scale_factor=2))
            self.levels.append(level)

    def forward(self, features):
        total = self.levels[0](features[0])
        for i in range(1, len(features)):
            total += self.levels[i](features[i])
        return total
"""


def test_a_stack_that_a_loop_fills_one_way_or_the_other_runs_either(tmp_path: Path) -> None:
    line = next(number for number, text in enumerate(LEVELS.splitlines(), start=1) if "total += " in text)
    assert errors(tmp_path, LEVELS.replace("BASE", "ReLU")) == {("GS101", line)}
    assert errors(tmp_path, LEVELS.replace("BASE", "Identity")) == set()
