"""Training loops whose values are copied, averaged, masked and put back on purpose."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from .scripts import STEPS, outcome


@contextmanager
def averaged(model: nn.Module, average: nn.Module) -> Iterator[None]:
    """Let a model have the averaged weights for a while."""
    kept = [parameter.detach().clone() for parameter in model.parameters()]
    for own, other in zip(model.parameters(), average.parameters(), strict=True):
        own.data.copy_(other.data)
    try:
        yield
    finally:
        for own, before in zip(model.parameters(), kept, strict=True):
            own.data.copy_(before)


def averaged_between_forward_and_backward() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 2))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    losses = []
    for _ in range(STEPS):
        x = torch.randn(5, 4)
        loss = model(x).pow(2).mean()
        with averaged(model, average.module), torch.no_grad():
            losses.append(model(x).mean())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(model)
        losses.append(loss)
    return outcome(losses, model, average)


def averaged_with_statistics() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(inplace=True), nn.Linear(6, 2))
    average = AveragedModel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = model(torch.randn(5, 4)).pow(2).mean()
        loss.backward()
        optimizer.step()
        average.update_parameters(model)
        losses.append(loss)
    update_bn([torch.randn(5, 4) for _ in range(2)], average)
    return outcome(losses, model, average)


class Adapter(nn.Module):
    """A frozen layer with a low-rank update that can be merged and taken out again."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(6, 6)
        self.base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(2, 6) / 6)
        self.up = nn.Parameter(torch.zeros(6, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + x @ self.down.T @ self.up.T

    def merge(self, sign: float) -> None:
        self.base.weight.data += sign * (self.up @ self.down).detach()


def adapters_merged_for_generation() -> list[torch.Tensor]:
    model = nn.Sequential(Adapter(), nn.Tanh(), Adapter())
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], fused=True)
    losses = []
    for _ in range(STEPS):
        loss = model(torch.randn(5, 6)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for adapter in (model[0], model[2]):
            adapter.merge(1.0)
        with torch.no_grad():
            losses.append(model[0].base(torch.randn(2, 6)).sum())
        for adapter in (model[0], model[2]):
            adapter.merge(-1.0)
        losses.append(loss)
    return outcome(losses, model)


def critics_with_targets() -> list[torch.Tensor]:
    critic = nn.Sequential(nn.Linear(5, 8), nn.ReLU(inplace=True), nn.Linear(8, 1))
    target = copy.deepcopy(critic).requires_grad_(False)
    optimizer = torch.optim.Adam(critic.parameters(), foreach=True)
    losses = []
    for step in range(2 * STEPS):
        state, after, reward = torch.randn(6, 5), torch.randn(6, 5), torch.randn(6, 1)
        done = torch.rand(6, 1) < 0.2
        wanted = target(after)
        wanted[done] = 0.0
        loss = F.smooth_l1_loss(critic(state), reward + 0.9 * wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 2:
            target.load_state_dict(critic.state_dict())
        else:
            with torch.no_grad():
                torch._foreach_lerp_(list(target.parameters()), list(critic.parameters()), 0.05)
        losses.append(loss)
    return outcome(losses, critic, target)


def penalised_critic() -> list[torch.Tensor]:
    critic = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2, inplace=True), nn.Linear(8, 1))
    maker = nn.Linear(3, 4)
    for_critic = torch.optim.RMSprop(critic.parameters(), lr=1e-2)
    for_maker = torch.optim.RMSprop(maker.parameters(), lr=1e-2)
    losses = []
    for _ in range(STEPS):
        real, fake = torch.randn(6, 4), maker(torch.randn(6, 3)).detach()
        mixed = torch.lerp(real, fake, torch.rand(6, 1)).requires_grad_()
        (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
        loss = critic(fake).mean() - critic(real).mean() + 10 * (slope.norm(dim=1) - 1).pow(2).mean()
        for_critic.zero_grad()
        loss.backward()
        for_critic.step()
        for parameter in critic.parameters():
            parameter.data.clamp_(-0.5, 0.5)
        made = -critic(maker(torch.randn(6, 3))).mean()
        for_maker.zero_grad()
        made.backward()
        for_maker.step()
        losses += [loss, made]
    return outcome(losses, critic, maker)


def first_order_meta_learning() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(STEPS):
        before = copy.deepcopy(model.state_dict())
        for _ in range(2):
            x = torch.randn(4, 3)
            loss = F.mse_loss(model(x), x.sum(1, keepdim=True))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss)
        after = model.state_dict()
        model.load_state_dict({name: before[name] + 0.5 * (after[name] - before[name]) for name in before})
    return outcome(losses, model)


def adapted_copies() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1))
    optimizer = torch.optim.Adam(model.parameters())
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        for _ in range(2):
            fast = copy.deepcopy(model)
            x = torch.randn(4, 3)
            inner = F.mse_loss(fast(x), x.sum(1, keepdim=True))
            grads = torch.autograd.grad(inner, list(fast.parameters()))
            with torch.no_grad():
                for parameter, grad in zip(fast.parameters(), grads, strict=True):
                    parameter -= 0.1 * grad
            outer = F.mse_loss(fast(x), x.sum(1, keepdim=True))
            outer.backward()
            for own, other in zip(model.parameters(), fast.parameters(), strict=True):
                own.grad = other.grad.clone() if own.grad is None else own.grad.add_(other.grad)
            losses.append(outer)
        optimizer.step()
    return outcome(losses, model)


