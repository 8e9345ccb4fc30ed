"""What an object has from elsewhere: weights of the framework's layer, fields, entries of a dict; and what casts keep."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.source.test_flow import errors

MASKED = """\
class Masked(nn.Linear):
    def __init__(self, width, mask):
        CONSTRUCTED
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.linear(x, self.mask * self.weight, self.bias)

class Chain(nn.Module):
    def __init__(self, width, mask):
        super().__init__()
        self.step = Masked(width, mask)
        FROZEN

    def forward(self, y):
        x = torch.zeros_like(y)
        for i in range(3):
            x[:, i] = self.step(GIVEN)[:, i] + y[:, i].detach()
        return x
"""
LAID_OUT = """\
def f(w: torch.Tensor, x):
    h = HELD
    y = F.linear(h, w)
    h += 1
    return y
"""
CONTRACTED = """\
def f(x):
    h = x.exp() * 2
    total = torch.einsum("ij,ij->", h, OTHER)
    h += 1
    return total

f(torch.ones(2, 2, requires_grad=True)).backward()
"""
FIELDS = """\
import dataclasses

@dataclasses.dataclass
class Base:
    places: KIND

@dataclasses.dataclass
class Energy(Base):
    factor: float = 1.0
    known: torch.Tensor = None

    def prepare(self, known):
        self.known = known

    def total(self, mask):
        if self.known is None:
            raise ValueError("not prepared")
        far = torch.cdist(self.places, self.places)
        far[mask] = 0
        return far.sum() * self.factor
"""
CONFIGURED = """\
import dataclasses

@dataclasses.dataclass
class Common:
    width: int = None

@dataclasses.dataclass
class Config(Common):
    depth: int = 1

class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.width is None:
            raise ValueError("no width")
        self.act = nn.ACT()

    def forward(self, x):
        return self.act(x)

class Outer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = Net(Config(width=width))

    def forward(self, x):
        h = self.net(x)
        h += 1
        return h
"""
OUTPUT = """\
from collections import OrderedDict

class Output(OrderedDict):
    def __setattr__(self, name, value):
        super().__setitem__(name, value)
        super().__setattr__(name, value)

def f(x):
    h = OPERATION
    h += 1
    return Output(hidden=h, size=3)
"""
NAMED = """\
class First(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 3)

    def forward(self, x):
        return self.lin(x)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([First(), nn.BatchNorm1d(3)])

    def forward(self, x):
        for part in self.parts:
            if part.__class__.__name__ == "NAME":
                h = x.detach() * 2
                y = part(h)
                h += 1
                x = y
        return x
"""
CAST = """\
def f(x, kind):
    h = torch.sigmoid(x)
    h += 1
    return h.type(GIVEN)
"""
OPTIONAL = """\
class Places(NamedTuple):
    far: torch.Tensor

def f(places: KIND):
    h = torch.exp(places.far)
    h += 1
    return h
"""
HELD = """\
class Held:
    def __init__(self, part):
        self.part = part

def pick(part, once):
    if once:
        return Held(part)
    return Held(Held(part))

def f(x, once):
    h = OPERATION
    h += 1
    return Held([pick(h, once)]), 1
"""
SWITCHED = """\
class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.third = nn.Linear(3, 3)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        return self.drop(torch.relu(self.first(x)))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = Part()
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.inplace = SETTING

    def forward(self, x):
        return self.part(x)
"""
PARTIAL = """\
import functools

class Base(nn.Module):
    def __init__(self, width, act=nn.SiLU):
        super().__init__()
        self.lin = nn.Linear(width, width)
        self.act = act()

    def forward(self, x):
        return self.act(self.lin(x))

class Chosen(Base):
    __init__ = functools.partialmethod(Base.__init__, act=nn.ACT)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = Chosen(3)

    def forward(self, x):
        h = self.part(x)
        h *= 2
        return h
"""
APPENDED = """\
def touch(world, first: torch.Tensor, second: torch.Tensor):
    normal = first - second
    gap = normal.norm()
    normal = normal / gap
    world.contacts.append([normal, OPERATION])
    for contact in world.contacts:
        contact[0] *= 2
