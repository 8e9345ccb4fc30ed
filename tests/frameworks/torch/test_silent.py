"""What the order of events proves about silent corruption, and what it leaves alone."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import gradsan
from gradsan.surfaces.library import WatchSession

FUSED = functools.partial(torch.optim.SGD, lr=0.1, fused=True)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[WatchSession]:
    # One watch for all: to start one takes longer than any of these programs.
    with gradsan.watch() as session:
        yield session


def codes_of(program: Callable[[], None], session: WatchSession) -> list[str]:
    before = len(session.findings)
    program()
    assert not session.not_covered
    return [finding.code for finding in session.findings[before:]]


def leaf(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, requires_grad=True)


# Programs whose gradient is wrong, by the code that says so.


def assigned_data() -> None:
    weight, x = nn.Parameter(torch.ones(3)), leaf(3)
    loss = (x * weight).sum()
    weight.data = weight.data * 2
    loss.backward()


def item_through_data() -> None:
    x = leaf(4)
    y = x.exp()
    y.data[1:3] = 0
    y[:2].sum().backward()


def fused_step_in_a_hook() -> None:
    layer, x = nn.Linear(3, 3, bias=False), leaf(2, 3)
    optimizer = FUSED(layer.parameters())
    layer.weight.register_post_accumulate_grad_hook(lambda _: optimizer.step())
    stopped = nn.functional.linear(x.tanh(), layer.weight.detach())
    (stopped.pow(2).sum() + layer(x.detach()).tanh().sum()).backward()


def shared_gradient_scaled(grad: torch.Tensor) -> None:
    grad.mul_(0.5)


def hook_scales_for_others() -> None:
    x, y = leaf(3), leaf(3)
    left, right = x.exp(), y.exp()
    right.register_hook(shared_gradient_scaled)
    (left + right).pow(2).sum().backward()


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        return grads[0].mul_(2)


def backward_scales_for_others() -> None:
    x, y = leaf(3), leaf(3)
    left = x.exp()
    (left + Doubled.apply(y)).pow(2).sum().backward()


def flat_buffer() -> None:
    flat = torch.ones(6)
    weight, other = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(3))
    weight.data, other.data = flat[:3], flat[3:]
    loss = (leaf(3) * weight).sum() + other.sum()
    flat.mul_(2)
    loss.backward()


def storage_filled() -> None:
    x = leaf(3)
    y = x.sigmoid()
    y.untyped_storage().fill_(0)
    y.sum().backward()


def bits_through_data() -> None:
    x = leaf(3)
    y = x.exp()
    y.data.view(torch.int32).bitwise_and_(0)
    y.sum().backward()


def fused_step() -> None:
    layer = nn.Linear(3, 2)
    optimizer = FUSED(layer.parameters())
    x = leaf(4, 3)
    out = layer(x)
    out.sum().backward(retain_graph=True)
    optimizer.step()
    out.pow(2).sum().backward()


class OwnOptimizer(torch.optim.Optimizer):
    def __init__(self, params: object) -> None:
        super().__init__(params, {})  # type: ignore[arg-type]

    def step(self, closure: object = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.data.add_(parameter.grad, alpha=-0.1)


def own_optimizer_through_data() -> None:
    layer = nn.Linear(3, 2)
    optimizer = OwnOptimizer(layer.parameters())
    x = leaf(4, 3)
    out = layer(x)
    out.sum().backward(retain_graph=True)
    optimizer.step()
    out.pow(2).sum().backward()


def rows_zeroed() -> None:
    h = leaf(4, 3) * 2
    with torch.no_grad():
        h[1] = 0
    h.sum().backward()


def rows_zeroed_through_a_view_of_the_base() -> None:
    h = leaf(4, 3) * 2
    row = h[1]
    with torch.no_grad():
        row.zero_()
    h.sum().backward()


def detached_after_an_inplace_step() -> None:
    h = leaf(4, 3) * 2
    alias = h.detach()
    h.add_(1)
    alias.mul_(3)
    h.sum().backward()


def data_replaced_by_other_values() -> None:
    h = leaf(3) * 2
    h.data = torch.zeros(3)
    h.sum().backward()


def loss_scaled_through_data() -> None:
    loss = leaf(3).sum()
    loss.data.mul_(0.5)
    loss.backward()


class Hyper(nn.Module):
    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.scale, self.layer = way, nn.Parameter(torch.ones(())), nn.Linear(2, 2, bias=False)
        self.base = torch.ones(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.base * self.scale
        if self.way == "copy":
            self.layer.weight.data.copy_(weight)
        elif self.way == "assign":
            self.layer.weight.data = weight
        elif self.way == "no_grad":
            with torch.no_grad():
                self.layer.weight.copy_(weight)
        else:
            self.layer.weight = nn.Parameter(weight)
        return self.layer(x)


def hyper(way: str) -> None:
    Hyper(way)(torch.ones(1, 2)).sum().backward()


def batch_norm_modes_mixed() -> None:
    norm, x = nn.BatchNorm1d(3), leaf(4, 3)
    loss = norm.eval()(x).pow(2).sum()
    norm.train()(torch.randn(4, 3) * 5)
    loss.backward()


def reentrant_step_before_recompute() -> None:
    block, x = nn.Linear(3, 3, bias=False), leaf(2, 3)
    optimizer = torch.optim.SGD(block.parameters(), lr=0.1)
    loss = checkpoint(lambda inputs: block(inputs).tanh(), x, use_reentrant=True).sum()
    block(x).sum().backward()
    optimizer.step()
    loss.backward()


def step_before_recompute() -> None:
    block = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Tanh(), nn.Linear(3, 3, bias=False))
    optimizer = torch.optim.SGD(block.parameters(), lr=0.1)
    x = leaf(2, 3)
    loss = checkpoint(lambda inputs: block(inputs), x, use_reentrant=False).sum()
    block(x).sum().backward()
    optimizer.step()
    loss.backward()


def mask_before_recompute() -> None:
    mask = torch.ones(3)
    loss = checkpoint(lambda x: (x * mask).exp(), leaf(3), use_reentrant=False).sum()
    mask.zero_()
    loss.backward()


def updated_by_hand_before_recompute() -> None:
    weight = nn.Parameter(torch.ones(3))
    loss = checkpoint(lambda x: (x * weight).exp(), leaf(3), use_reentrant=False).sum()
    with torch.no_grad():
        weight.mul_(2)
    loss.backward()


def overwritten_under_save_on_cpu() -> None:
    with torch.autograd.graph.save_on_cpu():
        h = leaf(3).sigmoid()
    h.mul_(2)
    h.sum().backward()


def overwritten_under_identity_hooks() -> None:
    with torch.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x):
        h = leaf(3).sigmoid()
        h.mul_(2)
    h.sum().backward()


WRONG: dict[str, tuple[Callable[[], None], str]] = {
    "assigned-data": (assigned_data, "GS301"),
    "item-through-data": (item_through_data, "GS301"),
    "fused-step-in-a-hook": (fused_step_in_a_hook, "GS302"),
    "hook-scales-for-others": (hook_scales_for_others, "GS353"),
    "backward-scales-for-others": (backward_scales_for_others, "GS353"),
    "flat-buffer": (flat_buffer, "GS301"),
    "storage-filled": (storage_filled, "GS301"),
    "bits-through-data": (bits_through_data, "GS301"),
    "fused-step": (fused_step, "GS302"),
    "own-optimizer": (own_optimizer_through_data, "GS302"),
    "rows-zeroed": (rows_zeroed, "GS303"),
    "rows-zeroed-through-view": (rows_zeroed_through_a_view_of_the_base, "GS303"),
    "detached-after-inplace": (detached_after_an_inplace_step, "GS303"),
    "data-replaced": (data_replaced_by_other_values, "GS303"),
    "loss-scaled": (loss_scaled_through_data, "GS303"),
    "hyper-copy": (functools.partial(hyper, "copy"), "GS304"),
    "hyper-assign": (functools.partial(hyper, "assign"), "GS304"),
    "hyper-no-grad": (functools.partial(hyper, "no_grad"), "GS304"),
    "hyper-parameter": (functools.partial(hyper, "parameter"), "GS305"),
    "batch-norm-modes": (batch_norm_modes_mixed, "GS306"),
    "recompute": (step_before_recompute, "GS401"),
    "recompute-reentrant": (reentrant_step_before_recompute, "GS401"),
    "recompute-mask": (mask_before_recompute, "GS401"),
    "recompute-by-hand": (updated_by_hand_before_recompute, "GS401"),
    "save-on-cpu": (overwritten_under_save_on_cpu, "GS402"),
    "identity-hooks": (overwritten_under_identity_hooks, "GS402"),
}


@pytest.mark.parametrize(("program", "code"), WRONG.values(), ids=WRONG.keys())
def test_wrong_gradient_is_found(program: Callable[[], None], code: str, session: WatchSession) -> None:
    assert codes_of(program, session) == [code]


# Their honest twins.


def swapped_and_restored() -> None:
    weight, x = nn.Parameter(torch.ones(3)), leaf(3)
    loss = (x * weight).sum()
    backup, weight.data = weight.data, torch.zeros(3)
    with torch.no_grad():
        (x * weight).sum()
    weight.data = backup
    loss.backward()


def other_half_of_a_buffer() -> None:
    flat = torch.ones(6)
    weight = nn.Parameter(torch.zeros(3))
    weight.data = flat[:3]
    loss = (leaf(3) * weight).sum()
    flat[3:].mul_(2)
    loss.backward()


def disjoint_rows() -> None:
    h = leaf(4, 3) * 2
    with torch.no_grad():
        h[2:] = 0
    (h[:2].sum() + h[1].sum()).backward()


def added_off_the_tape() -> None:
    h = leaf(3) * 2
    h.data.add_(1)
    h.sum().backward()


def leaf_view_under_no_grad() -> None:
    table = nn.Parameter(torch.randn(4, 3))
    row = table[0]
    with torch.no_grad():
        row.zero_()
    (row * 2 + table[1]).sum().backward()


def loss_logged_through_an_alias() -> None:
    loss = leaf(3).sum()
    logged = loss.detach()
    logged /= 4
    loss.backward()


def written_after_its_last_use() -> None:
    x = leaf(3)
    h = x * 2
    loss = (h + 1).sum()
    h.data.zero_()
    loss.backward()


def codebook_follows_in_forward() -> None:
    class Codebook(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.ones(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = x * self.table
            self.table = nn.Parameter(self.table * 0.9 + x.mean() * 0.1)
            return y

    model, encoder = Codebook(), nn.Linear(3, 3)
    for _ in range(3):
        model(encoder(torch.ones(2, 3))).sum().backward()


def step_of_other_parameters() -> None:
    one, two = nn.Linear(3, 3), nn.Linear(3, 2)
    optimizer = FUSED([*one.parameters(), *two.parameters()])
    x = leaf(4, 3)
    out = two(x)
    one(torch.randn(4, 3)).sum().backward()
    optimizer.step()  # the second layer has no gradient yet and is left as it is
    out.pow(2).sum().backward()


def gradient_of_a_part() -> None:
    head, x = nn.Parameter(torch.ones(3)), leaf(3)
    h = x.tanh()
    out = h * 2
    loss = out.sum() + (x * head).sum()
    head.data.mul_(5)
    torch.autograd.grad(loss, h)


def function_that_clamps_before_it_saves() -> None:
    class Clamped(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):  # type: ignore[no-untyped-def]
            y = x.detach()
            y.data.clamp_(min=0)
            ctx.save_for_backward(y)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, grad):  # type: ignore[no-untyped-def]
            (y,) = ctx.saved_tensors
            return grad * (y > 0)

    Clamped.apply(leaf(3) * 1).sum().backward()


def train_mode_statistics_under_checkpoint() -> None:
    block = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    loss = checkpoint(block, leaf(4, 3), use_reentrant=False).sum()
    loss = loss + checkpoint(block, leaf(4, 3), use_reentrant=False).sum()
    loss.backward()


def hooks_and_a_write_before_the_save() -> None:
    with torch.autograd.graph.save_on_cpu():
        h = leaf(3) * 1
        h.mul_(2)
        h = h.sigmoid()
    h.sum().backward()


def reused_rows_under_hooks() -> None:
    cache = torch.zeros(4, 3)
    total = torch.zeros(())
    x = leaf(3)
    with torch.autograd.graph.save_on_cpu():
        for i in range(4):
            cache[i] = i
            total = total + (x * cache[i]).sum()
    total.backward()


def counted_write_is_left_to_the_engine() -> None:
    weight = nn.Parameter(torch.ones(3))
    assert weight.data is not None
    loss = (leaf(3) * weight).sum()
    with torch.no_grad():
        weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def hook_scales_its_own_gradient() -> None:
    x = leaf(3)
    y = x.exp()
    y.register_hook(shared_gradient_scaled)
    y.pow(2).sum().backward()


def backward_scales_its_own_gradient() -> None:
    Doubled.apply(leaf(3)).pow(2).sum().backward()


def hook_leaves_a_shared_gradient_as_it_is() -> None:
    x, y = leaf(3), leaf(3)
    left, right = x.exp(), y.exp()
    right.register_hook(lambda grad: grad.clamp_(-1e9, 1e9))
    (left + right).pow(2).sum().backward()


def clip_gradient(parameter: torch.Tensor) -> None:
    assert parameter.grad is not None
    parameter.grad.clamp_(-1, 1)


def gradient_clipped_when_accumulated() -> None:
    x = leaf(3)
    x.register_post_accumulate_grad_hook(clip_gradient)
    ((x * 2).sum() + x.exp().sum()).backward()


HONEST = (
    hook_scales_its_own_gradient,
    backward_scales_its_own_gradient,
    hook_leaves_a_shared_gradient_as_it_is,
    gradient_clipped_when_accumulated,
    *(swapped_and_restored, other_half_of_a_buffer, disjoint_rows, added_off_the_tape, leaf_view_under_no_grad),
    *(loss_logged_through_an_alias, written_after_its_last_use, codebook_follows_in_forward),
    *(step_of_other_parameters, gradient_of_a_part, function_that_clamps_before_it_saves),
    *(train_mode_statistics_under_checkpoint, hooks_and_a_write_before_the_save, reused_rows_under_hooks),
)


@pytest.mark.parametrize("program", HONEST, ids=lambda program: program.__name__)
def test_right_gradient_is_left_alone(program: Callable[[], None], session: WatchSession) -> None:
    assert codes_of(program, session) == []


def test_what_the_engine_raises_is_told_once(session: WatchSession) -> None:
    assert codes_of(counted_write_is_left_to_the_engine, session) == ["GS101"]


def test_strict_raises_before_the_backward() -> None:
    from gradsan.model.errors import SilentCorruption

    gradsan.enable(strict=True)
    try:
        weight, x = nn.Parameter(torch.ones(3)), leaf(3)
        loss = (x * weight).sum()
        weight.data.mul_(2)
        with pytest.raises(SilentCorruption) as caught:
            loss.backward()
        assert x.grad is None
        assert any("GS301" in note for note in getattr(caught.value, "__notes__", []))
    finally:
        gradsan.disable()


def test_strict_lets_honest_programs_run() -> None:
    gradsan.enable(strict=True)
    try:
        model, optimizer_type = nn.Linear(3, 1), torch.optim.AdamW
        twin = copy.deepcopy(model)
        optimizer = optimizer_type(model.parameters(), fused=True)
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.randn(4, 3)).sum().backward()
            optimizer.step()
            for mine, theirs in zip(twin.parameters(), model.parameters(), strict=True):
                mine.data.mul_(0.9).add_(theirs.data, alpha=0.1)
    finally:
        gradsan.disable()
