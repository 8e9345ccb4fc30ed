"""The audit names the line of writes that nothing else sees, and leaves the program as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import count
from linecache import getline
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import gradsan  # noqa: E402
from gradsan.model.diagnostic import Role  # noqa: E402
from gradsan.record.line_watch import LINES_IN_VAIN  # noqa: E402


def stale_text(program: Callable[[], Tensor]) -> str:
    with pytest.raises(RuntimeError) as caught:
        program().backward()
    return str(caught.value)


def result_overwritten() -> Tensor:
    y = torch.ones(3, requires_grad=True).exp()
    y.add_(1)
    return y.sum()


def input_overwritten() -> Tensor:
    h = torch.ones(3, requires_grad=True) * 2
    y = h * h
    h.add_(1)
    return y.sum()


def second_result_overwritten() -> Tensor:
    deviation, _ = torch.std_mean(torch.rand(4, 3, requires_grad=True) * 2, dim=0)
    deviation.add_(1)
    return deviation.sum()


def base_of_saved_view_overwritten() -> Tensor:
    b = torch.rand(4, 3, requires_grad=True) * 2
    y = b[0].sigmoid() * b[0]
    b.add_(1)
    return y.sum()


def constant_overwritten() -> Tensor:
    w = torch.ones(3)
    y = (torch.ones(3, requires_grad=True) * w).sum()
    w.add_(1)
    return y


def weight_overwritten() -> Tensor:
    layer = nn.Linear(3, 3)
    y = layer(torch.ones(2, 3, requires_grad=True))
    with torch.no_grad():
        layer.weight.add_(1)
    return y.sum()


@pytest.mark.parametrize(
    "program",
    [
        result_overwritten,
        input_overwritten,
        second_result_overwritten,
        base_of_saved_view_overwritten,
        constant_overwritten,
        weight_overwritten,
    ],
)
def test_errors_are_the_engines_own(program: Callable[[], Tensor]) -> None:
    bare = stale_text(program)
    with gradsan.audit():
        assert stale_text(program) == bare
    with torch.autograd.set_detect_anomaly(True), pytest.warns(UserWarning, match="Error detected in"):
        anomalous = stale_text(program)
    with torch.autograd.set_detect_anomaly(True), gradsan.audit(), pytest.warns(UserWarning, match="Error detected in"):
        assert stale_text(program) == anomalous


def train(make: Callable[[], nn.Module], shape: tuple[int, ...], *, fused: bool = False) -> list[float]:
    torch.manual_seed(0)
    model = make()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=fused)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = model(torch.randn(shape)).pow(2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


class Recomputed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self.block, x, use_reentrant=False)  # type: ignore[no-any-return]


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)), (2, 3, 8, 8)),
        (lambda: nn.TransformerEncoderLayer(6, 2, 8, batch_first=True), (2, 5, 6)),
        (Recomputed, (3, 6)),
    ],
)
def test_honest_training_is_quiet_and_unchanged(make: Any, shape: tuple[int, ...], fused: bool) -> None:
    bare = train(make, shape, fused=fused)
    for is_full in (False, True):
        with gradsan.audit(full=is_full) as session:
            assert train(make, shape, fused=fused) == bare
        assert session.findings == ()
        assert session.not_covered == ()


def test_large_tensors_are_read_by_sample_or_wholly() -> None:
    def overwrite_one_element() -> None:
        w = torch.ones(1000, 1000)
        loss = (torch.ones(1000, 1000, requires_grad=True) * w).sum()
        w.numpy()[777, 333] = 0.0
        loss.backward()

    with gradsan.audit() as sampled:
        overwrite_one_element()
    with gradsan.audit(full=True) as full:
        overwrite_one_element()
    assert sampled.findings == ()
    assert [finding.code for finding in full.findings] == ["GS350"]


def test_hooks_of_the_program_run_as_before() -> None:
    calls: list[str] = []

    def pack(tensor: Tensor) -> Tensor:
        calls.append("pack")
        return tensor * 2

    def unpack(tensor: Tensor) -> Tensor:
        calls.append("unpack")
        return tensor / 2

    x = torch.ones(3, requires_grad=True)
    with gradsan.audit() as session, torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        (x * x).sum().backward()
    assert calls == ["pack", "pack", "unpack", "unpack"]
    assert session.findings == ()
    assert torch.equal(x.grad, torch.full((3,), 2.0))


class Rounded(torch.autograd.Function):
    """Returns a value and a mask that has no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        inside = x.abs() < 2
        ctx.save_for_backward(x, inside)
        ctx.mark_non_differentiable(inside)
        return x.round(), inside

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> Tensor:
        return gradient * ctx.saved_tensors[1]


