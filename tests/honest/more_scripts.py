"""More training loops as people write them: other kinds of models, of gradients and of memory."""

from __future__ import annotations

import copy
import queue
import threading
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset

from .scripts import STEPS, outcome


def diffusion() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(5, 16), nn.SiLU(), nn.Linear(16, 4))
    average = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    signal = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 10), 0)
    losses = []
    for _ in range(STEPS):
        clean, noise, t = torch.randn(6, 4), torch.randn(6, 4), torch.randint(0, 10, (6,))
        level = signal[t][:, None]
        noisy = level.sqrt() * clean + (1 - level).sqrt() * noise
        loss = F.mse_loss(model(torch.cat([noisy, t[:, None] / 10], 1)), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for own, other in zip(average.parameters(), model.parameters(), strict=True):
            own.data.mul_(0.9).add_(other.data, alpha=0.1)
        with torch.no_grad():
            x = torch.randn(2, 4)
            for step in range(3):
                x.sub_(0.1 * average(torch.cat([x, torch.full((2, 1), step / 10)], 1)))
        losses += [loss, x.sum()]
    return outcome(losses, model, average)


def variational() -> list[torch.Tensor]:
    encoder, decoder = nn.Linear(6, 8), nn.Sequential(nn.Linear(4, 6), nn.Sigmoid())
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])
    losses = []
    for _ in range(STEPS):
        x = torch.rand(5, 6)
        mean, log_variance = encoder(x).chunk(2, dim=-1)
        log_variance = log_variance.clamp(-5, 5)
        z = torch.randn_like(mean).mul_((0.5 * log_variance).exp()).add_(mean)
        kl = -0.5 * (1 + log_variance - mean.pow(2) - log_variance.exp()).sum()
        loss = F.binary_cross_entropy(decoder(z), x, reduction="sum") + kl
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, encoder, decoder)


def momentum_contrast() -> list[torch.Tensor]:
    query, key = nn.Linear(4, 3), nn.Linear(4, 3)
    key.load_state_dict(query.state_dict())
    key.requires_grad_(False)
    bank, at = F.normalize(torch.randn(3, 12), dim=0), 0
    optimizer = torch.optim.SGD(query.parameters(), lr=0.1, momentum=0.9, fused=True)
    losses = []
    for _ in range(STEPS):
        x = torch.randn(4, 4)
        with torch.no_grad():
            for own, other in zip(key.parameters(), query.parameters(), strict=True):
                own.data = own.data * 0.99 + other.data * 0.01
            k = F.normalize(key(x), dim=1)
        q = F.normalize(query(x), dim=1)
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ bank.clone().detach()], 1).div_(0.07)
        loss = F.cross_entropy(logits, torch.zeros(4, dtype=torch.long))
        bank[:, at : at + 4] = k.t()
        at = (at + 4) % 12
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, query)


class Rollout:
    def __init__(self) -> None:
        self.states = np.zeros((8, 4), dtype=np.float32)
        self.rewards = np.zeros(8, dtype=np.float32)

    def fill(self, rng: np.random.Generator) -> None:
        self.states[:] = rng.normal(size=(8, 4))
        self.rewards[:] = rng.normal(size=8)

    def batches(self) -> Any:
        for rows in np.split(np.arange(8), 2):
            yield torch.as_tensor(self.states[rows]), torch.as_tensor(self.rewards[rows])


def proximal_policy() -> list[torch.Tensor]:
    policy = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))
    optimizer = torch.optim.Adam(policy.parameters(), fused=True)
    rollout, rng = Rollout(), np.random.default_rng(0)
    losses = []
    for _ in range(STEPS):
        rollout.fill(rng)
        with torch.no_grad():
            old = policy(torch.from_numpy(rollout.states)).log_softmax(-1)[:, 0].numpy().copy()
        for (states, advantages), before in zip(rollout.batches(), np.split(old, 2), strict=True):
            ratio = (policy(states).log_softmax(-1)[:, 0] - torch.from_numpy(before)).exp()
            loss = -torch.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
            optimizer.step()
            losses.append(loss)
    return outcome(losses, policy)


