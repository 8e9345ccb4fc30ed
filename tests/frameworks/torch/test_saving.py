"""Saved-tensor hooks of ours beside what a program does with hooks, modes and custom functions of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402
from torch.autograd.graph import saved_tensors_hooks  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import gradsan  # noqa: E402


@contextlib.contextmanager
def audit() -> Iterator[None]:
    with gradsan.audit() as session:
        yield
    assert session.not_covered == ()


@contextlib.contextmanager
def protect() -> Iterator[None]:
    with gradsan.protect():
        yield


class Log(TorchDispatchMode):
    """Notes the operations that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(func.__name__)
        return func(*args, **(kwargs or {}))


class DoublesInPlace(torch.autograd.Function):
    """Writes its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * 2


def leaf() -> Tensor:
    return torch.arange(1.0, 5.0, requires_grad=True)


def add_one(x: Tensor) -> Tensor:
    return x.add_(1)


def same(x: Tensor) -> Tensor:
    return x


def writes_when_packed() -> Any:
    with saved_tensors_hooks(add_one, same):
        return leaf().exp()


def register(*pairs: tuple[Any, ...]) -> None:
    result = leaf().exp()  # a saved tensor is gone with its graph
    for pair in pairs:
        result.grad_fn._raw_saved_result.register_hooks(*pair)


def writes_when_registered() -> Any:
    register((add_one, same))


def one_hook_only() -> Any:
    register((same,))


def no_hook_at_all() -> Any:
    register((1, 2))


def registered_twice() -> Any:
    register((same, same), (same, same))


def error_of(program: Callable[[], Any]) -> tuple[type, str]:
    with pytest.raises((RuntimeError, TypeError)) as caught:
        program()
    return caught.type, str(caught.value).partition("Invoked with")[0]


@pytest.mark.parametrize("under", [audit, protect])
@pytest.mark.parametrize(
    "program", [writes_when_packed, writes_when_registered, one_hook_only, no_hook_at_all, registered_twice]
)
def test_hooks_that_the_engine_refuses_are_refused(
    program: Callable[[], Any], under: Callable[[], contextlib.AbstractContextManager[None]]
) -> None:
    without = error_of(program)
    with under():
        assert error_of(program) == without


def two_leaves_in_one() -> Tensor:
    two_tensor = pytest.importorskip("torch.testing._internal.two_tensor")
    return two_tensor.TwoTensor(torch.arange(1.0, 4.0), torch.ones(3)).requires_grad_()


@pytest.mark.parametrize("make", [leaf, two_leaves_in_one])
def test_a_mode_of_the_program_sees_no_operation_of_ours_in_a_checkpointed_region(make: Callable[[], Tensor]) -> None:
    def seen() -> list[str]:
        log = Log()
        x = make()
        loss = checkpoint(lambda x: (x.exp() * x).sum(), x, use_reentrant=False, context_fn=lambda: (log, log))
        loss.backward()
        return log.seen

    without = seen()
    with audit():
        assert seen() == without


@pytest.mark.parametrize("under", [audit, protect])
def test_a_mode_of_the_program_sees_no_operation_of_ours_in_a_forward(
    under: Callable[[], contextlib.AbstractContextManager[None]],
) -> None:
    def seen() -> list[str]:
        x = leaf()
        with Log() as log:
            (x.exp() * x).relu().sum()
        return log.seen

    without = seen()
    with under():
        assert seen() == without


def test_a_custom_function_that_writes_a_view_is_followed() -> None:
    with audit():
        x = leaf()
        base = x.clone()
        DoublesInPlace.apply(base[:2])
        base.sum().backward()
        assert x.grad.tolist() == [2.0, 2.0, 1.0, 1.0]
