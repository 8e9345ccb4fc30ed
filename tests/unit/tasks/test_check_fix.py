from __future__ import annotations

from pathlib import Path

from gradsan.tasks.check import CheckOptions, check
from gradsan.tasks.check_fix import apply_safe

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
