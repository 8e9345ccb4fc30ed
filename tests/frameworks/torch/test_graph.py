"""Walks through graphs."""

from __future__ import annotations

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from gradsan.frameworks.torch.graph import root_number  # noqa: E402

pytestmark = pytest.mark.torch

DEEP = """
import torch
from torch.utils.checkpoint import checkpoint

import gradsan


def chain():
    x = torch.randn(1, requires_grad=True)
    y = x.clone()
    for _ in range(50_000):
        y = y * 1.000001
    return y


def inspected():
    gradsan.inspect_graph(chain())


def refused():
    y = chain().exp()
    y.add_(1)
    try:
        y.backward()
    except RuntimeError:
        pass


def written_once_checkpoints_were_used():
    a = torch.ones(3, requires_grad=True)
    checkpoint(torch.exp, a, use_reentrant=False).sum().backward()
    y = a.sum()
    for _ in range(50_000):
        y *= 1.000001
    y.backward()


inspected()
with gradsan.watch() as session:
    refused()
    refused()
    written_once_checkpoints_were_used()
print(len(session.findings), "finding")
left = chain()
gradsan.inspect_graph(left)
"""
"""See NOTE [Deep graphs] in `graph`: freed by the engine alone, by us between walks, and at exit by nobody."""


def test_deep_graphs_that_were_walked_are_freed_without_exhausting_the_stack() -> None:
    run = subprocess.run([sys.executable, "-c", DEEP], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "1 finding\n"), run.stderr


def test_a_scaled_loss_is_as_old_as_the_loss() -> None:
    loss = torch.ones(3, requires_grad=True).exp().sum()
    later = torch.ones(3, requires_grad=True).exp()
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    assert root_number((scaler.scale(loss / 2),)) == root_number((loss,))
    assert root_number((-loss.to(torch.float64),)) == root_number((loss,))
    assert root_number((loss * later.sum(),)) != root_number((loss,))  # more than a scale
    assert root_number((torch.ones((), requires_grad=True) * 2,)) is not None
