"""What a program does, or asks, that leaves nothing to break; each beside the same program without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.source.test_flow import HEAD, errors

from gradsan import knowledge
from gradsan.source.entries import Analyst, analyse
from gradsan.source.project import Project

ATTACK = """\
def attack(model, start):
    x = start.clone()
    x.requires_grad_()
    gradient = torch.autograd.grad(model(x).sum(), x)[0]
    {cut}
    norm = x.norm()
    norm.clamp_(min=1e-8)
    return x + gradient / norm
"""
STEPS = """\
def direction(model, x):
    x.requires_grad_(True)
    gradient = torch.autograd.grad(model(x).sum(), x)[0]
    {cut}
    return gradient

def attack(model, start):
    x = start.clone()
    for _ in range(10):
        gradient = direction(model, x)
        scale = x.flatten(1).exp().mul_(0.5)
        x = x + gradient * scale.view_as(x)
    return x
"""
CUT_AND_USED = """\
def used(x, w):
    y = (x * w).detach_()
    {again}
    scale = y.exp()
    scale.mul_(2)
    return scale.sum()
"""
BLOCK = """\
def chained(*parts):
    modules = []
    for part in parts:
        if isinstance(part, nn.Sequential):
            for inner in part.children():
                modules.append(inner)
        elif isinstance(part, nn.Module):
            modules.append(part)
    return nn.Sequential(*modules)

def activation(kind):
    if kind == "relu":
        return nn.ReLU(inplace=True)
    return nn.LeakyReLU(0.2, inplace=True)

def normalization(kind, n):
    if kind == "batch":
        return nn.BatchNorm2d(n)
    return nn.InstanceNorm2d(n, affine=True)

def block(n, pad=None, norm=None, act="relu"):
    before = nn.ReflectionPad2d(pad) if pad else None
    after = normalization(norm, n) if norm else None
    last = activation(act) if act else None
    return chained({order})

class Net(nn.Module):
    def __init__(self, norm=None, act="relu"):
        super().__init__()
        self.body = block(3, norm=norm, act=act)

    def forward(self, x):
        return self.body(x) + x
"""
SCALED = """\
class Scaled(nn.Module):
    def __init__(self, learns=False):
        super().__init__()
        if learns:
            self.scale = nn.Parameter(torch.tensor(0.0))
        else:
            self.register_buffer("scale", torch.tensor(1.0))

    def reset(self):
        if {test}:
            self.scale.data.fill_(1.0)
        elif self.scale is not None:
            self.scale.fill_(1.0)
"""
STEP = """\
from torch.optim.optimizer import Optimizer, {decorator}

class Plain(Optimizer):
    def __init__(self, params, lr=1e-3):
        super().__init__(params, dict(lr=lr))

    @{decorator}
    def step(self, closure=None):
        for group in self.param_groups:
            params, grads = [], []
            for p in group["params"]:
                params.append(p)
                grads.append(p.grad)
            descend(params, grads, group["lr"])

def descend(params, grads, lr):
    for i, param in enumerate(params):
        param.add_(grads[i], alpha=-lr)
"""
RUN_AGAIN = """\
from torch.utils.checkpoint import checkpoint

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(3, 3), nn.ReLU())

    def forward(self, x):
        h = x * 2
        y = {run}
        {written}.add_(1)
        return y + h
"""
FROZEN = """\
import copy

