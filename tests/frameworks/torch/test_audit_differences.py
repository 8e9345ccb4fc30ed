"""The audit tells of a difference between a tensor and an alias of it from before a write, and of no other."""

from __future__ import annotations

from collections.abc import Callable
from linecache import getline

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

import gradsan  # noqa: E402


def write(weight: Tensor) -> None:
    with torch.no_grad():
        weight.mul_(2)


def kept_by_data(weight: Tensor) -> Tensor:
    before = weight.data
    write(weight)
    return weight.data - before


def kept_by_detach(weight: Tensor) -> Tensor:
    before = weight.detach()
    write(weight)
    return torch.sub(weight, before)


def kept_by_detach_and_measured(weight: Tensor) -> Tensor:
    before = weight.detach()
    write(weight)
    return weight.dist(before)


def kept_as_a_state(weight: Tensor) -> Tensor:
    holder = nn.ParameterList([weight])
    before = holder.state_dict()
    write(weight)
    return before["0"] - holder.state_dict()["0"]


def kept_as_a_copy(weight: Tensor) -> Tensor:
    before = weight.detach().clone()
    write(weight)
    return weight - before


def written_before_it_was_kept(weight: Tensor) -> Tensor:
    write(weight)
    return weight - weight.detach()


def of_other_elements(weight: Tensor) -> Tensor:
    before = weight.detach()[1:]
    write(weight)
    return weight[:-1] - before


def of_new_memory(weight: Tensor) -> Tensor:
    before = weight.data
    weight.data = weight.data * 2
    return weight.data - before


def given_by_keyword(weight: Tensor) -> Tensor:
    return torch.sub(input=weight, other=1.0)


ZERO = [kept_by_data, kept_by_detach, kept_by_detach_and_measured, kept_as_a_state]
MEANT = [kept_as_a_copy, written_before_it_was_kept, of_other_elements, of_new_memory, given_by_keyword]


@pytest.mark.parametrize("program", ZERO, ids=lambda program: program.__name__)
def test_zero_by_reference_is_told(program: Callable[[Tensor], Tensor]) -> None:
    with gradsan.audit() as report:
        assert not bool(program(nn.Parameter(torch.ones(3))).any())
    [finding] = report.findings
    assert finding.code == "GS358"
    [written] = [label.span for label in finding.labels if label.role.value == "write"]
    assert "weight.mul_(2)" in getline(written.path, written.line)


@pytest.mark.parametrize("program", MEANT, ids=lambda program: program.__name__)
def test_what_is_meant_is_left_alone(program: Callable[[Tensor], Tensor]) -> None:
    with gradsan.audit() as report:
        program(nn.Parameter(torch.ones(3)))
    assert not report.findings