def twin_critics() -> list[torch.Tensor]:
    actor, critics = nn.Linear(4, 2), nn.ModuleList(nn.Linear(6, 1) for _ in range(2))
    targets = copy.deepcopy(critics)
    log_alpha = torch.zeros((), requires_grad=True)
    of_actor = torch.optim.Adam(actor.parameters(), fused=True)
    of_critics = torch.optim.Adam(critics.parameters(), fused=True)
    of_alpha = torch.optim.Adam([log_alpha])
    losses = []
    for _ in range(STEPS):
        state, action, reward = torch.randn(5, 4), torch.rand(5, 2), torch.randn(5, 1)
        with torch.no_grad():
            following = torch.cat([state, actor(state).tanh()], 1)
            wanted = reward + 0.9 * torch.min(*(target(following) for target in targets))
        loss = sum(F.mse_loss(critic(torch.cat([state, action], 1)), wanted) for critic in critics)
        of_critics.zero_grad()
        loss.backward()
        of_critics.step()
        critics.requires_grad_(False)
        chosen = actor(state).tanh()
        entropy = -chosen.pow(2).sum(1, keepdim=True)
        values = torch.min(*(critic(torch.cat([state, chosen], 1)) for critic in critics))
        actor_loss = -(values + log_alpha.exp().detach() * entropy).mean()
        of_actor.zero_grad()
        actor_loss.backward()
        of_actor.step()
        critics.requires_grad_(True)
        of_alpha.zero_grad()
        (log_alpha * (entropy.detach() + 1)).mean().backward()
        of_alpha.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(targets.parameters()), list(critics.parameters()), 0.05)
        losses += [loss, actor_loss]
    return outcome(losses, actor, critics, targets)


class Messages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.message, self.update = nn.Linear(4, 4), nn.GRUCell(4, 4)

    def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        states = [x]
        for _ in range(3):
            gathered = torch.zeros_like(x)
            gathered.index_add_(0, edges[1], self.message(x)[edges[0]])
            degree = torch.zeros(x.shape[0], 1).scatter_add_(0, edges[1][:, None], torch.ones(edges.shape[1], 1))
            x = self.update(gathered / degree.clamp_(min=1), x)
            states.append(x)
        return torch.stack(states).mean(0)


def graph_network() -> list[torch.Tensor]:
    model, head = Messages(), nn.Linear(4, 2)
    optimizer = torch.optim.Adagrad([*model.parameters(), *head.parameters()], fused=True)
    edges = torch.randint(0, 7, (2, 15))
    losses = []
    for _ in range(STEPS):
        h = model(torch.randn(7, 4), edges)
        loss = F.cross_entropy(head(h), torch.randint(0, 2, (7,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, model, head)


class Quantised(nn.Linear):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out)
        self.register_buffer("range", torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.range.mul_(0.9).add_(0.1 * self.weight.detach().abs().max())
        step = self.range.item() / 7
        rounded = (self.weight / step).round().clamp(-8, 7) * step
        return F.linear(x, self.weight + (rounded - self.weight).detach(), self.bias)


def quantisation_aware() -> list[torch.Tensor]:
    model = nn.Sequential(Quantised(4, 6), nn.ReLU(inplace=True), Quantised(6, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=True)
    losses = []
    for _ in range(STEPS):
        loss = model(torch.randn(3, 4)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, model)


def pruned() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    prune.l1_unstructured(model[0], "weight", amount=0.3)
    parametrizations.spectral_norm(model[2])
    optimizer = torch.optim.RMSprop(model.parameters(), foreach=True)
    losses = []
    for step in range(STEPS):
        loss = model(torch.randn(3, 4)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step == 1:
            prune.l1_unstructured(model[0], "weight", amount=0.2)
        with torch.no_grad():
            model[0].weight_orig.mul_(model[0].weight_mask)
        losses.append(loss)
    return outcome(losses, model)


def gradient_surgery() -> list[torch.Tensor]:
    body, heads = nn.Linear(4, 6), nn.ModuleList(nn.Linear(6, 1) for _ in range(2))
    optimizer = torch.optim.Adam([*body.parameters(), *heads.parameters()])
    losses: list[torch.Tensor] = []
    for _ in range(STEPS):
        h = body(torch.randn(5, 4)).relu()
        found = []
        for head in heads:
            loss = head(h).pow(2).mean()
            optimizer.zero_grad()
            loss.backward(retain_graph=True)
            found.append([p.grad.clone() for p in body.parameters() if p.grad is not None])
            losses.append(loss)
        for p, first, second in zip(body.parameters(), *found, strict=True):
            overlap = (first * second).sum()
            if overlap < 0:
                first -= overlap / second.pow(2).sum() * second
            p.grad = first + second
        optimizer.step()
    return outcome(losses, body, heads)


def hessian_vector_products() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    parameters = list(model.parameters())
    losses = []
    for _ in range(STEPS):
        loss = model(torch.randn(6, 3)).pow(2).mean()
        grads = torch.autograd.grad(loss, parameters, create_graph=True)
        vectors = [g.detach().clone() for g in grads]
        for _ in range(2):
            norm = torch.sqrt(sum(v.pow(2).sum() for v in vectors))
            for v in vectors:
                v.div_(norm)
            products = torch.autograd.grad(grads, parameters, vectors, retain_graph=True)
            vectors = [product.detach() for product in products]
        with torch.no_grad():
            for p, g, v in zip(parameters, grads, vectors, strict=True):
                p.grad = g.detach() - 0.1 * v
                p -= 0.1 * p.grad
        losses.append(loss)
    return outcome(losses, model)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) for _ in range(2))
        self.n_calls = 0

    def forward(self, x: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        self.n_calls += 1
        self.padding = padding
        for layer in self.layers:
            x = checkpoint(layer, x, None, padding, use_reentrant=False)
        return x.masked_fill(padding[..., None], 0.0)


def checkpointed_in_half_precision() -> list[torch.Tensor]:
    model, head = Encoder(), nn.Linear(8, 3)
    optimizer = torch.optim.AdamW([*model.parameters(), *head.parameters()], fused=True)
    losses = []
    for step in range(STEPS):
        padding = torch.arange(6)[None] >= torch.tensor([[6], [3 + step % 2]])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(
                head(model(torch.randn(2, 6, 8), padding)).flatten(0, 1).float(), torch.zeros(12).long()
            )
        (loss / 2).backward()
        if step % 2:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss)
    return outcome(losses, model, head)


class Rows(Dataset[Any]):
    def __init__(self) -> None:
        self.data = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
        self.scratch = np.empty(4, dtype=np.float32)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, at: int) -> torch.Tensor:
        np.multiply(self.data[at], 1.5, out=self.scratch)
        return torch.from_numpy(self.scratch.copy())


def loaded_by_workers() -> list[torch.Tensor]:
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=True)
    losses = []
    for n_workers in (0, 1):
        for batch in DataLoader(Rows(), batch_size=4, num_workers=n_workers):
            loss = model(batch).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss)
    return outcome(losses, model)


