"""GS357: one tensor is the gradient of two leaves, and both accumulate into it."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help, Role
from gradsan.model.history import History, Witness
from gradsan.rules.base import Rule, relabelled


class GradientOfTwoLeaves(Rule):
    """Each backward adds to what it finds."""

    code = "GS357"
    name = "gradient-of-two-leaves"
    precedence = 50
    summary = "One tensor was given to two leaves as their gradient, and backward accumulated both gradients into it."
    explanation = """\
Backward adds a gradient to the tensor that it finds in `.grad`.
Where two leaves have one tensor there, or views of one buffer that overlap,
each of them ends with the sum of both gradients.
Nothing is saved, so nothing is checked.

Sharing is harmless while only one of the leaves takes part in backward:
the shared model of an asynchronous training never does."""
    example = """\
import torch

a = torch.ones(3, requires_grad=True)
b = torch.ones(3, requires_grad=True)
a.grad = b.grad = torch.zeros(3)
(2 * a + 5 * b).sum().backward()
print(a.grad)  # 7, 7, 7: the gradient is 2, 2, 2
"""
    instead = """\
import torch

a = torch.ones(3, requires_grad=True)
b = torch.ones(3, requires_grad=True)
a.grad, b.grad = torch.zeros(3), torch.zeros(3)
(2 * a + 5 * b).sum().backward()
print(a.grad)  # 2, 2, 2
"""
    source = (
        "https://docs.pytorch.org/docs/stable/generated/torch.Tensor.backward.html (gradients are accumulated in the"
        " leaves); checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak about what the audit saw by its witness."""
        if history.witness is not Witness.GRADIENT_OF_TWO:
            return None
        finding = self.diagnose(
            history,
            "one tensor was the gradient of two leaves, and backward accumulated both gradients into it",
            helps=(Help("give each leaf a tensor of its own", "b.grad = shared.clone()"),),
        )
        finding = relabelled(finding, Role.WRITE, "given to a second leaf here")
        return relabelled(finding, Role.RAISE, "both leaves accumulated into it")
