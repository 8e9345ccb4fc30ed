"""A backward that comes to a freed graph is explained where a write led there, and only there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

import gradsan  # noqa: E402

pytestmark = pytest.mark.torch

CELL = nn.Linear(3, 3)


def copied(state: Tensor, h: Tensor) -> Tensor:
    state.copy_(h)
    return state


def carried(state: Tensor, h: Tensor) -> Tensor:
    return h


def carried_activation(state: Tensor, h: Tensor) -> Tensor:
    return (h * 2).relu_()


def detached(state: Tensor, h: Tensor) -> Tensor:
    state.copy_(h.detach())
    return state


def codes_of(keep: Callable[[Tensor, Tensor], Tensor]) -> tuple[bool, list[str]]:
    """Train for two steps; return whether that raised, and the codes of what was found."""
    state, raised = torch.zeros(1, 3), False
    with gradsan.watch() as report:
        for _ in range(2):
            h = torch.tanh(CELL(state.clone()))
            state = keep(state, h)
            try:
                h.sum().backward()
            except RuntimeError:
                raised = True
    return raised, [finding.code for finding in report.findings]


@pytest.mark.parametrize(
    ("keep", "raises", "codes"),
    [
        (copied, True, ["GS109"]),
        (carried, True, []),
        (carried_activation, True, []),
        (detached, False, []),
    ],
)
def test_a_write_is_told_where_it_tied_the_graphs(
    keep: Callable[[Tensor, Tensor], Tensor], raises: bool, codes: list[str]
) -> None:
    assert codes_of(keep) == (raises, codes)


def test_a_graph_used_twice_is_no_write() -> None:
    with gradsan.watch() as report:
        loss = nn.functional.relu_(CELL(torch.ones(1, 3))).square().sum()
        loss.backward()
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()
    assert not report.findings