def fetched_by_a_thread() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    free: queue.Queue[int] = queue.Queue()
    full: queue.Queue[int] = queue.Queue()
    buffers, arrays = [torch.empty(3, 4) for _ in range(2)], [np.empty((3, 4), dtype=np.float32) for _ in range(2)]

    def fetch() -> None:
        rng = np.random.default_rng(0)
        for _ in range(2 * STEPS):
            at = free.get()
            arrays[at][:] = rng.normal(size=(3, 4))
            buffers[at].data.copy_(torch.from_numpy(arrays[at]))
            full.put(at)

    thread = threading.Thread(target=fetch)
    thread.start()
    free.put(0)
    free.put(1)
    losses = []
    for _ in range(2 * STEPS):
        at = full.get()
        loss = (model(buffers[at]) + torch.from_numpy(arrays[at])).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        free.put(at)
        optimizer.step()
        losses.append(loss)
    thread.join()
    return outcome(losses, model)


def gradients_in_one_bucket() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1))
    shared = copy.deepcopy(model)
    optimizer = torch.optim.Adam(shared.parameters())
    bucket, at = torch.zeros(sum(p.numel() for p in model.parameters())), 0
    for p, other in zip(model.parameters(), shared.parameters(), strict=True):
        p.grad = bucket[at : at + p.numel()].view_as(p)
        other._grad = p.grad
        at += p.numel()
    losses = []
    for _ in range(STEPS):
        bucket.zero_()
        for _ in range(2):
            loss = model(torch.randn(3, 4)).pow(2).mean() / 2
            loss.backward()
            losses.append(loss)
        bucket.mul_(1 / bucket.norm().clamp(min=1.0))
        optimizer.step()
        model.load_state_dict(shared.state_dict())
    return outcome(losses, model, shared)


ALL = (
    *(diffusion, variational, momentum_contrast, proximal_policy, twin_critics, graph_network, quantisation_aware),
    *(pruned, gradient_surgery, hessian_vector_products, checkpointed_in_half_precision, loaded_by_workers),
    *(fetched_by_a_thread, gradients_in_one_bucket),
)
