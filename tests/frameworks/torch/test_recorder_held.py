"""A write is logged where something still holds what it overwrites, and only there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import gradsan  # noqa: E402
from gradsan import frameworks  # noqa: E402
from gradsan.frameworks.torch.graph import has_node, number_of  # noqa: E402

pytestmark = pytest.mark.torch


LINEAR = nn.Linear(3, 3)


def linear() -> Tensor:
    return LINEAR(torch.ones(2, 3))


def n_logged(write: Callable[[], object]) -> int:
    """Count the writes that reach the log; what the write returns is kept alive meanwhile."""
    log: Any = frameworks.load("torch")._recorder.writes  # type: ignore[attr-defined]
    with gradsan.watch():
        before = len(log.pending)
        kept = write()
        n_after = len(log.pending)
    del kept
    return n_after - before


def after(use: Callable[[Tensor], object], make: Callable[[], Tensor] = linear) -> Callable[[], object]:
    def write() -> object:
        h = make()
        kept = use(h)
        h.add_(1)
        return h, kept

    return write


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 2 * x * grad


HELD: dict[str, Callable[[], object]] = {
    "as a saved input": after(lambda h: h * h),
    "as a saved input of one argument": after(torch.sin),
    "as a saved result": after(lambda h: None, lambda: linear().exp()),
    "by a view": after(lambda h: h[0]),
    "by a saved view": after(lambda h: h.view(-1).square()),
    "by a detached alias": after(Tensor.detach),
    "by its data": after(lambda h: h.data),
    "by a custom Function": after(Square.apply),
}


@pytest.mark.parametrize("write", HELD.values(), ids=HELD)
def test_what_is_held_is_logged(write: Callable[[], object]) -> None:
    assert n_logged(write) == 1


@pytest.mark.parametrize(
    "use",
    [lambda h: None, lambda h: h + 1, lambda h: h.sum(), lambda h: h.requires_grad, lambda h: h.grad_fn],
)
def test_what_nothing_holds_is_not(use: Callable[[Tensor], object]) -> None:
    assert n_logged(after(use)) == 0


def test_activations_of_a_network_are_not() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), nn.BatchNorm1d(3), nn.SiLU(inplace=True))
    assert n_logged(lambda: net(torch.ones(4, 3))) == 0


def test_a_second_activation_overwrites_the_first() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), nn.Sigmoid(), nn.ReLU(inplace=True))
    assert n_logged(lambda: net(torch.ones(4, 3))) == 1


def off_the_tape(write: Callable[[Tensor], object], make: Callable[[], Tensor]) -> Callable[[], object]:
    def run() -> object:
        h = make()
        with torch.no_grad():
            write(h)
        return h

    return run


def test_writes_off_the_tape_to_what_has_history_are_logged() -> None:
    assert n_logged(off_the_tape(lambda h: h.add_(1), linear)) == 1


@pytest.mark.parametrize("make", [lambda: torch.ones(3), lambda: nn.Parameter(torch.ones(3))], ids=["plain", "leaf"])
def test_averages_that_no_graph_holds_are_not(make: Callable[[], Tensor]) -> None:
    assert n_logged(off_the_tape(lambda h: h.mul_(0.9).add_(1, alpha=0.1), make)) == 0
    assert n_logged(off_the_tape(lambda h: h.copy_(torch.ones(3)), make)) == 1


def test_a_leaf_off_the_tape_that_a_graph_holds_is_logged() -> None:
    def write() -> object:
        leaf = nn.Parameter(torch.ones(3))
        loss = leaf.exp().sum()
        with torch.no_grad():
            leaf.sub_(1)
        return leaf, loss

    assert n_logged(write) == 1


def test_once_hooks_keep_tensors_every_write_is_logged() -> None:
    def write() -> object:
        with torch.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x):
            pass
        return after(lambda h: None)()

    assert n_logged(write) == 1


def test_once_a_region_is_checkpointed_every_write_is_logged() -> None:
    def write() -> object:
        h = linear()
        y = checkpoint(torch.sin, h, use_reentrant=False)
        return y, after(lambda h: None)()

    assert n_logged(write) == 1


def test_what_a_keeper_looks_at_is_logged() -> None:
    with gradsan.audit():
        assert n_logged(after(lambda h: None)) == 1


def test_a_view_that_refuses_to_tell_whether_it_has_history() -> None:
    base = torch.zeros(4)
    with torch.no_grad():
        view = base[:2]
    base += torch.ones(4, requires_grad=True)
    with pytest.raises(RuntimeError):
        bool(view.is_leaf)
    assert has_node(view)
    assert number_of(view) >= 0
