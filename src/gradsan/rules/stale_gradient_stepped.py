"""GS356: an optimizer stepped again with a gradient that another model has dropped."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help, Role
from gradsan.model.history import History, Witness
from gradsan.rules.base import Rule, relabelled


class StaleGradientStepped(Rule):
    """One tensor was the gradient of two leaves."""

    code = "GS356"
    name = "stale-gradient-stepped"
    precedence = 50
    summary = "An optimizer steps again with a gradient that the leaf it was shared with has dropped."
    explanation = """\
`shared.grad = local.grad` lets two leaves have one gradient tensor.
It works only while that tensor stays the local leaf's gradient.
`zero_grad()` drops it (`set_to_none` is the default since torch 2.0),
the next backward makes a new tensor for the local leaf,
and the shared leaf keeps the old one: its optimizer applies the first gradient for ever.

`p.grad = bucket[a:b].view_as(p)` works as long: once `zero_grad()` has dropped the views,
backward fills new tensors, and what is reduced or stepped out of the bucket is what it held before."""
    example = """\
import torch

local = torch.nn.Linear(2, 1)
shared = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(shared.parameters(), lr=0.1)
for n in range(2):
    local.zero_grad()  # drops the tensor that is shared.grad
    local(torch.full((1, 2), n + 1.0)).sum().backward()
    if n == 0:
        for mine, theirs in zip(local.parameters(), shared.parameters()):
            theirs.grad = mine.grad
    optimizer.step()
print(shared.weight.grad)  # 1, 1: the gradient is 2, 2
"""
    instead = """\
import torch

local = torch.nn.Linear(2, 1)
shared = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(shared.parameters(), lr=0.1)
for n in range(2):
    local.zero_grad()
    local(torch.full((1, 2), n + 1.0)).sum().backward()
    for mine, theirs in zip(local.parameters(), shared.parameters()):
        theirs.grad = mine.grad.clone()
    optimizer.step()
print(shared.weight.grad)  # 2, 2
"""
    source = "https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html, zero_grad; checked with torch 2.13.0"

    def judge(self, history: History) -> Diagnostic | None:
        """Speak about what the audit saw by its witness."""
        if history.witness is Witness.DROPPED_VIEW:
            finding = self.diagnose(
                history,
                "gradients that were views of a buffer were dropped, and backward does not fill the buffer any more",
                helps=(Help("zero them in place", "model.zero_grad(set_to_none=False)"),),
            )
            finding = relabelled(finding, Role.WRITE, "drops the views of the buffer")
            return relabelled(finding, Role.RAISE, "stepped without what backward computed")
        if history.witness is not Witness.STALE_GRADIENT:
            return None
        return self.diagnose(
            history,
            "an optimizer stepped again with a gradient that the leaf it was shared with has dropped",
            helps=(Help("hand the gradient over after each backward", "shared.grad = local.grad.clone()"),),
        )
