"""GS355: an optimizer's state, or a list, keeps the gradient's own buffer, and it was overwritten."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help, Role
from gradsan.model.history import History, Witness
from gradsan.rules.base import Rule, relabelled


class GradientKeptByReference(Rule):
    """A reference is not a value."""

    code = "GS355"
    name = "gradient-kept-by-reference"
    precedence = 50
    summary = "An optimizer or a list keeps the gradient tensor itself, and the next gradient overwrites it."
    explanation = """\
`state[\"previous\"] = p.grad` keeps a reference.
When gradients are zeroed in place (`zero_grad(set_to_none=False)`), or accumulated, the same tensor is written again,
so that the previous gradient is always the current one.
`gradients.append(p.grad)` likewise keeps the same tensor for each backward pass,
and after `first = p.grad` and one more backward `p.grad - first` is zero.
A sum that begins with `total = p.grad` is added to itself by `total += p.grad`."""
    example = """\
import torch


class Momentum(torch.optim.Optimizer):
    def __init__(self, parameters):
        super().__init__(parameters, {})

    @torch.no_grad()
    def step(self):
        for p in self.param_groups[0]["params"]:
            previous = self.state[p].get("previous", torch.zeros_like(p))
            self.state[p]["applied"] = p.grad + previous
            self.state[p]["previous"] = p.grad  # the buffer, not the value
            p.sub_(0.1 * self.state[p]["applied"])


w = torch.nn.Parameter(torch.ones(2))
optimizer = Momentum([w])
for scale in (1.0, 2.0):
    optimizer.zero_grad(set_to_none=False)
    (scale * w).sum().backward()
    optimizer.step()
print(optimizer.state[w]["applied"])  # 4, 4: it is 3, 3
"""
    instead = """\
import torch


class Momentum(torch.optim.Optimizer):
    def __init__(self, parameters):
        super().__init__(parameters, {})

    @torch.no_grad()
    def step(self):
        for p in self.param_groups[0]["params"]:
            previous = self.state[p].get("previous", torch.zeros_like(p))
            self.state[p]["applied"] = p.grad + previous
            self.state[p]["previous"] = p.grad.clone()
            p.sub_(0.1 * self.state[p]["applied"])


w = torch.nn.Parameter(torch.ones(2))
optimizer = Momentum([w])
for scale in (1.0, 2.0):
    optimizer.zero_grad(set_to_none=False)
    (scale * w).sum().backward()
    optimizer.step()
print(optimizer.state[w]["applied"])  # 3, 3
"""
    source = (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.zero_grad.html; checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak about what the audit saw by its witness."""
        if history.witness is Witness.LISTED_GRADIENTS:
            finding = self.diagnose(
                history,
                "a list keeps one gradient tensor once for each backward pass: each entry is the last gradient",
                helps=(Help("keep the values", "gradients.append(p.grad.clone())"),),
            )
            return relabelled(finding, Role.RAISE, "kept here, by reference")
        if history.witness is Witness.MINUS_ITSELF:
            finding = self.diagnose(
                history,
                "a gradient that was kept by reference is subtracted from itself: the difference is zero",
                helps=(Help("keep the value", "first = p.grad.clone()"),),
            )
            return relabelled(finding, Role.RAISE, "both sides are this tensor")
        if history.witness is Witness.PLUS_ITSELF:
            finding = self.diagnose(
                history,
                "a gradient that was kept by reference is added to itself: the sum is twice the last gradient",
                helps=(Help("begin the sum with a value", "total = p.grad.clone()"),),
            )
            return relabelled(finding, Role.RAISE, "both summands are this tensor")
        if history.witness is not Witness.KEPT_GRADIENT:
            return None
        title = history.subject.title or "an optimizer's state"
        return self.diagnose(
            history,
            f"{title} is the buffer of the gradient, and was overwritten with it",
            helps=(Help("keep the value", 'state["previous"] = p.grad.clone()'),),
        )
