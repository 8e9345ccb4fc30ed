"""What a program calls its networks, where the path of a parameter alone may be of any of them."""

from __future__ import annotations

import sys
import weakref

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import gradsan  # noqa: E402
from gradsan.frameworks.torch import modules  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def no_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test ask for the living modules anew."""
    monkeypatch.setattr(modules, "_tree", None)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.last = nn.Linear(2, 3), nn.Linear(3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.hidden(x).tanh())


def step_too_soon(loss: torch.Tensor, parameters: list[torch.Tensor]) -> None:
    loss.backward(retain_graph=True)
    torch.optim.SGD(parameters, lr=0.1).step()
    with pytest.raises(RuntimeError):
        loss.backward()


class Trainer:
    def __init__(self) -> None:
        self.actor, self.critic = Net(), Net()

    def step(self, x: torch.Tensor) -> None:
        step_too_soon(self.critic(x).sum(), list(self.critic.parameters()))


def of_a_variable(x: torch.Tensor) -> None:
    critic = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    step_too_soon(critic(x).sum(), list(critic.parameters()))


def of_a_dict(x: torch.Tensor) -> None:
    models = {"judge": nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))}
    step_too_soon(models["judge"](x).sum(), list(models["judge"].parameters()))


def of_an_attribute(x: torch.Tensor) -> None:
    Trainer().step(x)


def of_one_network(x: torch.Tensor) -> None:
    net = Net()
    step_too_soon(net(x).sum(), list(net.parameters()))


@pytest.mark.parametrize(
    ("run", "name"),
    [
        pytest.param(
            of_a_variable,
            "critic.2.weight",
            marks=pytest.mark.skipif(sys.version_info < (3, 13), reason="before, the locals of a frame are not read"),
        ),
        (of_a_dict, "judge.2.weight"),
        (of_an_attribute, "critic.last.weight"),
        (of_one_network, "last.weight"),
    ],
)
def test_a_parameter_is_named_so_that_it_can_be_found(run, name: str) -> None:
    with gradsan.watch() as watch:
        run(torch.ones(1, 2, requires_grad=True))
    assert watch.findings[0].message.split("`")[1] == name


def test_a_variable_of_a_caller_is_held_no_longer_than_it_would_be() -> None:
    def made() -> torch.Tensor:
        nets.append(nn.Sequential(nn.Linear(2, 3)))
        y = torch.ones(3, requires_grad=True).exp()
        y.add_(1)
        with pytest.raises(RuntimeError):
            y.sum().backward()
        return y

    nets: list[nn.Module] = []
    with gradsan.watch():
        y = made()
        reference = weakref.ref(y)
        del y
        assert reference() is None
