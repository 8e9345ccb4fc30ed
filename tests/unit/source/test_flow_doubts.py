"""What makes a finding doubtful, each beside the same program without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.source.test_flow import errors

MADE_BY_LETTER = """\
def stack(modes):
    layers = []
    for mode in modes:
        if mode == "C":
            layers.append(nn.Conv2d(3, 3, 1))
        else:
            layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)

def block(modes):
    if len(modes) > 3 or modes[0] not in "24":
        raise ValueError(modes)
    return stack(modes.replace(modes[0], "{first}") + "CR")

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sigmoid()
        self.down = block("2")

    def forward(self, x):
        return self.down(self.first(x))
"""
PARTS = """\
def shift_(points, by):
    points.add_(-by)

def split(strides, chosen, x):
    parts = []
    for by, at in zip(strides, chosen):
        counts = torch.sum(at, dim=-1).tolist()
        points = {points}
        shift_(points[..., :-1], by)
        parts.append(points.split(counts))
    return [torch.cat(part) for part in parts]
"""
CAPTURED = """\
def replay(inputs, wanted):
    held = [value.detach().clone().requires_grad_({flag}) for value in inputs]
    for target, source in zip(held, inputs):
        target.copy_(source)
"""
MEAN_SQUARE = """\
class Base({base}):
    def size(self, x):
        return x.norm(2).div_(3.0)
"""
HELPED = """\
def {name}(weights):
    weights += 1e-5
    return torch.cumsum(weights, -1)

def render(field: torch.Tensor, colours: torch.Tensor):
    weights = torch.relu(field) * 2
    seen = weights * {what}
    return seen, {name}(weights[1:])
"""
BALANCED = """\
from torch.optim import Optimizer

class Step(Optimizer):
    pass
{beside}
def balance(factors):
    norms = torch.exp(factors)
    norms /= 2
    return norms
"""
SOLVE = """\
def solve(matrix, right):
    norm = right.norm(dim=-2, keepdim=True)
    norm.masked_fill_(norm < 1e-6, 1)
    right = right / norm
    {product}
    return result * norm
"""
POWER = """\
class Orbital:
    def __init__(self, exponents):
        self.exponents = exponents

    def power(self, x: torch.Tensor):
        out = x.clone()
        at = {index}
        out[..., at] *= out[..., at]
        return out
"""
COOLED = """\
def start(x: torch.Tensor):
    if x.shape[0] == 0:
        return {nothing}
    return {peak}

def layout(x: torch.Tensor, steps: int):
    heat = start(x)
    step = heat / steps if steps > 0 else {nothing}
    for _ in range(steps):
        x = x + heat / x.norm(dim=-1)
        heat -= step
    return x
