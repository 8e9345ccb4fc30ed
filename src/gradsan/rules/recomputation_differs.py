"""GS354: a checkpointed region computed other values when it was run again."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help, Role
from gradsan.model.history import History, Witness
from gradsan.rules.base import Rule, relabelled


class RecomputationDiffers(Rule):
    """What it reads was replaced meanwhile."""

    code = "GS354"
    name = "recomputation-differs"
    precedence = 50
    summary = "A checkpointed region reads something that was replaced before backward ran the region again."
    explanation = """\
`torch.utils.checkpoint` keeps the arguments of a call and runs the function again in backward.
Whatever else the function reads, an attribute of a module, a global, an entry of a cache, is read again too.
If it was replaced meanwhile, the second run computes other values than the first,
and the gradient belongs to a function that was never evaluated. Shapes agree, so PyTorch's own check sees nothing.

The audit compares samples of what both runs would save."""
    example = """\
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Masked(nn.Module):
    mask = None

    def forward(self, x):
        return torch.tanh(x * self.mask)


block, x = Masked(), torch.ones(3, requires_grad=True)
block.mask = torch.tensor([1.0, 0.0, 1.0])
y = checkpoint(block, x, use_reentrant=False)
block.mask = torch.zeros(3)  # the next batch's
y.sum().backward()
print(x.grad)  # 0, 0, 0: the gradient is 0.42, 0, 0.42
"""
    instead = """\
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Masked(nn.Module):
    def forward(self, x, mask):
        return torch.tanh(x * mask)


block, x = Masked(), torch.ones(3, requires_grad=True)
y = checkpoint(block, x, torch.tensor([1.0, 0.0, 1.0]), use_reentrant=False)
y.sum().backward()
print(x.grad)  # 0.42, 0, 0.42
"""
    source = "https://docs.pytorch.org/docs/stable/checkpoint.html; checked with torch 2.13.0"

    def judge(self, history: History) -> Diagnostic | None:
        """Speak about what the audit saw by its witness."""
        if history.witness is not Witness.RECOMPUTATION:
            return None
        what = f"`{history.subject.name}` was replaced" if history.subject.name else "something it reads was replaced"
        finding = self.diagnose(
            history,
            f"a checkpointed region computed other values when backward ran it again: {what}",
            notes=("the gradient is that of the second run",),
            helps=(Help("pass it as an argument: checkpoint keeps arguments", "checkpoint(block, x, mask)"),),
        )
        finding = relabelled(finding, Role.SAVE, "this value of the region differed the second time")
        finding = relabelled(finding, Role.WRITE, "replaced here, between the two runs")
        return relabelled(finding, Role.RAISE, "backward ran the region again")
