"""The line clock rests in the framework's modules, and is there again wherever code of the program's runs."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

import gradsan  # noqa: E402
from gradsan.frameworks.torch.gates import module_gate  # noqa: E402

pytestmark = pytest.mark.torch


class Own(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x.exp()
        return y.view(3)


SAVED_IN_OWN = Own.forward.__code__.co_firstlineno + 1


def exponent(x: Tensor) -> Tensor:
    return x.exp()


SAVED_IN_FUNCTION = exponent.__code__.co_firstlineno + 1


def replaced() -> nn.Module:
    module = nn.Identity()
    module.forward = exponent  # type: ignore[method-assign, assignment]
    return module


def hooked() -> nn.Module:
    module = nn.Identity()
    module.register_forward_hook(lambda _module, _args, result: exponent(result))
    return module


def parametrized() -> nn.Module:
    module = nn.Bilinear(1, 1, 3, bias=False)

    class Exponent(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return exponent(weight)

    torch.nn.utils.parametrize.register_parametrization(module, "weight", Exponent())

    class Weight(nn.Module):
        def forward(self, _x: Tensor) -> Tensor:
            return module.weight.view(3)

    return Weight()


def saved_line(module: nn.Module) -> int:
    """Break the graph of a module, and return the line that is told to have saved."""
    with gradsan.watch() as session:
        result = module(torch.ones(3, requires_grad=True))
        result.add_(1)
        with pytest.raises(RuntimeError):
            result.sum().backward()
    [finding] = session.findings
    return next(label.span.line for label in finding.labels if label.role.value == "save")


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (Own, SAVED_IN_OWN),
        (replaced, SAVED_IN_FUNCTION),
        (hooked, SAVED_IN_FUNCTION),
        (parametrized, SAVED_IN_FUNCTION),
    ],
)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_lines_below_modules_of_the_framework_are_known(make: Callable[[], nn.Module], line: int, depth: int) -> None:
    module = make()
    for _ in range(depth):
        module = nn.Sequential(nn.Identity(), module, nn.Identity())
    assert saved_line(module) == line


def test_a_module_that_raises_leaves_the_clock_running() -> None:
    with gradsan.watch() as session:
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            nn.Sequential(nn.Linear(2, 2))(torch.ones(3, 3))
        result = exponent(torch.ones(3, requires_grad=True))
        result.add_(1)
        with pytest.raises(RuntimeError):
            result.sum().backward()
    [finding] = session.findings
    assert SAVED_IN_FUNCTION in [label.span.line for label in finding.labels]
    assert session.not_covered == ()


def test_a_write_after_a_module_is_not_told_as_its() -> None:
    with gradsan.watch() as session:
        x = nn.ReLU()(torch.ones(3, requires_grad=True)).exp()
        nn.functional.relu(x, inplace=True)
        with pytest.raises(RuntimeError):
            x.sum().backward()
    [finding] = session.findings
    assert "`x`" in finding.message


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the clock of Python 3.12 needs no gates")
def test_a_tracer_of_the_programs_is_left_alone() -> None:
    seen: list[str] = []

    def trace(frame: Any, _event: str, _argument: object) -> None:
        seen.append(frame.f_code.co_name)

    class Tracing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            sys.settrace(trace)
            return exponent(x)

    with gradsan.watch():
        nn.Sequential(nn.Identity(), Tracing())(torch.ones(3))
        installed = sys.gettrace()
        sys.settrace(None)
    assert installed is trace
    assert "exponent" in seen


def test_modules_are_called_as_before_when_nothing_listens() -> None:
    before = nn.Module.__call__
    with gradsan.watch():
        pass
    assert nn.Module.__call__ is before
    assert module_gate.__name__ not in repr(nn.Module.__call__)


def spoil(_module: nn.Module, args: tuple[Tensor]) -> None:
    args[0].add_(1)


class Squashing:
    def __call__(self, x: Tensor) -> Tensor:
        return exponent(x)


@pytest.mark.parametrize("activation", [lambda x: exponent(x), functools.partial(exponent), Squashing()])
def test_lines_of_functions_given_to_modules_are_known(activation: Callable[[Tensor], Tensor]) -> None:
    layer = nn.TransformerEncoderLayer(2, 1, 3, dropout=0.0, activation=activation)
    layer.linear2.register_forward_pre_hook(spoil)
    with gradsan.watch() as session:
        result = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)(torch.ones(1, 1, 2))
        with pytest.raises(RuntimeError):
            result.sum().backward()
    [finding] = session.findings
    assert SAVED_IN_FUNCTION in [label.span.line for label in finding.labels if label.role.value == "save"]


class Doubling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return 2 * x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return exponent(gradient).clamp_(0, 1)


def test_lines_that_run_during_a_backward_are_known() -> None:
    with gradsan.watch() as session:
        x = torch.ones(3, requires_grad=True)
        weight = torch.ones(3, requires_grad=True)
        y = Doubling.apply(x)
        y.backward(weight.sin(), create_graph=True)
        assert x.grad is not None
        with pytest.raises(RuntimeError):
            x.grad.sum().backward()
    [finding] = session.findings
    assert SAVED_IN_FUNCTION in [label.span.line for label in finding.labels if label.role.value == "save"]


def test_lines_of_a_closure_that_an_optimizer_calls_are_known() -> None:
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.LBFGS([weight])

    def closure() -> Tensor:
        optimizer.zero_grad()
        result = exponent(weight)
        result.add_(1)
        loss = result.sum()
        loss.backward()
        return loss

    with gradsan.watch() as session, pytest.raises(RuntimeError):
        optimizer.step(closure)
    [finding] = session.findings
    assert SAVED_IN_FUNCTION in [label.span.line for label in finding.labels if label.role.value == "save"]


@pytest.mark.parametrize("method", ["step", "zero_grad"])
def test_an_optimizer_that_raises_leaves_the_clock_running(method: str) -> None:
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight])
    weight.grad = torch.ones(3)
    optimizer.param_groups[0]["lr"] = optimizer.param_groups[0]["params"] = object()
    with gradsan.watch() as session:
        with pytest.raises(TypeError):
            getattr(optimizer, method)()
        result = exponent(torch.ones(3, requires_grad=True))
        result.add_(1)
        with pytest.raises(RuntimeError):
            result.sum().backward()
    [finding] = session.findings
    assert SAVED_IN_FUNCTION in [label.span.line for label in finding.labels]


@pytest.mark.parametrize("name", ["clip_grad_norm_", "clip_grad_value_"])
def test_the_clock_rests_while_gradients_are_clipped(name: str) -> None:
    layer = nn.Linear(2, 2)
    layer(torch.ones(1, 2)).sum().backward()
    while_clipping: list[object] = []

    def parameters() -> Iterator[nn.Parameter]:
        while_clipping.append(sys.gettrace())
        yield from layer.parameters()

    with gradsan.watch() as session:
        before = sys.gettrace()
        getattr(nn.utils, name)(parameters(), 1e-3)
        assert sys.gettrace() is before
        with pytest.raises(TypeError):
            getattr(nn.utils, name)(parameters(), None, 1)
        assert sys.gettrace() is before
    assert while_clipping[0] is None
    assert session.not_covered == ()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().max() <= 1e-3