"""
CHANNELS = """\
class Decoder(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(3)

    def forward(self, parts):
        for layer in self.layers:
            if isinstance(parts, list):
                parts = torch.stack(parts)
            parts, _ = layer(parts)
        {unpacked}
        for i, x in enumerate(parts):
            x = self.norm(x)
            parts[i] = x.transpose(0, 1)
        return parts
"""
ASCENT = """\
def ascend(b, layer: nn.Linear):
    r = b.clone()
    old = torch.dot(r, r)
    loss = (layer(r) * old).sum()
    r -= b
    return torch.autograd.grad(loss, [*layer.parameters(), b])

def train(layer: nn.Linear, b):
    return ascend({given}, layer)
"""
NORMALISED = """\
def project({name}, x):
    near = {name}.detach()
    near.div_(2.0)
    return F.linear(x, {name})
"""
COLUMNS = """\
def fixed(column, value):
    kept = column.detach(){copied}
    return kept if value is None else kept.fill_(value)

def columns(x, chosen):
    parts = [x[..., i] if i not in chosen else fixed(x[..., i], chosen[i]) for i in range(x.shape[-1])]
    return torch.stack(parts, dim=-1)
"""
SCALED = """\
def spread(scale, batch):
    y = torch.exp({argument})
    y += 1
    return y
"""
ATTENTION = """\
def attend({name}, mask):
    weights = torch.einsum("ij,kj->ik", {name}, {name}).softmax(-1)
    weights.masked_fill_(mask, 0)
    return weights
"""
NEAREST = """\
def nearest({name}):
    distances = torch.cdist({name}, {name})
    distances.fill_diagonal_(1e9)
    return distances.min(-1).values
"""
DENSITY = """\
def {name}(scores):
    total = torch.logsumexp(scores, -1)
    total -= 0.5
    return total
"""
TRACED = """\
class Net(nn.Module):
    def forward(self, x):
        y = x.exp()
        if {asked}:
            y += 1
        return y
"""
DRAWN = """\
class Policy(nn.Module):
    def sample(self, scores):
        scale = torch.logsumexp(scores, -1)
        scale -= 0.5
        return torch.distributions.Normal(scores, scale).{draw}()
"""
FILLED = """\
def fill({name}):
    for batch in {name}:
        kept = torch.where(batch > 0, batch, 1)
        for row in kept:
            row[:2] = 0
"""
PADDED = """\
def padded(parts: {kind}, dims):
    n = parts[0].ndim
    for at, part in enumerate(parts):
        for dim in dims:
            if part.shape[dim] < 9:
                parts[at] = F.pad(part, (0, n))
    return torch.stack(parts)
"""
RETURNS = """\
class Agent:
    def __init__(self, {name}):
        self.{name} = {name}

    def fill(self, rewards):
        returns = torch.zeros(5)
        for t in reversed(range(4)):
            returns[t] = rewards[t].item() + self.{name} * returns[t + 1]
        return returns
"""
SOLVED = """\
def solve(product, right):
    left = right - product(torch.zeros_like(right))
    square = torch.dot(left, left)
    left -= product(right)
    return left, square

def update(parameter, product):
    return solve(product, torch.cat([parameter{grad}.view(-1), parameter{grad}.view(-1)]))
"""
PAIRS = {
    "a list of tensors whose items are replaced": (
        PADDED.format(kind="list[torch.Tensor]"),
        None,
        None,
    ),
    "a discount": (RETURNS.format(name="gamma"), RETURNS.format(name="scale"), ("GS105", 8)),
    "what a backward pass left": (SOLVED.format(grad=".grad"), SOLVED.format(grad=""), ("GS101", 4)),
    "what is compressed to bytes": (DENSITY.format(name="compress"), DENSITY.format(name="press"), ("GS101", 3)),
    "what is written while a network is exported": (
        TRACED.format(asked="torch.jit.is_tracing()"),
        TRACED.format(asked="not torch.jit.is_tracing()"),
        ("GS101", 5),
    ),
    "samples that no gradient flows through": (
        DRAWN.format(draw="sample"),
        DRAWN.format(draw="rsample"),
        ("GS101", 4),
    ),
    "a network that is evaluated, and an energy": (
        DENSITY.format(name="evaluate_net"),
        DENSITY.format(name="evaluate_bond_energy"),
        ("GS101", 3),
    ),
    "what a data loader gives": (
        FILLED.format(name="train_dataloader"),
        FILLED.format(name="features"),
        ("GS203", 5),
    ),
    "what writes a log, and no logarithm": (
        DENSITY.format(name="log_images"),
        DENSITY.format(name="log_prob"),
        ("GS101", 3),
    ),
    "a factor that may be a number": (
        SCALED.format(argument="scale * batch"),
        SCALED.format(argument="(scale - 1) / 2"),
        ("GS101", 3),
    ),
    "a contraction of data": (
        ATTENTION.format(name="tokens"),
        ATTENTION.format(name="features"),
        ("GS101", 3),
    ),
    "distances between data": (
        NEAREST.format(name="labels"),
        NEAREST.format(name="points"),
        ("GS101", 3),
    ),
    "a leaf that is changed where it is": (
        NORMALISED.format(name="weight"),
        NORMALISED.format(name="near_points"),
        ("GS303", 3),
    ),
    "what is detached and copied": (
        COLUMNS.format(copied=".clone()"),
        COLUMNS.format(copied=""),
        ("GS303", 3),
    ),
    "a text that is put together": (
        MADE_BY_LETTER.format(first="C"),
        MADE_BY_LETTER.format(first="R"),
        ("GS101", 22),
    ),
    "an item that a mask takes": (PARTS.format(points="x[at]"), None, None),
    "a flag that only the caller knows": (
        CAPTURED.format(flag="wanted"),
        CAPTURED.format(flag="True"),
        ("GS201", 4),
    ),
    "a method of an optimizer": (
        MEAN_SQUARE.format(base="torch.optim.Optimizer"),
        MEAN_SQUARE.format(base="nn.Module"),
        ("GS101", 3),
    ),
    "a helper of an optimizer": (
        BALANCED.format(beside=""),
        BALANCED.format(beside="\nclass Net(nn.Module):\n    pass\n"),
        ("GS101", 11),
    ),
    "a function that writes into `out`": (
        SOLVE.format(product="result = torch.matmul(matrix, right, out=torch.empty_like(right))"),
        SOLVE.format(product="result = torch.matmul(matrix, right)"),
        ("GS101", 3),
    ),
    "an index that is compared": (
        POWER.format(index="self.exponents == 2"),
        POWER.format(index="2"),
        ("GS106", 8),
    ),
    "a number on each path": (
        COOLED.format(nothing="0.0", peak="x.max().item() * 0.1"),
        COOLED.format(nothing="torch.zeros(())", peak="x.max()"),
        ("GS101", 11),
    ),
    "what is asked to be a list": (
        CHANNELS.format(unpacked="if not isinstance(parts, list):\n            parts = list(parts)"),
        None,
        None,
    ),
    "what only the caller could bring": (
        ASCENT.format(given="b.detach()"),
        ASCENT.format(given="torch.exp(b)"),
        ("GS101", 5),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_is_not_sure(tmp_path: Path, name: str) -> None:
    assert errors(tmp_path, PAIRS[name][0]) == set()


@pytest.mark.parametrize("name", [name for name, (_, sure, _) in PAIRS.items() if sure is not None])
def test_is_sure_without(tmp_path: Path, name: str) -> None:
    _, sure, expected = PAIRS[name]
    assert sure is not None
    assert expected in errors(tmp_path, sure)


def test_a_helper_that_runs_without_gradients_by_name_overwrites_its_callers_values(tmp_path: Path) -> None:
    assert errors(tmp_path, HELPED.format(name="sample_pdf", what="colours")) == {("GS106", 2)}
    assert errors(tmp_path, HELPED.format(name="sample_pdf", what="3.0")) == set()
    assert errors(tmp_path, HELPED.format(name="sample_pdf", what="colours").replace("render", "evaluate")) == set()


def test_many_writes_to_one_tensor_are_one_mistake(tmp_path: Path) -> None:
    slots = "".join(f"    state[:, {at}] = 0\n" for at in range(6))
    found = errors(tmp_path, f"def f(x):\n    state = torch.sigmoid(x)\n{slots}    return state\n")
    assert found == {("GS101", line) for line in range(3, 9)}


def test_who_overwrites_many_tensors_was_never_differentiated(tmp_path: Path) -> None:
    parts = "".join(f"    part{at} = torch.exp(x[{at}])\n    part{at} += 1\n" for at in range(6))
    kept = ", ".join(f"part{at}" for at in range(6))
    assert errors(tmp_path, f"def f(x):\n{parts}    return {kept}\n") == set()
    assert errors(tmp_path, f"def f(x):\n{parts[: len(parts) // 2]}    return part0, part1, part2\n")


def test_many_refusals_for_shared_memory_are_no_doubt(tmp_path: Path) -> None:
    writes = "".join(f"    rows.mul_({n})\n" for n in range(2, 8))
    found = errors(
        tmp_path, "def f(x):\n    rows = torch.zeros(1, 3).expand(4, 3)\n" + writes + "    return x * rows\n"
    )
    assert found == {("GS209", line) for line in range(3, 9)}
