"""`verify` tells true gradients from false ones, and says by which witness."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

import gradsan  # noqa: E402
from gradsan.model.errors import UsageError  # noqa: E402


class Doubling(torch.autograd.Function):
    """Its backward forgets the factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def masked_through_data(x: Tensor) -> Tensor:
    h = x * 3
    h.data[0] = 0.0
    return h * 2


def clipped_under_no_grad(x: Tensor) -> Tensor:
    h = x * 3
    with torch.no_grad():
        h.clamp_(max=1.0)
    return h


def overwritten_result(x: Tensor) -> Tensor:
    h = x.sigmoid()
    h += 1
    return h


X = torch.linspace(0.1, 1.3, 6)


@pytest.mark.parametrize(
    ("fn", "inputs"),
    [
        (torch.sin, (X,)),
        (lambda x: x.clone().mul_(2).sum(), (X,)),
        (nn.functional.mse_loss, (X, X + 1)),
        (nn.Linear(6, 2), (X.view(1, 6),)),
        (nn.BatchNorm1d(2), (X.view(3, 2),)),
        (nn.Dropout(0.5), (X,)),
        (lambda x, flag: x * 2 if flag else x, (X, True)),
        (nn.LSTM(3, 4), (X.view(2, 1, 3),)),
        (lambda x: x * random.random(), (X,)),
        (lambda x: x * float(np.random.rand()), (X,)),
        (lambda x: x.mul_(2).sin(), (X,)),
        (lambda x: x.add_(1).square(), (X.clone().requires_grad_(),)),
        (lambda z: z * z.conj() + z.exp(), (torch.complex(X, X + 1),)),
        (lambda x: {"loss": x.sin(), "rest": [x.cos().sum(), 3, None]}, (X,)),
    ],
)
def test_true(fn: Any, inputs: tuple[Any, ...]) -> None:
    result = gradsan.verify(fn, *inputs)
    assert result.is_true, result
    assert result.witness == "finite differences"
    assert max(result.relative_errors.values()) < 1e-6


@pytest.mark.parametrize("fn", [Doubling.apply, masked_through_data, clipped_under_no_grad])
def test_not_true(fn: Any) -> None:
    result = gradsan.verify(fn, X)
    assert not result.is_true
    assert result.relative_errors["input 0"] > 0.1
    assert "not the true gradient, by finite differences" in str(result)


def test_no_gradient_that_is_not_a_number_is_true() -> None:
    result = gradsan.verify(lambda x: (x - x).sqrt(), X)
    assert not result.is_true
    assert result.relative_errors == {"input 0": float("inf")}


def test_what_differs_each_time_is_not_compared() -> None:
    count = itertools.count()
    result = gradsan.verify(lambda x: x * next(count), X)
    assert not result.is_true
    assert str(result) == "not compared: the function returns another value each time, or none that is finite"


def test_what_raises_is_not_true() -> None:
    result = gradsan.verify(overwritten_result, X)
    assert not result.is_true
    assert "modified by an inplace operation" in result.failure


def test_only_what_requires_a_gradient_is_differentiated() -> None:
    result = gradsan.verify(nn.functional.mse_loss, X.clone().requires_grad_(), X + 1)
    assert result.names == ("input 0",)


def test_parameters_of_a_module_are_named() -> None:
    result = gradsan.verify(nn.Sequential(nn.Linear(6, 2)), X.view(1, 6))
    assert result.names == ("input 0", "0.weight", "0.bias")


def test_another_witness_decides_where_double_precision_is_refused() -> None:
    weight = torch.ones(6)

    def needs_floats(x: Tensor) -> Tensor:
        return torch.dot(x, weight)

    result = gradsan.verify(needs_floats, X)
    assert result.is_true
    assert result.witness == "functionalization"
    assert any("finite differences" in sentence for sentence in result.not_compared)


def test_nothing_of_the_callers_changes() -> None:
    model, x = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3)), torch.rand(4, 6)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state, kept = torch.get_rng_state(), x.clone()
    others = random.getstate(), np.random.get_state()[1].tolist()
    gradsan.verify(model, x)
    assert torch.equal(torch.get_rng_state(), state)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == others
    assert torch.equal(x, kept)
    assert x.grad is None
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(("fn", "inputs"), [("sin", (X,)), (torch.sin, ()), (torch.sin, (torch.ones(2).long(),))])
def test_bad_input_gets_one_clear_line(fn: Any, inputs: tuple[Any, ...]) -> None:
    with pytest.raises(UsageError, match="verify expects"):
        gradsan.verify(fn, *inputs)
