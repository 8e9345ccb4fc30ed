"""The examples fail as their page says, and the repairs it shows give the true gradient."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.torch

EXAMPLES = Path(__file__).parents[1] / "examples"
DIFF = re.compile(r"^```diff\n(?P<file>\S+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)

# How each program's loss is computed again in float64, from the names of its own modules.
LOSSES = {
    "residual": """
from model import Encoder
from train import compute_loss, make_batch
model = Encoder(channels=2, width=4, depth=2)
batch = make_batch(6)
parameters = list(model.parameters())
loss = lambda: compute_loss(model, batch)
""",
    "rnn_buffer": """
from model import BufferedRNN
from train import compute_loss, make_batch
model = BufferedRNN(features=3, hidden=5, steps=4)
batch = make_batch(8)
parameters = list(model.parameters())
loss = lambda: compute_loss(model, batch)
""",
    "leaf_assignment": """
from initial import clamp_first, start_values
x = start_values().detach().double().requires_grad_()
parameters = [x]
loss = lambda: (clamp_first(x, 5.0) * 2).sum()
expected = [0.0, 2.0, 2.0]
""",
    "argument_written": """
from shift import shift
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
parameters = [x]
loss = lambda: shift(x).sum()
expected = [1.0, 1.0, 1.0]
""",
    "clone_then_write": """
from mask import with_first
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
parameters = [x]
loss = lambda: (with_first(x, 5.0) + x * 2).sum()
expected = [2.0, 3.0, 3.0]
""",
}

JUDGE = """
import runpy
import torch
runpy.run_path("train.py", run_name="__main__")
torch.set_default_dtype(torch.float64)
torch.manual_seed(1)
expected = None
{loss}
gradients = torch.autograd.grad(loss(), parameters)
if expected is not None:
    assert gradients[0].tolist() == expected, gradients
for parameter, gradient in zip(parameters, gradients):
    flat, step = parameter.detach().view(-1), 1e-6
    for i in range(flat.numel()):
        value = flat[i].item()
        with torch.no_grad():
            flat[i] = value + step
            above = loss().item()
            flat[i] = value - step
            below = loss().item()
            flat[i] = value
        difference = (above - below) / (2 * step)
        assert abs(difference - gradient.view(-1)[i].item()) < 1e-6, (i, difference, gradient)
"""


@dataclass(frozen=True, slots=True)
class Repair:
    file: str
    before: str
    after: str


def repairs() -> dict[str, Repair]:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    found = {}
    for block in DIFF.finditer(page):
        lines = block["body"].splitlines()
        name, _, file = block["file"].partition("/")
        before = [line[1:] for line in lines if line[0] in " -"]
        after = [line[1:] for line in lines if line[0] in " +"]
        found[name] = Repair(file, "\n".join(before), "\n".join(after))
    return found


def repaired(name: str, room: Path) -> Path:
    """Copy an example and apply the repair its page shows, line by line where the lines stand apart."""
    copy = Path(shutil.copytree(EXAMPLES / name, room / name, ignore=shutil.ignore_patterns("__pycache__")))
    repair = repairs().get(name)
    if repair is not None:
        file = copy / repair.file
        file.write_text(edited(file.read_text(encoding="utf-8"), repair), encoding="utf-8")
    return copy


def edited(text: str, repair: Repair) -> str:
    if repair.before in text:
        return text.replace(repair.before, repair.after)
    for before, after in zip(repair.before.splitlines(), repair.after.splitlines(), strict=True):
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/train.py"))


def test_every_example_that_fails_has_a_repair() -> None:
    assert set(repairs()) == set(NAMES) - {"clone_then_write"}


@pytest.mark.parametrize("name", NAMES)
def test_the_program_fails_as_its_page_says(name: str) -> None:
    done = run(EXAMPLES / name, "train.py")
    if name in repairs():
        assert done.returncode == 1
        assert "RuntimeError" in done.stderr
        assert re.search("in-?place operation", done.stderr)
    else:
        assert done.returncode == 0


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_the_repaired_program_runs_with_the_true_gradient(name: str, tmp_path: Path) -> None:
    done = run(repaired(name, tmp_path), "-c", JUDGE.format(loss=LOSSES[name]))
    assert done.returncode == 0, done.stderr


def test_both_players_get_their_own_gradient(tmp_path: Path) -> None:
    """The repaired GAN step leaves in `.grad` what each loss alone gives."""
    folder = repaired("gan_step", tmp_path)
    source = (folder / "train.py").read_text(encoding="utf-8")
    assert order_of_calls(source) == [
        "optimizer_g.zero_grad",
        "loss_g.backward",
        "optimizer_d.zero_grad",
        "loss_d.backward",
        "optimizer_d.step",
        "optimizer_g.step",
    ]
    done = run(folder, "-c", GAN_JUDGE)
    assert done.returncode == 0, done.stderr


def order_of_calls(source: str) -> list[str]:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    texts = [ast.unparse(node.value) for node in sorted(calls, key=lambda node: node.lineno)]
    return [text.removesuffix("()") for text in texts if re.fullmatch(r"\w+_[dg]\.\w+\(\)", text)]


GAN_JUDGE = """
import runpy
import torch
runpy.run_path("train.py", run_name="__main__")
from model import Players
from train import compute_losses, make_batch
torch.set_default_dtype(torch.float64)
torch.manual_seed(1)
players = Players(noise=3, width=6)
real = make_batch(16)
def losses():
    torch.manual_seed(2)
    return compute_losses(players, real)
loss_d, loss_g = losses()
loss_g.backward()
players.discriminator.zero_grad()
loss_d.backward()
for player, index in ((players.generator, 1), (players.discriminator, 0)):
    for parameter in player.parameters():
        flat, step = parameter.detach().view(-1), 1e-6
        for i in range(flat.numel()):
            value = flat[i].item()
            flat[i] = value + step
            above = losses()[index].item()
            flat[i] = value - step
            below = losses()[index].item()
            flat[i] = value
            assert abs((above - below) / (2 * step) - parameter.grad.view(-1)[i].item()) < 1e-6
"""
