"""Collectives that move the version counter: the line that wrote is named where backward raises."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

import pytest

torch = pytest.importorskip("torch")
dist = pytest.importorskip("torch.distributed")

import gradsan  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def one_rank() -> Iterator[None]:
    if not dist.is_available():
        pytest.skip("built without torch.distributed")
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def gather(bank: torch.Tensor) -> None:
    dist.all_gather_into_tensor(bank, torch.ones_like(bank))


def gather_list(bank: torch.Tensor) -> None:
    dist.all_gather([bank], torch.ones_like(bank))


def scatter(bank: torch.Tensor) -> None:
    dist.reduce_scatter_tensor(bank, torch.ones_like(bank))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("collective", [gather, gather_list, scatter], ids=lambda each: each.__name__)
def test_the_collective_that_wrote_is_named(one_rank: None, collective: Callable[[torch.Tensor], None]) -> None:
    bank = torch.zeros(2, 3)
    before = bank._version
    collective(bank)
    if bank._version == before:
        pytest.skip("this version of torch does not count it")
    weight = torch.nn.Parameter(torch.ones(3))
    with gradsan.watch() as session:
        loss = (weight * bank).sum()
        collective(bank)
        with pytest.raises(RuntimeError, match="inplace"):
            loss.backward()
    (finding,) = session.findings
    lines, first = inspect.getsourcelines(collective)
    assert finding.code == "GS101"
    assert [label.span.line for label in finding.labels if label.role.value == "write"] == [first + len(lines) - 1]
