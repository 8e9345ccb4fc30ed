"""Training loops as people write them; each returns its losses and last gradients."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

STEPS = 4


def outcome(losses: list[torch.Tensor], *modules: nn.Module) -> list[torch.Tensor]:
    grads = [p.grad.clone() for m in modules for p in m.parameters() if p.grad is not None]
    weights = [p.detach().clone() for m in modules for p in m.parameters()]
    return [*(loss.detach().clone() for loss in losses), *grads, *weights]


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)),
            *(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)),
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.body(x)
        out += x
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(Residual(4), Residual(4))
        self.head = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.register_buffer("mask", torch.ones(16, 16, dtype=torch.bool).tril())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        scores = scores.masked_fill(~self.mask[: x.shape[1], : x.shape[1]], float("-inf"))
        x = x + F.dropout(self.out(scores.softmax(-1) @ v), 0.1, self.training)
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, *, use_reentrant: bool | None = None) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(11, 8), nn.Parameter(torch.randn(16, 8))
        self.blocks = nn.ModuleList(Block(8) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 11, bias=False)
        self.head.weight = self.token.weight
        self.use_reentrant = use_reentrant

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.token(tokens) + self.position[: tokens.shape[1]]
        for block in self.blocks:
            if self.use_reentrant is None:
                x = block(x)
            else:
                x = checkpoint(block, x, use_reentrant=self.use_reentrant)
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def tokens() -> torch.Tensor:
    return torch.randint(0, 11, (3, 9))


def resnet() -> list[torch.Tensor]:
    model = ResNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    losses = []
    for _ in range(STEPS):
        model.train()
        loss = F.cross_entropy(model(torch.randn(4, 3, 8, 8)), torch.randint(0, 5, (4,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        model.eval()
        with torch.no_grad():
            losses += [loss, model(torch.randn(2, 3, 8, 8)).sum()]
    return outcome(losses, model)


def train_gpt(model: GPT, optimizer: torch.optim.Optimizer, *, accumulate: int = 1) -> list[torch.Tensor]:
    losses = []
    for _ in range(STEPS):
        for _ in range(accumulate):
            loss = model(tokens()) / accumulate
            loss.backward()
            losses.append(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
    return outcome(losses, model)


def gpt_fused() -> list[torch.Tensor]:
    model = GPT()
    return train_gpt(model, torch.optim.AdamW(model.parameters(), fused=True))


def gpt_foreach_accumulated() -> list[torch.Tensor]:
    model = GPT()
    return train_gpt(model, torch.optim.AdamW(model.parameters(), foreach=True), accumulate=3)


def gpt_checkpointed() -> list[torch.Tensor]:
    model = GPT(use_reentrant=False)
    return train_gpt(model, torch.optim.AdamW(model.parameters(), fused=True), accumulate=2)


def gpt_checkpointed_reentrant() -> list[torch.Tensor]:
    model = GPT(use_reentrant=True)
    return train_gpt(model, torch.optim.AdamW(model.parameters()), accumulate=2)


def resnet_checkpointed() -> list[torch.Tensor]:
    model = ResNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(STEPS):
        x = torch.randn(4, 3, 8, 8, requires_grad=True)
        features = checkpoint(model.blocks, model.stem(x), use_reentrant=False)
        loss = model.head(features.mean((2, 3))).pow(2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, model)


def gpt_offloaded() -> list[torch.Tensor]:
    model = GPT()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    losses = []
    for _ in range(STEPS):
        with torch.autograd.graph.save_on_cpu():
            loss = model(tokens())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss)
    return outcome(losses, model)


def mixed_precision() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 3))
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)
    losses = []
    for _ in range(STEPS):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(model(torch.randn(5, 6)), torch.randint(0, 3, (5,)))
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_value_(model.parameters(), 0.5)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss)
    return outcome(losses, model)


def gan() -> list[torch.Tensor]:
    maker = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(inplace=True), nn.Linear(6, 4))
    judge = nn.Sequential(nn.Linear(4, 6), nn.LeakyReLU(0.2, inplace=True), nn.Linear(6, 1))
    of_maker = torch.optim.Adam(maker.parameters(), betas=(0.5, 0.9), fused=True)
    of_judge = torch.optim.Adam(judge.parameters(), betas=(0.5, 0.9), fused=True)
    losses = []
    for _ in range(STEPS):
        made = maker(torch.randn(5, 3))
        of_judge.zero_grad()
        real = F.softplus(-judge(torch.randn(5, 4))).mean()
        fake = F.softplus(judge(made.detach())).mean()
        (real + fake).backward()
        of_judge.step()
        of_maker.zero_grad()
        loss = F.softplus(-judge(made)).mean()
        loss.backward()
        of_maker.step()
        losses += [real, fake, loss]
    return outcome(losses, maker, judge)


def wasserstein() -> list[torch.Tensor]:
    maker, critic = nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))
    of_maker = torch.optim.RMSprop(maker.parameters(), lr=5e-3)
    of_critic = torch.optim.RMSprop(critic.parameters(), lr=5e-3)
    losses = []
    for _ in range(STEPS):
        for _ in range(2):
            of_critic.zero_grad()
            loss = critic(maker(torch.randn(5, 3)).detach()).mean() - critic(torch.randn(5, 4)).mean()
            loss.backward()
            of_critic.step()
            for p in critic.parameters():
                p.data.clamp_(-0.01, 0.01)
            losses.append(loss)
        of_maker.zero_grad()
        (-critic(maker(torch.randn(5, 3))).mean()).backward()
        of_maker.step()
    return outcome(losses, maker, critic)


def gradient_penalty() -> list[torch.Tensor]:
    critic = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))
    optimizer = torch.optim.Adam(critic.parameters(), fused=True)
    losses = []
    for _ in range(STEPS):
        x = torch.randn(5, 4, requires_grad=True)
        (grad,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        loss = critic(torch.randn(5, 4)).mean() + (grad.norm(dim=1) - 1).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, critic)


def truncated_backpropagation() -> list[torch.Tensor]:
    lstm, head = nn.LSTM(3, 5), nn.Linear(5, 2)
    optimizer = torch.optim.Adam([*lstm.parameters(), *head.parameters()])
    state = None
    losses = []
    for step in range(STEPS):
        out, state = lstm(torch.randn(6, 2, 3), state)
        loss = head(out).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state = tuple(each.detach() if step % 2 else each.data for each in state)
        for each in state:
            each[:, 0] = 0  # an episode ended
        losses.append(loss)
    return outcome(losses, lstm, head)


def mean_teacher() -> list[torch.Tensor]:
    student = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))
    by_data, by_no_grad = copy.deepcopy(student), copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1, fused=True)
    losses = []
    for _ in range(STEPS):
        x = torch.randn(5, 4)
        with torch.no_grad():
            target = by_data.eval()(x) + by_no_grad(x)
        loss = (student(x + 0.1 * torch.randn(5, 4)) - target).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for mine, theirs in zip(by_data.parameters(), student.parameters(), strict=True):
            mine.data.mul_(0.9).add_(theirs.data, alpha=0.1)
        with torch.no_grad():
            for mine, theirs in zip(by_no_grad.parameters(), student.parameters(), strict=True):
                mine.lerp_(theirs, 0.1)
            for mine, theirs in zip(by_no_grad.buffers(), student.buffers(), strict=True):
                mine.copy_(theirs)
        losses.append(loss)
    return outcome(losses, student)


def averaged_weights_swapped_in() -> list[torch.Tensor]:
    model = nn.Linear(4, 2)
    average = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    losses = []
    for _ in range(STEPS):
        loss = model(torch.randn(3, 4)).pow(2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for mean, p in zip(average, model.parameters(), strict=True):
            mean.lerp_(p.data, 0.5)
        kept = [p.data for p in model.parameters()]
        for mean, p in zip(average, model.parameters(), strict=True):
            p.data = mean
        with torch.no_grad():
            losses += [loss, model(torch.ones(1, 4)).sum()]
        for mine, p in zip(kept, model.parameters(), strict=True):
            p.data = mine
    return outcome(losses, model)


def stochastic_weight_averaging() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 2))
    average = torch.optim.swa_utils.AveragedModel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.05)
    losses = []
    for _ in range(STEPS):
        loss = model(torch.randn(5, 4)).pow(2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(model)
        schedule.step()
        losses.append(loss)
    torch.optim.swa_utils.update_bn([torch.randn(5, 4)], average)
    return outcome([*losses, average(torch.ones(2, 4)).sum()], model)


class LowRank(nn.Module):
    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(2, base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + x @ self.down.t() @ self.up.t()

    def merge(self, sign: int) -> None:
        self.base.weight.data += sign * (self.up @ self.down).data


def low_rank() -> list[torch.Tensor]:
    model = nn.Sequential(LowRank(nn.Linear(4, 6)), nn.ReLU(inplace=True), LowRank(nn.Linear(6, 2)))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], fused=True)
    losses = []
    for _ in range(STEPS):
        loss = model(torch.randn(3, 4)).pow(2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for sign in (1, -1):  # merged for an evaluation, then taken apart
            for module in model:
                if isinstance(module, LowRank):
                    module.merge(sign)
        losses.append(loss)
    return outcome(losses, model)


def normalised_weights() -> list[torch.Tensor]:
    model = nn.Sequential(
        *(parametrizations.spectral_norm(nn.Linear(4, 6)), nn.ReLU(inplace=True)),
        *(parametrizations.weight_norm(nn.Linear(6, 6)), parametrizations.orthogonal(nn.Linear(6, 6))),
        nn.utils.spectral_norm(nn.Linear(6, 2)),
    )
    optimizer = torch.optim.Adam(model.parameters(), foreach=True)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = (model(torch.randn(3, 4)) - model(torch.randn(3, 4))).pow(2).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, model)


class Codebook(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(4, 3), nn.Linear(3, 4)
        self.codes = nn.Parameter(torch.randn(5, 3), requires_grad=False)
        self.register_buffer("size", torch.ones(5))
        self.sums = nn.Parameter(self.codes.data.clone())

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z = self.encoder(x)
        chosen = F.one_hot(torch.cdist(z, self.codes).argmin(1), 5).float()
        quantised = chosen @ self.codes
        if self.training:
            self.size = self.size * 0.9 + 0.1 * chosen.sum(0)
            self.sums = nn.Parameter(self.sums * 0.9 + 0.1 * chosen.t() @ z)
            self.codes = nn.Parameter(self.sums / self.size.unsqueeze(1), requires_grad=False)
        commitment = (z - quantised.detach()).pow(2).mean()
        quantised = z + (quantised - z).detach()  # straight through
        return self.decoder(quantised), commitment


def vector_quantised() -> list[torch.Tensor]:
    model = Codebook()
    optimizer = torch.optim.Adam([*model.encoder.parameters(), *model.decoder.parameters()], fused=True)
    losses = []
    for _ in range(STEPS):
        x = torch.randn(6, 4)
        out, commitment = model(x)
        loss = (out - x).pow(2).mean() + commitment
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, model.encoder, model.decoder)


class OwnSGD(torch.optim.Optimizer):
    def __init__(self, params: Iterator[nn.Parameter], lr: float) -> None:
        super().__init__(params, {"lr": lr})

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                momentum = self.state[p].setdefault("momentum", torch.zeros_like(p.data))
                momentum.mul_(0.9).add_(p.grad.data)
                p.data.add_(momentum, alpha=-group["lr"])


def own_optimizer() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))
    optimizer = OwnSGD(model.parameters(), lr=0.05)
    losses = []
    for _ in range(STEPS):
        loss = model(torch.randn(3, 4)).pow(2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, model)


def by_hand() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))
    losses = []
    for step in range(STEPS):
        loss = model(torch.randn(3, 4)).pow(2).sum()
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            assert p.grad is not None
            if step % 2:
                p.data -= 0.05 * p.grad.data
            else:
                p.data = p.data - 0.05 * p.grad
        losses.append(loss)
    return outcome(losses, model)


def closure() -> list[torch.Tensor]:
    model = nn.Linear(4, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4, line_search_fn="strong_wolfe")
    x, y = torch.randn(8, 4), torch.randn(8, 1)
    losses: list[torch.Tensor] = []

    def evaluate() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        losses.append(loss)
        return loss

    for _ in range(2):
        optimizer.step(evaluate)
    return outcome(losses, model)


def sharpness_aware() -> list[torch.Tensor]:
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, fused=True)
    losses = []
    for _ in range(STEPS):
        x = torch.randn(5, 4)
        model(x).pow(2).sum().backward()
        kept = [p.data.clone() for p in model.parameters()]
        for p in model.parameters():
            assert p.grad is not None
            p.data.add_(p.grad / (p.grad.norm() + 1e-8), alpha=0.05)
        optimizer.zero_grad()
        loss = model(x).pow(2).sum()
        loss.backward()
        for p, mine in zip(model.parameters(), kept, strict=True):
            p.data = mine
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss)
    return outcome(losses, model)


def meta_learning() -> list[torch.Tensor]:
    model = nn.Linear(3, 1)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    losses = []
    for _ in range(STEPS):
        fast = dict(model.named_parameters())
        for _ in range(2):
            inner = torch.func.functional_call(model, fast, (torch.randn(4, 3),)).pow(2).mean()
            grads = torch.autograd.grad(inner, list(fast.values()), create_graph=True)
            fast = {name: p - 0.1 * g for (name, p), g in zip(fast.items(), grads, strict=True)}
        loss = torch.func.functional_call(model, fast, (torch.randn(4, 3),)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, model)


def actor_and_critic() -> list[torch.Tensor]:
    body, actor, critic = nn.Linear(4, 6), nn.Linear(6, 2), nn.Linear(6, 1)
    parameters = [*body.parameters(), *actor.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(parameters, fused=True)
    values, rewards = torch.zeros(8), torch.zeros(8)
    losses = []
    for _ in range(STEPS):
        log_probabilities = []
        states = torch.randn(8, 4)
        for t in range(8):
            hidden = body(states[t]).tanh()
            policy = torch.distributions.Categorical(logits=actor(hidden))
            action = policy.sample()
            log_probabilities.append(policy.log_prob(action))
            values[t] = critic(hidden).squeeze().detach()
            rewards[t] = action.float()
        advantage = rewards - values
        advantage -= advantage.mean()
        value_loss = (critic(body(states).tanh()).squeeze() - rewards).pow(2).mean()
        loss = -(torch.stack(log_probabilities) * advantage).mean() + 0.5 * value_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, body, actor, critic)


ALL = (
    *(resnet, resnet_checkpointed, gpt_fused, gpt_foreach_accumulated, gpt_checkpointed, gpt_checkpointed_reentrant),
    *(gpt_offloaded, mixed_precision, gan, wasserstein, gradient_penalty, truncated_backpropagation, mean_teacher),
    *(averaged_weights_swapped_in, stochastic_weight_averaging, low_rank, normalised_weights, vector_quantised),
    *(own_optimizer, by_hand, closure, sharpness_aware, meta_learning, actor_and_critic),
)
