"""GS361: what a hook reads was filled or replaced by a later call of the function that had registered it."""

from __future__ import annotations

from dataclasses import replace

from gradsan.model.diagnostic import Diagnostic, Help, Role, Severity
from gradsan.model.event import Written
from gradsan.model.history import History, Witness
from gradsan.rules.base import Rule, relabelled


class HookStateOverwritten(Rule):
    """A mask in a buffer, read by the hooks of two calls."""

    code = "GS361"
    name = "hook-state-overwritten"
    precedence = 50
    summary = "A tensor that a hook reads was overwritten by a later call of the function that registered the hook."
    explanation = """\
`out.register_hook(lambda grad: grad * self.mask)` reads `self.mask` when backward runs, not when it is registered.
If `forward` fills or replaces the mask at each call, and is called twice before backward
(two views of a batch, an unrolled loop), both hooks read the mask of the last call.
Nothing was saved, so nothing is checked.

Only hooks of computed tensors are looked at, which are registered anew at each call.
What the hook of a parameter reads is often kept up to date on purpose."""
    example = """\
import torch

mask = torch.empty(3)


def gated(x, keep):
    mask.copy_(torch.tensor(keep))
    out = x * 1
    out.register_hook(lambda grad: grad * mask)  # read when backward runs
    return out


x = torch.ones(3, requires_grad=True)
first = gated(x, [1.0, 0.0, 0.0])
second = gated(2 * x, [0.0, 0.0, 1.0])
first.sum().backward()
print(x.grad)  # 0, 0, 1: the hook of this call was to give 1, 0, 0
"""
    instead = """\
import torch


def gated(x, keep):
    mask = torch.tensor(keep)
    out = x * 1
    out.register_hook(lambda grad: grad * mask)
    return out


x = torch.ones(3, requires_grad=True)
first = gated(x, [1.0, 0.0, 0.0])
second = gated(2 * x, [0.0, 0.0, 1.0])
first.sum().backward()
print(x.grad)  # 1, 0, 0
"""
    source = "https://docs.pytorch.org/docs/stable/generated/torch.Tensor.register_hook.html; checked with torch 2.13.0"

    def judge(self, history: History) -> Diagnostic | None:
        """Speak about what the audit saw by its witness."""
        if history.witness is not Witness.HOOK_STATE:
            return None
        title = history.subject.title or "a tensor"
        written = history.first(Written)
        happened = "replaced" if written is not None and written.operation.endswith(" =") else "overwritten"
        finding = self.diagnose(
            history,
            f"{title} {history.was} {happened} before the hook of an earlier call read it",
            notes=("a hook reads what is there when backward runs",),
            helps=(Help("let each call have a tensor of its own, and the hook hold that", "mask = make_mask(x)"),),
        )
        finding = relabelled(finding, Role.WRITE, f"{happened} here, by a later call")
        return replace(finding, severity=Severity.WARNING)
