"""How the data flow follows what Python does with functions and objects: found here, silent there."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.source.test_flow import errors

DECORATED = """\
import functools

def scaled(factor):
    def wrap(forward):
        @functools.wraps(forward)
        def inner(*args, **kwargs):
            out = forward(*args, **kwargs)
            out *= factor
            return out
        return inner
    return wrap

class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 3)

    @scaled(0.5)
    def forward(self, x):
        return OPERATION(self.lin(x))

gate = Gate()
gate(torch.ones(2, 3)).sum().backward()
"""
NAMED_TUPLE = """\
from collections import namedtuple

Out = namedtuple("Out", "mask score")

def split(x):
    return Out(mask=torch.sigmoid(x), score=x * 2)

def f(x):
    out = split(x)
    out.FIELD.add_(1)
    return out.mask, out.score
"""
REDUCED = """\
import functools
import operator

def f(x):
    return functools.reduce(operator.NAME, [torch.tanh(x), torch.exp(x)])
"""
FIELD_OF_ITS_OWN = """\
class Field:
    def __init__(self, values):
        self.values = values

    def __iadd__(self, other):
        self.values.add_(other)
        return self

field = Field(torch.ones(3))
x = torch.ones(3, requires_grad=True)
energy = (field.values * x).OPERATION().sum()
field += x
energy.backward()
"""
STATE = """\
class State(dict):
    pass

class Neuron(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.state = State(mem=torch.zeros(3))

    @property
    def mem(self):
        return self.state["mem"]

    @mem.setter
    def mem(self, value):
        self.state["mem"] = value

    def forward(self, x):
        self.mem += self.fc(x)
        return torch.sigmoid(self.mem) * SECOND

neuron = Neuron()
total = neuron(torch.ones(3)) + neuron(torch.ones(3))
total.sum().backward()
"""
CLOSURE = """\
def make(cell):
    memory = [torch.zeros(3)]

    def step(x):
        out = torch.sigmoid(cell(x))
        memory[0] = out
        return out

    def decay():
        memory[0].OPERATION(0.5)

    return step, decay

step, decay = make(nn.Linear(3, 3))
y = step(torch.ones(3))
decay()
y.sum().backward()
"""
CHOSEN = """\
class First(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x):
        return self.fc(x)

class Second(First):
    def forward(self, x):
        x *= 2
        return self.fc(x)

class Block(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.norm = nn.LayerNorm(3)
        self.part = {"first": First, "second": Second}[kind]()

    def forward(self, x):
        return self.part(self.norm(x) * 1)
"""
MODULE_DICT = """\
class Block(nn.Module):
    def __init__(self, kind="relu"):
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.act = nn.ModuleDict([["relu", nn.ReLU(inplace=True)], ["id", nn.Identity()]])[kind]

    def forward(self, x):
        return self.act(torch.OPERATION(self.fc(x)))
"""
BOUND_TWICE = """\
def f(x, flag):
    ks = torch.exp(x)
    if flag:
        ks = x * 2
    if flag:
        ks += 1
    return ks
"""

CHOSEN_BY_NAME = """\
def f(x, mode):
    y = x * 2
    if mode == "exp":
        y = torch.exp(x)
    if mode == "SHIFT":
        y += 1
    return y
"""

MASKED = """\
class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.ReLU()])

    def forward(self, x, mask):
        for layer in self.layers:
            x = layer(x)
            if isinstance(layer, nn.Conv2d):
                x *= mask
        return x
"""
FOUND = {
    "the same text": (CHOSEN_BY_NAME.replace("SHIFT", "exp"), 6),
    "a decorator": (DECORATED.replace("OPERATION", "torch.sigmoid"), 8),
    "a named tuple": (NAMED_TUPLE.replace("FIELD", "mask"), 10),
    "reduce with iadd": (REDUCED.replace("NAME", "iadd"), 5),
    "an operator of a class": (FIELD_OF_ITS_OWN.replace("OPERATION", "exp"), 6),
    "a property kept in a dict": (STATE.replace("SECOND", "self.mem"), 19),
    "what a closure remembers": (CLOSURE.replace("OPERATION", "mul_"), 10),
    "a module of a dict": (MODULE_DICT.replace("OPERATION", "exp"), 8),
}


@pytest.mark.parametrize("name", FOUND)
def test_finds(tmp_path: Path, name: str) -> None:
    source, line = FOUND[name]
    assert line in {at for _, at in errors(tmp_path, source)}


SILENT = {
    "a layer of another kind": MASKED,
    "another text": CHOSEN_BY_NAME.replace("SHIFT", "shift"),
    "a decorator": DECORATED.replace("OPERATION", "torch.neg"),
    "a named tuple": NAMED_TUPLE.replace("FIELD", "score"),
    "reduce with add": REDUCED.replace("NAME", "add"),
    "what a closure remembers": CLOSURE.replace("OPERATION", "mul"),
    "one class of several": CHOSEN,
    "a module of a dict": MODULE_DICT.replace("OPERATION", "neg"),
    "bound again on the same path": BOUND_TWICE,
}


@pytest.mark.parametrize("name", SILENT)
def test_stays_silent(tmp_path: Path, name: str) -> None:
    assert errors(tmp_path, SILENT[name]) == set()
