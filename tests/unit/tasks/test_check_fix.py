from __future__ import annotations

from pathlib import Path

from gradsan.tasks.check import CheckOptions, check
from gradsan.tasks.check_fix import apply_all, apply_safe

SAFE = """
import torch

def f(w):
    h = torch.sigmoid(w)
    h += 1  # residual
    g = h.exp()
    g.mul_(2).add_(w)
    return (h * g).sum()

w = torch.nn.Parameter(torch.ones(3))
f(w).backward()
"""


def checked(path: Path):
    return check([path], CheckOptions(n_jobs=1, use_cache=False)).report.findings


def test_what_is_safe_is_applied_and_nothing_is_found_any_more(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(SAFE)
    applied = apply_safe(checked(path))
    assert (applied.n_findings, applied.paths) == (2, (str(path),))
    assert path.read_text() == SAFE.replace("h += 1", "h = h + 1").replace("g.mul_(2).add_(w)", "g = g.mul(2).add(w)")
    assert not checked(path)
    assert apply_safe(checked(path)).paths == ()


def test_what_another_name_may_see_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    text = SAFE.replace("    h += 1", "    kept = h\n    h += 1").replace("(h * g)", "(kept * g)")
    path.write_text(text)
    found = checked(path)
    assert any(fix.title == "write out of place" for finding in found for fix in finding.fixes)
    apply_safe(found)
    assert "    h += 1  # residual\n" in path.read_text()


def test_a_line_takes_as_many_as_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    text = """
import torch

def low(a, b):
    return torch.min(a, b)

def f(w):
    table = torch.zeros(3)
    for i in range(2, 5):
        table[i] = low(table[i - 1], table[i - 2]) * w
    return table.sum()

f(torch.nn.Parameter(torch.ones(()))).backward()
"""
    path.write_text(text)
    applied = apply_all(checked(path), lambda: checked(path))
    assert applied.paths == (str(path),)
    assert path.read_text() == text.replace("torch.min(a, b)", "torch.min(a.clone(), b.clone())")


def test_a_model_gets_no_copy_for_what_a_layer_of_it_writes(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    text = """
import torch
from torch import nn

class Scored(nn.Module):
    def forward(self, x):
        self.score = nn.functional.mse_loss(x, torch.ones(2))
        return x

def layers():
    return [nn.Linear(2, 2), Scored(), nn.ReLU(inplace=True)]

x = torch.ones(2)
model = nn.Sequential(*layers())
model(x)
model[1].score.backward()
"""
    path.write_text(text)
    apply_safe(checked(path))
    assert path.read_text() == text.replace("mse_loss(x, ", "mse_loss(x.clone(), ")
