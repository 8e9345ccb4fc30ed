"""Trains on each rank, plain and watched; prints one line of JSON a rank.  Started by `test_distributed`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from scripts import STEPS, Block, ResNet, outcome, tokens
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.nn.functional import all_reduce
from torch.nn.parallel import DistributedDataParallel

import gradsan


def replicated() -> list[torch.Tensor]:
    model = DistributedDataParallel(ResNet())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, fused=True)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        with model.no_sync():
            F.cross_entropy(model(torch.randn(4, 3, 8, 8)), torch.randint(0, 5, (4,))).backward()
        loss = F.cross_entropy(model(torch.randn(4, 3, 8, 8)), torch.randint(0, 5, (4,)))
        logged = loss.detach()
        dist.all_reduce(logged)
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, model)


def two_forwards_of_one_replica() -> list[torch.Tensor]:
    model = DistributedDataParallel(nn.Sequential(nn.Embedding(11, 8), Block(8), nn.Linear(8, 11)))
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    losses = []
    for _ in range(STEPS):
        loss = (model(tokens()) - model(tokens())).pow(2).mean()  # constant buffers are broadcast in between
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return outcome(losses, model)


def sharded() -> list[torch.Tensor]:
    model = nn.Sequential(nn.Embedding(11, 8), Block(8), Block(8), nn.Linear(8, 11))
    for block in model[1:3]:
        fully_shard(block)
    fully_shard(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)
    losses = []
    for _ in range(STEPS):
        loss = model(tokens()).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return [*losses, *(p.to_local().detach().clone() for p in model.parameters())]


def sharded_and_stepped_before_backward(*, resharded: bool = True) -> list[torch.Tensor]:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Tanh(), nn.Linear(4, 4, bias=False))
    if resharded:
        fully_shard(model[2])
    fully_shard(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    model(torch.ones(2, 4)).sum().backward()
    loss = model(torch.ones(2, 4)).pow(2).sum()
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    return [loss, *(p.grad.full_tensor() for p in model.parameters())]


def stepped_while_gathered() -> list[torch.Tensor]:
    return sharded_and_stepped_before_backward(resharded=False)


def statistics_summed_over_ranks(*, is_on_tape: bool = False) -> list[torch.Tensor]:
    layer = nn.Linear(4, 3)
    hidden = layer(torch.randn(5, 4))
    mean = hidden.mean(0) / dist.get_world_size()
    if is_on_tape:
        mean = all_reduce(mean)
    else:
        dist.all_reduce(mean)
    loss = (hidden - mean).pow(2).mean() + mean.pow(4).sum()
    loss.backward()
    return [loss, *(p.grad for p in layer.parameters())]


def statistics_summed_on_the_tape() -> list[torch.Tensor]:
    start = torch.randn(3)
    dist.broadcast(start, src=0)
    return [start, *statistics_summed_over_ranks(is_on_tape=True)]


ALL = (
    *(replicated, two_forwards_of_one_replica, sharded),
    *(stepped_while_gathered, sharded_and_stepped_before_backward),
    *(statistics_summed_on_the_tape, statistics_summed_over_ranks),
)


def said_of(script: Callable[[], list[torch.Tensor]], verb: Any) -> dict[str, Any]:
    """Run a script plain and under a verb; tell what that found and whether it changed anything."""
    torch.manual_seed(dist.get_rank())
    plain = script()
    torch.manual_seed(dist.get_rank())
    with verb() as session:
        watched = script()
    return {
        "codes": [finding.code for finding in session.findings],
        "same": all(torch.equal(one, other) for one, other in zip(plain, watched, strict=True)),
        "not_covered": list(session.not_covered),
    }


def main() -> None:
    """Effect: prints."""
    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    said = {
        f"{verb.__name__} {script.__name__}": said_of(script, verb)
        for verb in (gradsan.watch, gradsan.audit)
        for script in ALL
    }
    sys.stdout.write(f"@@{os.environ['RANK']} {json.dumps(said)}\n")
    sys.stdout.flush()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