"""
FROZEN = "self.step.requires_grad_(False)"


def written(text: str, line: str) -> int:
    return [spelled.strip() for spelled in text.splitlines()].index(line) + 1


def filled(text: str, **parts: str) -> str:
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


@pytest.mark.parametrize("made", ["super().__init__(width, width)", "nn.Linear.__init__(self, width, width)"])
def test_a_class_that_derives_from_a_layer_has_its_weights(tmp_path: Path, made: str) -> None:
    text = filled(MASKED, CONSTRUCTED=made, FROZEN="pass", GIVEN="x")
    line = written(text, "x[:, i] = self.step(x)[:, i] + y[:, i].detach()")
    assert errors(tmp_path, text) == {("GS101", line)}
    assert errors(tmp_path, filled(MASKED, CONSTRUCTED=made, FROZEN="pass", GIVEN="x.clone()")) == set()
    assert errors(tmp_path, filled(MASKED, CONSTRUCTED=made, FROZEN=FROZEN, GIVEN="x")) == set()


def test_a_linear_map_saves_what_is_laid_out_plainly(tmp_path: Path) -> None:
    assert errors(tmp_path, filled(LAID_OUT, HELD="x * 2")) == {("GS101", 4)}
    assert errors(tmp_path, filled(LAID_OUT, HELD="(x * 2).transpose(1, 2)")) == set()


def test_a_tensor_that_is_contracted_with_itself_is_saved(tmp_path: Path) -> None:
    assert errors(tmp_path, filled(CONTRACTED, OTHER="h")) == {("GS101", 4)}
    assert errors(tmp_path, filled(CONTRACTED, OTHER="torch.ones(2, 2)")) == set()


def test_the_fields_of_a_dataclass_are_what_its_maker_passes(tmp_path: Path) -> None:
    text = filled(FIELDS, KIND="torch.Tensor")
    assert errors(tmp_path, text) == {("GS101", written(text, "far[mask] = 0"))}
    assert errors(tmp_path, filled(FIELDS, KIND="torch.LongTensor")) == set()


def test_a_dataclass_takes_the_fields_of_its_bases(tmp_path: Path) -> None:
    text = filled(CONFIGURED, ACT="Sigmoid")
    assert errors(tmp_path, text) == {("GS101", written(text, "h += 1"))}
    assert errors(tmp_path, filled(CONFIGURED, ACT="SiLU")) == set()


def test_what_a_dict_of_the_project_is_given_by_name_leaves_with_it(tmp_path: Path) -> None:
    text = filled(OUTPUT, OPERATION="torch.tanh(x)")
    assert errors(tmp_path, text) == {("GS101", written(text, "h += 1"))}
    assert errors(tmp_path, filled(OUTPUT, OPERATION="x * 2")) == set()


def test_a_class_is_told_by_its_name(tmp_path: Path) -> None:
    for name in ("First", "BatchNorm1d"):
        text = filled(NAMED, NAME=name)
        assert errors(tmp_path, text) == {("GS101", written(text, "h += 1"))}
    assert errors(tmp_path, filled(NAMED, NAME="Other")) == set()


@pytest.mark.parametrize("given", ["kind", "torch.float64", '"torch.cuda.FloatTensor"'])
def test_a_cast_keeps_the_graph(tmp_path: Path, given: str) -> None:
    assert errors(tmp_path, filled(CAST, GIVEN=given)) == {("GS101", 3)}


@pytest.mark.parametrize("given", ["", "torch.LongTensor", '"torch.LongTensor"'])
def test_a_cast_to_integers_or_the_name_of_a_type_keeps_none(tmp_path: Path, given: str) -> None:
    assert errors(tmp_path, filled(CAST, GIVEN=given)) == set()


@pytest.mark.parametrize("kind", ["Places", "Places | None", "Optional[Places]", "typing.Optional[Places]"])
def test_what_is_made_of_tensors_may_be_left_out(tmp_path: Path, kind: str) -> None:
    text = "from typing import NamedTuple\n" + filled(OPTIONAL, KIND=kind)
    assert errors(tmp_path, text) == {("GS101", written(text, "h += 1"))}
    assert errors(tmp_path, text.replace("far: torch.Tensor", "far: str")) == set()


def test_what_is_one_of_several_things_is_nested_no_deeper(tmp_path: Path) -> None:
    text = filled(HELD, OPERATION="torch.tanh(x)")
    assert errors(tmp_path, text) == {("GS101", written(text, "h += 1"))}
    assert errors(tmp_path, filled(HELD, OPERATION="x * 2")) == set()


def test_a_network_sets_its_layers_in_place(tmp_path: Path) -> None:
    text = filled(SWITCHED, SETTING="True")
    assert errors(tmp_path, text) == {("GS101", written(text, "return self.drop(torch.relu(self.first(x)))"))}
    assert errors(tmp_path, filled(SWITCHED, SETTING="False")) == set()


def test_a_class_constructs_itself_as_its_base_with_some_arguments_given(tmp_path: Path) -> None:
    text = filled(PARTIAL, ACT="Sigmoid")
    assert errors(tmp_path, text) == {("GS101", written(text, "h *= 2"))}
    assert errors(tmp_path, filled(PARTIAL, ACT="Softplus")) == set()


def test_what_is_appended_to_something_unknown_is_met_by_who_runs_over_it(tmp_path: Path) -> None:
    text = filled(APPENDED, OPERATION="normal * gap")
    assert errors(tmp_path, text) == {("GS101", written(text, "contact[0] *= 2"))}
    assert errors(tmp_path, filled(APPENDED, OPERATION="normal + gap")) == set()
