"""The audit compares both runs of a checkpointed region, a reentrant one by its results."""

from __future__ import annotations

from linecache import getline
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import gradsan  # noqa: E402


class Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
        self.register_buffer("temperature", torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.linear(x) / self.temperature)


def lines_told(seen: Any) -> list[str]:
    spans = [span for finding in seen.findings for span in finding.labels if span.role.value == "write"]
    return [getline(span.span.path, span.span.line).strip() for span in spans if span.span is not None]


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_a_buffer_written_before_the_second_run(use_reentrant: bool) -> None:
    gate = Gate()
    with gradsan.audit() as seen:
        loss = checkpoint(gate, torch.rand(4, 3, requires_grad=True), use_reentrant=use_reentrant).sum()
        gate.temperature.mul_(0.3)
        loss.backward()
    assert "gate.temperature.mul_(0.3)" in lines_told(seen)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_an_unrelated_suspicious_write_hides_nothing(use_reentrant: bool) -> None:
    gate, other = Gate(), nn.Linear(2, 2)
    with gradsan.audit() as seen:
        gate.temperature = torch.tensor(1.0)
        loss = checkpoint(gate, torch.rand(4, 3, requires_grad=True), use_reentrant=use_reentrant).sum()
        other.weight.data.zero_()
        gate.temperature = torch.tensor(0.3)
        loss.backward()
    assert lines_told(seen) == ["gate.temperature = torch.tensor(0.3)"]


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_statistics_and_dropout_are_restored_or_not_read(use_reentrant: bool) -> None:
    gate = Gate()
    with gradsan.audit() as seen:
        for _ in range(3):
            checkpoint(gate, torch.rand(4, 3, requires_grad=True), use_reentrant=use_reentrant).sum().backward()
            gate.temperature.mul_(0.9)
    assert not seen.findings
