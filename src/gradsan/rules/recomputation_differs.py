"""GS354: a checkpointed region computed other values when it was run again."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help, Role
from gradsan.model.event import Written
from gradsan.model.history import History, Witness
from gradsan.rules.base import Rule, relabelled

DRAWN = "random"
DRAWN_ANEW = "random of the framework"
REFILLED = "refilled"
"""The operation of a "write" that drew a random number."""


class RecomputationDiffers(Rule):
    """What it reads was replaced meanwhile."""

    code = "GS354"
    name = "recomputation-differs"
    precedence = 50
    summary = "A checkpointed region reads something that was replaced before backward ran the region again."
    explanation = """\
`torch.utils.checkpoint` keeps the arguments of a call and runs the function again in backward.
Whatever else the function reads, an attribute of a module, a global, an entry of a cache, is read again too,
and a number from a generator that is not the framework's own is drawn again,
with `preserve_rng_state=False` one from the framework's too.
If that differs from the first time, the second run computes other values than the first,
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
        written = history.last(Written)
        operation = "" if written is None or written.span is None else written.operation
        happened = "overwritten" if operation and not operation.endswith(" =") else "replaced"
        happened = "given other entries" if operation == REFILLED else happened
        name = f"`{history.subject.name}`" if history.subject.name else "something it reads"
        is_drawn = operation in (DRAWN, DRAWN_ANEW)
        what = "it draws other random numbers" if is_drawn else f"{name} was {happened}"
        finding = self.diagnose(
            history,
            f"a checkpointed region computed other values when backward ran it again: {what}",
            notes=("the gradient is that of the second run",),
            helps=(_HELPS.get(operation, _AS_AN_ARGUMENT),),
        )
        finding = relabelled(finding, Role.SAVE, "this value of the region differed the second time")
        finding = relabelled(finding, Role.WRITE, _LABELS.get(operation, f"{happened} here, after the first run"))
        return relabelled(finding, Role.RAISE, "backward ran the region again")


_LABELS = {
    DRAWN: "drawn here, in both runs",
    DRAWN_ANEW: "drawn here, in both runs",
    REFILLED: "given other entries here",
}
_AS_AN_ARGUMENT = Help("pass it as an argument: checkpoint keeps arguments", "checkpoint(block, x, mask)")
_HELPS = {
    DRAWN: Help(
        "draw from the framework's generator, which checkpoint restores, or draw outside and pass the number",
        "keep = torch.rand(())",
    ),
    DRAWN_ANEW: Help(
        "let checkpoint restore the generator's state for the second run",
        "checkpoint(block, x, use_reentrant=False)  # without preserve_rng_state=False",
    ),
    REFILLED: Help(
        "pass what is in the list: of a list, checkpoint keeps the list itself", "checkpoint(block, *values)"
    ),
}