class Core(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.first = nn.Linear(n, n)
        self.body = nn.Sequential(nn.Linear(n, n), nn.LayerNorm(n), nn.Linear(n, n))
        self.last = nn.Linear(n, n)

class Trainer:
    def __init__(self, n):
        self.model = Core(n)
        self.average = copy.deepcopy(self.model)
        for name, parameter in self.average.named_parameters():
            {freeze}

    def grow(self):
        self.average.body[2].weight.mul_(1.1)
"""
HANDED = """\
import copy

class Trainer:
    def __init__(self, n):
        self.model = nn.Sequential(nn.Linear(n, n), nn.LayerNorm(n), nn.Linear(n, n), nn.LayerNorm(n))
        self.average = copy.deepcopy(self.model)
        for parameter in self.average.parameters():
            parameter.requires_grad = False

    def follow(self):
        move({which}, self.model, 0.9)

def move(average: nn.Module, model: nn.Module, keep: float):
    for part, other in zip(average.modules(), model.modules()):
        for (_, one), (_, two) in zip(part.named_parameters(recurse=False), other.named_parameters(recurse=False)):
            one.copy_(two.data)
"""
KEEP = "assert x.dim() > 1"
PROGRAMS = {
    "cut off from the graph": (ATTACK, {"cut": "x.detach_()"}, {"cut": KEEP}),
    "cut off in a function": (STEPS, {"cut": "x.detach_()"}, {"cut": KEEP}),
    "cut off for good": (CUT_AND_USED, {"again": ""}, {"again": "y.requires_grad_()"}),
    "layers of many kinds left out": (
        BLOCK,
        {"order": "before, nn.Conv2d(n, n, 3), after, last"},
        {"order": "before, nn.Sigmoid(), last"},
    ),
    "asked whether it is a parameter": (
        SCALED,
        {"test": "isinstance(self.scale, nn.Parameter)"},
        {"test": "isinstance(self.scale, nn.Linear)"},
    ),
    "run again before backward": (
        RUN_AGAIN,
        {"run": "checkpoint(self.block, h, use_reentrant=False)", "written": "y"},
        {"run": "self.block(h)", "written": "y"},
    ),
    "what a function is run again on": (
        RUN_AGAIN,
        {"run": "checkpoint(self.block, h.clone(), use_reentrant=False)", "written": "h"},
        {"run": "checkpoint(self.block, h, use_reentrant=False)", "written": "h"},
    ),
    "many parameters frozen one by one": (
        FROZEN,
        {"freeze": "parameter.requires_grad = False"},
        {"freeze": "parameter.requires_grad = True"},
    ),
    "a frozen network handed to a function": (HANDED, {"which": "self.average"}, {"which": "self.model"}),
    "a differentiable step": (STEP, {"decorator": "_use_grad_for_differentiable"}, {"decorator": "required"}),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_stays_silent(tmp_path: Path, name: str) -> None:
    program, quiet, _ = PROGRAMS[name]
    assert not errors(tmp_path, program.format(**quiet))


@pytest.mark.parametrize("name", PROGRAMS)
def test_is_sure_without(tmp_path: Path, name: str) -> None:
    program, _, told = PROGRAMS[name]
    assert errors(tmp_path, program.format(**told))


@pytest.mark.parametrize("call", ["torch.norm(x, p, dim=1)", "torch.linalg.norm(x, ord=p, dim=1)"])
def test_the_order_of_a_norm_is_a_number(tmp_path: Path, call: str) -> None:
    program = """\
def weighed(x, p, mask):
    length = {call}
    length *= mask
    return length.sum()
"""
    assert {code for code, _ in errors(tmp_path, program.format(call=call))} == {"GS101"}


@pytest.mark.parametrize(
    ("given", "is_told"),
    [
        ("torch.as_tensor(x.sigmoid())", True),
        ("torch.as_tensor(x.sigmoid().tolist())", False),
        ("torch.as_tensor(x.sigmoid().detach().numpy())", False),
    ],
)
def test_what_is_a_tensor_already_stays_on_the_tape(tmp_path: Path, given: str, *, is_told: bool) -> None:
    program = """\
def halved(x: torch.Tensor):
    y = {given}
    y *= 0.5
    return y.sum()
"""
    assert bool(errors(tmp_path, program.format(given=given))) is is_told


def test_the_parameters_of_a_network_come_with_their_names(tmp_path: Path) -> None:
    program = """\
def shrink(network: nn.Module):
    for name, parameter in network.named_parameters():
        parameter.mul_(0.9)
"""
    assert {code for code, _ in errors(tmp_path, program)} == {"GS201"}


@pytest.mark.parametrize(("name", "is_told"), [("tensorboard_logger", False), ("logging", False), ("logistic", True)])
def test_what_is_drawn_for_a_log_is_not_differentiated(tmp_path: Path, name: str, *, is_told: bool) -> None:
    path = tmp_path / f"{name}.py"
    path.write_text(f"{HEAD}\ndef stretched(image: torch.Tensor):\n    image /= image.max()\n    return image\n")
    analyst = Analyst(Project(), knowledge.load("torch"))
    told = [inference for inference in analyse(analyst, analyst.project.load(path)) if inference.is_sure]
    assert bool(told) is is_told
