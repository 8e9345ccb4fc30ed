"""`gradsan fix` on programs whose gradients are wrong although nothing is raised."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the programs run in forks of a process that has torch loaded"),
]
Repair = Callable[[str], dict[str, Any]]
Added = Callable[[str], list[str]]


REGION = """
    import torch
    from torch import nn
    from torch.utils.checkpoint import checkpoint

    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix, self.strength = nn.Linear(3, 3), 1.0

        def forward(self, x):
            return torch.tanh(self.mix(x) * self.strength)

    gate, x = Gate(), torch.randn(4, 3)
"""


def test_a_region_keeps_the_attributes_of_its_module(added: Added) -> None:
    told = added(f"""{REGION}
    parts = []
    for strength in (1.0, 0.1):
        gate.strength = strength
        parts.append(checkpoint(gate, x, use_reentrant=False).sum())
    sum(parts).backward()
    """)
    assert told == [
        "import copy",
        "parts.append(checkpoint(copy.copy(gate), x, use_reentrant=False).sum())",
    ]


def test_a_region_that_draws_is_not_run_twice(added: Added) -> None:
    told = added("""
    import random

    import torch
    from torch.utils import checkpoint as regions

    w = torch.randn(3, requires_grad=True)

    def noisy(x, *, low):
        return torch.sigmoid(x) * torch.tensor(max(random.random(), low))

    loss = regions.checkpoint(noisy, w * 2, use_reentrant=False, low=0.01).sum()
    loss.backward()
    """)
    assert told == ["loss = noisy(w * 2, low=0.01).sum()"]


def test_two_that_are_wrong_in_one_backward(added: Added) -> None:
    told = added("""
    import torch

    w = torch.randn(3, requires_grad=True)
    a, b = torch.rand(3), torch.rand(3)
    loss = (torch.sin(w) * a).sum() + (torch.cos(w) * b).sum()
    a.data.zero_()
    b.data.fill_(3.0)
    loss.backward()
    """)
    assert len(told) in (1, 2)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            ["self.conv.weight = nn.Parameter(self.scale * self.base)", "return self.conv(x)"],
            [
                "weight = self.scale * self.base",
                'return torch.func.functional_call(self.conv, {"weight": weight}, (x,))',
            ],
        ),
        (
            ["w = self.scale * self.base", "self.conv.weight.data.copy_(w)", "return self.conv(x)"],
            ['return torch.func.functional_call(self.conv, {"weight": w}, (x,))'],
        ),
        (
            [
                "for name, p in self.conv.named_parameters():",
                "    p.data = self.scale * self.base",
                "return self.conv(x)",
            ],
            [
                "weights = {}",
                "weights[name] = self.scale * self.base",
                "return torch.func.functional_call(self.conv, weights, (x,))",
            ],
        ),
        (
            ["scale = nn.Parameter(self.scale.exp())", "return self.conv(x) * scale"],
            ["scale = self.scale.exp()"],
        ),
        (
            ["terms = [self.scale * 2, self.scale * x.sum()]", "return torch.tensor(terms, requires_grad=True)"],
            ["return torch.stack(terms)"],
        ),
    ],
)
def test_a_value_that_became_a_leaf(before: list[str], after: list[str], added: Added) -> None:
    body = textwrap.indent("\n".join(before), " " * 12)
    told = added(f"""
    import torch
    from torch import nn

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(0.5))
            self.conv = nn.Linear(2, 2, bias=False)
            self.base = torch.ones(2, 2)

        def forward(self, x):
{body}

    model = Scaled()
    loss = model(torch.ones(3, 2)).pow(2).sum()
    loss.backward()
    """)
    assert told == after


def test_state_that_is_the_gradient_itself(added: Added) -> None:
    told = added("""
    import torch

    class Difference(torch.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {})

        @torch.no_grad()
        def step(self):
            for p in self.param_groups[0]["params"]:
                state = self.state[p]
                if "last" in state:
                    p -= 0.1 * (p.grad - state["last"])
                state["last"] = p.grad

    w = torch.randn(3, requires_grad=True)
    optimizer = Difference([w])
    for k in range(3):
        optimizer.zero_grad(set_to_none=False)
        (w * (k + 1.0)).pow(2).sum().backward()
        optimizer.step()
    """)
    assert told == ['state["last"] = p.grad.clone()']


def test_a_hook_that_scales_the_gradient_of_all(added: Added) -> None:
    told = added("""
    import torch

    def halve(grad):
        grad.data.mul_(0.5)
        return grad

    w = torch.randn(3, requires_grad=True)
    a, b = torch.sin(w), torch.cos(w)
    b.register_hook(halve)
    (a + b).pow(2).sum().backward()
    """)
    assert told == ["grad = grad.data.mul(0.5)"]


def test_a_writer_that_nothing_sees(added: Added) -> None:
    told = added("""
    import ctypes

    import torch

    w, scale = torch.randn(2, requires_grad=True), torch.ones(2)
    loss = (torch.sin(w) * scale).sum()
    (ctypes.c_float * 2).from_address(scale.data_ptr())[0] = 5.0
    loss.backward()
    """)
    assert told == ["loss = (torch.sin(w) * scale.clone()).sum()"]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (
            """
    import torch

    w = torch.randn(3, requires_grad=True)
    h = w * 2
    shown = h.detach()
    shown /= shown.std()
    torch.tanh(h).sum().backward()
    """,
            "+shown = h.detach().clone()",
        ),
        (
            """
    import torch

    w = torch.randn(3, requires_grad=True)
    state, states = torch.zeros(3), []
    for k in range(3):
        state += k * w
        states.append(state)
    loss = sum(each.pow(2).sum() for each in states)
    loss.backward()
    """,
            "+    state = state + k * w",
        ),
    ],
)
def test_what_would_compute_other_values_is_left_to_a_person(text: str, after: str, repair: Repair) -> None:
    told = repair(text)
    assert (told["status"], told["outcome"], told["written"]) == (1, "unproven", False)
    assert after in told["diff"].splitlines()
    assert "the repair computes other values than the program" in told["remains"][0]


def test_what_was_kept_is_not_repaired_by_an_edit_that_leaves_all_values_as_they_are(repair: Repair) -> None:
    told = repair("""
    import torch

    w, memory, total = torch.randn(3, requires_grad=True), torch.zeros(3), torch.zeros(3)
    for _ in range(2):
        w.grad = None
        w.pow(2).sum().backward()
        gradient = w.grad
        total += memory
        memory = gradient
        gradient.mul_(0.5)
        memory = memory - gradient
    """)
    assert (told["status"], told["written"]) == (1, False)
    assert not any(line.startswith("+") and "memory = memory - gradient" in line for line in told["diff"].splitlines())
