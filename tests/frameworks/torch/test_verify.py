"""`verify` tells true gradients from false ones, and says by which witness."""

from __future__ import annotations

import functools
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
    assert str(result) == "not compared: the function returns another value each time"
    assert str(gradsan.verify(lambda x: x / 0, X)) == "not compared: the function's value is inf"


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
    def needs_floats(x: Tensor) -> Tensor:
        return torch.dot(x, torch.ones(6))

    result = gradsan.verify(needs_floats, X)
    assert result.is_true
    assert result.witness == "functionalization"
    assert "; not compared with finite differences: RuntimeError: " in str(result)


def test_another_witness_decides_where_differences_tell_nothing() -> None:
    def in_lower_precision(x: Tensor) -> Tensor:
        return x.bfloat16().exp().float()

    for fn in (in_lower_precision, lambda x: (x + 1e9) - 1e9):
        result = gradsan.verify(fn, X)
        assert result.is_true
        assert result.witness == "functionalization"
        assert "the differences depend on their step" in str(result)


@pytest.mark.parametrize("fn", [torch.relu, torch.abs, lambda x: x.clamp(0, 1), lambda x: x.max()])
def test_any_gradient_is_true_at_a_corner(fn: Any) -> None:
    assert gradsan.verify(fn, torch.tensor([0.0, 1.0, -1.0, 1.0])).is_true
    assert not gradsan.verify(lambda x: Doubling.apply(fn(x)), torch.tensor([0.0, 1.0, -1.0, 0.5])).is_true


def test_a_gradient_of_zero_is_true_up_to_rounding() -> None:
    model = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3), nn.ReLU())
    result = gradsan.verify(model, torch.randn(8, 6))
    assert result.is_true, result
    assert result.witness == "finite differences"
    assert gradsan.verify(lambda x: (x - x).sum() + 3, X).is_true
    assert gradsan.verify(lambda x: x.softmax(0).sum(), X).is_true


def test_tensors_inside_others_are_inputs() -> None:
    def loss(batch: dict[str, Any], weights: list[Tensor]) -> Tensor:
        return (batch["x"] * weights[0]).sum() + masked_through_data(weights[1]).sum() + batch["n"]

    result = gradsan.verify(loss, {"x": X, "n": 3}, [X, X + 1])
    assert result.names == ("input 0['x']", "input 1[0]", "input 1[1]")
    assert not result.is_true
    assert [name for name, error in result.relative_errors.items() if error > 1e-6] == ["input 1[1]"]


class Held:
    """A loss that is no module."""

    def __init__(self) -> None:
        self.net = nn.Linear(6, 2)

    def __call__(self, x: Tensor) -> Tensor:
        return masked_through_data(self.net(x)).sum()


def test_what_a_function_holds_is_differentiated() -> None:
    model, target, scale = nn.Linear(6, 2), torch.ones(1, 2), torch.ones(2, requires_grad=True)
    before, dtype = model.weight.detach().clone(), model.weight.dtype
    result = gradsan.verify(lambda x: nn.functional.mse_loss(model(x) * scale, target), X.view(1, 6))
    assert result.is_true, result
    assert result.witness == "finite differences"
    assert set(result.names) == {"input 0", "model.weight", "model.bias", "scale"}
    assert (model.weight.dtype, target.dtype, scale.dtype) == (dtype, dtype, dtype)
    assert torch.equal(model.weight, before)
    assert gradsan.verify(model.forward, X.view(1, 6)).names == ("input 0", "weight", "bias")
    partial = functools.partial(nn.functional.linear, weight=model.weight)
    assert gradsan.verify(partial, X.view(1, 6)).names == ("input 0", "weight")
    assert gradsan.verify(Held(), X.view(2, 3).repeat(1, 2)).relative_errors["net.weight"] > 0.1


def test_what_the_function_raises_itself_is_raised() -> None:
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        gradsan.verify(lambda x: x.view(2, 3) @ x.view(2, 3), X)
    with pytest.raises(KeyError):
        gradsan.verify(lambda x: {}["x"], X)


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