class Rounded(nn.Module):
    """Rounds with a scale that follows the largest value."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(1.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            with torch.no_grad():
                self.scale.mul_(0.9).add_(0.1 * x.abs().max() / 7)
        scale = self.scale.clone()
        return x + ((x / scale).round().clamp_(-8, 7) * scale - x).detach()


def rounded_activations() -> list[torch.Tensor]:
    rounded = Rounded()
    first, last = nn.Linear(4, 6), nn.Linear(6, 2)
    optimizer = torch.optim.SGD([*first.parameters(), *last.parameters()], lr=0.1)
    losses = []
    for _ in range(STEPS):
        loss = rounded(last(F.relu(rounded(first(torch.randn(5, 4))), inplace=True))).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, first, last, rounded)


def fake_quantised() -> list[torch.Tensor]:
    import torch.ao.quantization as quantisation

    model: Any = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)).train()
    model.qconfig = quantisation.get_default_qat_qconfig("x86")
    quantisation.prepare_qat(model, inplace=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(STEPS):
        x = torch.randn(5, 4)
        loss = (model(x) - model(x + 0.1)).pow(2).mean() + model(x).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, model)


def trainer() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Embedding(11, 8), nn.LayerNorm(8), nn.Linear(8, 11))
    model[2].weight = model[0].weight
    decayed = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 2))
    losses, total, best = [], torch.tensor(0.0), copy.deepcopy(model.state_dict())
    for step in range(2 * STEPS):
        ids = torch.randint(0, 11, (3, 5))
        labels = ids.clone()
        labels[torch.rand(3, 5) < 0.5] = -100
        labels[:, 0] = ids[:, 0]
        loss = F.cross_entropy(model(ids).view(-1, 11), labels.view(-1), ignore_index=-100) / 2
        loss.backward()
        total += loss.detach()
        if step % 2:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            model.zero_grad()
            losses.append(total.clone())
            total -= total
            best = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(best)
    return outcome(losses, model)


def detection() -> list[torch.Tensor]:
    head = nn.Linear(6, 5)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    anchors = torch.rand(12, 4)
    losses = []
    for _ in range(STEPS):
        features = torch.randn(12, 6)
        raw = head(features)
        boxes, scores = raw[:, :4] * 0.1 + anchors, raw[:, 4]
        with torch.no_grad():
            shown = boxes.detach().clone()
            shown[:, 0::2].clamp_(0, 1)
            shown[:, 1::2].clamp_(0, 1)
            keep = scores.sigmoid() > 0.3
            keep[0] = True
        labels = torch.zeros(12)
        labels[torch.arange(3)] = 1.0
        weight = torch.ones(12)
        weight[~keep] = 0.5
        loss = F.binary_cross_entropy_with_logits(scores, labels, weight)
        loss = loss + F.l1_loss(boxes[labels.bool()], anchors[:3]) + shown.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, head)


def recurrent_with_resets() -> list[torch.Tensor]:
    cell, head = nn.GRUCell(3, 5), nn.Linear(5, 1)
    optimizer = torch.optim.Adam([*cell.parameters(), *head.parameters()])
    hidden, losses = torch.zeros(4, 5), []
    for _ in range(STEPS):
        hidden, loss = hidden.detach(), torch.zeros(())
        for _ in range(3):
            done = (torch.rand(4, 1) < 0.3).float()
            hidden = cell(torch.randn(4, 3), hidden * (1 - done))
            loss = loss + head(hidden).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        hidden.data[0].zero_()
        losses.append(loss)
    return outcome(losses, cell, head)


def updated_by_hooks() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))
    optimizers = {p: torch.optim.SGD([p], lr=0.1, fused=True) for p in model.parameters()}

    def step(parameter: torch.Tensor) -> None:
        optimizers[parameter].step()
        optimizers[parameter].zero_grad()

    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(step)
    losses = []
    for _ in range(STEPS):
        loss = model(torch.randn(5, 4)).pow(2).mean()
        loss.backward()
        losses.append(loss)
    return outcome(losses, model)


def two_views_of_statistics() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(STEPS):
        x = torch.randn(6, 4)
        one, two = model(x), model(x + 0.1 * torch.randn(6, 4))
        spread = model[1].running_var.clone().mean()
        loss = F.mse_loss(one, two.detach()) + F.mse_loss(two, one.detach()) + spread
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, model)


def weights_prepared_by_hand() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 4))
    for module in model:
        if isinstance(module, nn.Linear):
            module.weight.data = nn.init.orthogonal_(torch.empty_like(module.weight))
            module.bias.data.zero_()
    model[2].weight.data[:2] = model[2].weight.data[2:].flip(0)
    mask = (torch.rand(6, 4) > 0.3).float()
    model[0].weight.register_hook(lambda grad: grad * mask)
    optimizer = torch.optim.Adam(model.parameters())
    losses = []
    for _ in range(STEPS):
        model[0].weight.data.mul_(mask)
        loss = (model(torch.randn(5, 4)) - 1).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        for parameter in model.parameters():
            parameter.grad.data.clamp_(-1, 1)
        optimizer.step()
        losses.append(loss)
    return outcome(losses, model)


ALL = (
    *(averaged_between_forward_and_backward, averaged_with_statistics, adapters_merged_for_generation),
    *(critics_with_targets, penalised_critic, first_order_meta_learning, adapted_copies, rounded_activations),
    *(fake_quantised, trainer, detection, recurrent_with_resets, updated_by_hooks, two_views_of_statistics),
    weights_prepared_by_hand,
)