def test_results_of_custom_functions_may_have_no_node() -> None:
    x = torch.linspace(-3, 3, 5, requires_grad=True)
    with gradsan.audit() as session:
        with torch.no_grad():
            Rounded.apply(x)
        rounded, _ = Rounded.apply(x)
        rounded.sum().backward()
    assert (session.findings, session.not_covered) == ((), ())
    assert torch.equal(x.grad, torch.tensor([0.0, 1, 1, 1, 0]))


def test_lines_are_known_although_the_watch_began_inside_a_module_of_the_framework() -> None:
    array = torch.ones(3, 3).numpy()

    class Exponent(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.exp()

    model = nn.Sequential(nn.Linear(3, 3), Exponent())
    with gradsan.audit() as session:
        model[0].weight.data = torch.from_numpy(array)
        loss = model(torch.ones(1, 3, requires_grad=True)).sum()
        array[0] = 5.0
        loss.backward()
        result = model(torch.ones(1, 3))
        result.add_(1)
        with pytest.raises(RuntimeError):
            result.sum().backward()
    written, refused = session.findings
    assert written.code == "GS350"
    assert "array[0] = 5.0" in getline(__file__, written.labels[1].span.line)
    assert [label.span.line for label in refused.labels if label.role.value == "save"] == [
        Exponent.forward.__code__.co_firstlineno + 1
    ]
    assert session.not_covered == ()


class Doubled(torch.autograd.Function):
    returned: int = 0

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Any:
        return 2 * x + y

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        gradient = 2 * gradients[0]
        Doubled.returned = gradient.data_ptr()
        return gradient, None


def test_gradients_of_custom_functions_are_taken_as_they_are() -> None:
    with gradsan.audit():
        leaf = torch.ones(3, requires_grad=True)
        Doubled.apply(leaf, torch.ones(3)).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.data_ptr() == Doubled.returned  # a reference of ours would have made the engine copy it


class Writing(torch.autograd.Function):
    writes: bool = False

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Any:
        if Writing.writes:
            x.detach().numpy()[0] = next(numbers)
        return 2 * x

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return 2 * gradients[0]


numbers = count(5.0)


def test_a_function_that_writes_its_input_after_many_forwards_that_did_not() -> None:
    with gradsan.audit() as session:
        x = torch.ones(3, requires_grad=True)
        for _ in range(16):
            Writing.apply(x.exp())
        Writing.writes = True
        for _ in range(2):
            Writing.apply(x.exp())
        Writing.writes = False
    begins = Writing.forward.__code__.co_firstlineno
    lines = [label.span.line - begins for each in session.findings for label in each.labels_of(Role.WRITE)]
    assert lines == [0, 3]  # its beginning, then, watched again, the very line


def test_lines_are_followed_no_more_once_custom_functions_are_calm() -> None:
    def step() -> None:
        Doubled.apply(torch.ones(3, requires_grad=True), torch.ones(3)).sum().backward()
        for _ in range(LINES_IN_VAIN):
            pass

    before = sys.gettrace()
    sys.settrace(None)
    try:
        with gradsan.audit():
            bare = sys.gettrace()
            for _ in range(16):
                step()
            assert sys.gettrace() is bare
    finally:
        sys.settrace(before)
