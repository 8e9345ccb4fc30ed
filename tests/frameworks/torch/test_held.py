"""What nodes hold, as an engine shows it and as it is had from one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

import gradsan
from gradsan.frameworks.torch import held
from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.held import held_by, is_freed, tensor_in
from gradsan.model.diagnostic import Role

SHOWS_DATA = hasattr(torch._C._autograd.SavedTensor, "data")


@pytest.fixture(params=[True, False], ids=["shown", "unpacked"], autouse=True)
def patches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patches]:
    """See NOTE [Before SavedTensor.data]: an engine that shows what it holds can be asked in the old way too."""
    if request.param and not SHOWS_DATA:
        pytest.skip("this engine does not show what it holds")
    monkeypatch.setattr(held, "_SHOWS_DATA", request.param)
    patches = Patches()
    held.wrap(patches)
    yield patches
    patches.restore()


class Two(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(*tensors)
        return sum(tensors) * 1

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        return tuple(grad * each for each in ctx.saved_tensors)


def leaf() -> torch.Tensor:
    return torch.ones(3, requires_grad=True)


def tensors_of(node: Any) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for attribute, entry in held_by(node):
        tensor, _ = tensor_in(entry)
        found.setdefault(attribute, []).append(0 if tensor is None else tensor.data_ptr())
    return found


@pytest.mark.parametrize("is_overwritten", [False, True])
def test_a_result(is_overwritten: bool) -> None:
    y = leaf().exp()
    if is_overwritten:
        y.detach().add_(1)
    for _ in range(2):
        assert tensors_of(y.grad_fn) == {"_saved_result": [y.data_ptr()]}
    if not is_overwritten:
        y.sum().backward()
        return
    for version in (1, 2):
        with pytest.raises(RuntimeError, match=f"output 0 of Exp.* is at version {version}; expected version 0"):
            y.sum().backward(retain_graph=True)
        y.detach().add_(1)


@pytest.mark.parametrize("overwritten", [(), (0,), (1,), (0, 2), (0, 1, 2)])
def test_the_tensors_of_a_function(overwritten: tuple[int, ...]) -> None:
    inputs = [leaf() * n for n in range(1, 4)]
    y = Two.apply(*inputs)
    for at in overwritten:
        with torch.no_grad():
            inputs[at].add_(at + 1)
            inputs[at].add_(1)
    for _ in range(2):
        assert tensors_of(y.grad_fn) == {"saved_tensors": [each.data_ptr() for each in inputs]}
    if overwritten:
        with pytest.raises(RuntimeError, match="is at version 2; expected version 0"):
            y.sum().backward()
    else:
        y.sum().backward()


def test_hooks_are_not_run(patches: Patches) -> None:
    unpacked = []

    def unpack(packed: tuple[str, torch.Tensor]) -> torch.Tensor:
        unpacked.append(packed)
        return packed[1]

    x = leaf()
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: ("packed", tensor), unpack):
        y = (x * 2).exp()
    [(attribute, (data, is_hooked))] = held_by(y.grad_fn)
    assert (attribute, data[0], is_hooked, unpacked) == ("_saved_result", "packed", True, [])  # type: ignore[index]
    y.sum().backward()
    assert len(unpacked) == 1
    assert torch.equal(x.grad, 2 * y)  # type: ignore[arg-type]


def test_what_was_freed() -> None:
    y = leaf().exp()
    assert not is_freed(y.grad_fn)
    y.sum().backward()
    assert is_freed(y.grad_fn)
    assert list(held_by(y.grad_fn)) in ([], [("_saved_result", (None, False))])


def test_a_write_to_what_only_the_graph_holds() -> None:
    with gradsan.watch() as session:
        y = torch.nn.Linear(3, 3)(torch.ones(2, 3))
        loss = y.pow(2).sum()
        y /= 2
        del y
        with pytest.raises(RuntimeError):
            loss.backward()
    assert [label.role for label in session.findings[0].labels][:2] == [Role.SAVE, Role.WRITE]
