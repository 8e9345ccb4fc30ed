"""GS351: a tensor that a custom Function keeps on `ctx` was overwritten."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help, Role
from gradsan.model.event import Written
from gradsan.model.history import History, Witness
from gradsan.rules.base import Rule, relabelled


class ContextTensorOverwritten(Rule):
    """Attributes of `ctx` are not saved tensors: nobody compares versions."""

    code = "GS351"
    name = "context-tensor-overwritten"
    precedence = 50
    summary = "A tensor that a custom Function keeps as an attribute of ctx was overwritten before its backward."
    explanation = """\
`ctx.save_for_backward(x)` notes the version of `x`, and backward raises where it moved.
`ctx.x = x` keeps a reference and nothing else.
A write to `x` between forward and backward then changes what the backward formula reads, without an error.

The same goes for what a forward leaves on an object that outlives the call (`ctx.scratch = scratch`, the class itself):
a second call before the backward of the first one replaces it.

Keeping a tensor on `ctx` also keeps its graph alive, which can leak memory."""
    example = """\
import torch


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x  # no version is noted
        return x * x

    @staticmethod
    def backward(ctx, grad_output):
        return 2 * ctx.x * grad_output


x = torch.ones(3, requires_grad=True)
y = Square.apply(x)
with torch.no_grad():
    x.mul_(5)
y.sum().backward()
print(x.grad)  # 10, 10, 10: the gradient is 2, 2, 2
"""
    instead = """\
import torch


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)  # backward raises if x is overwritten
        return x * x

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * x * grad_output


x = torch.ones(3, requires_grad=True)
y = Square.apply(x)
y.sum().backward()
with torch.no_grad():
    x.mul_(5)
print(x.grad)  # 2, 2, 2
"""
    source = (
        "https://docs.pytorch.org/docs/stable/notes/extending.html, section Extending torch.autograd;"
        " checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak about what the audit saw by its witness."""
        if history.witness is not Witness.CONTEXT:
            return None
        title = history.subject.title or "a tensor"
        written = history.last(Written)
        if written is not None and written.operation.endswith(" ="):
            finding = self.diagnose(
                history,
                f"{title} was replaced before the backward of the custom Function that reads it",
                notes=("what it is an attribute of is not that of one call: backward uses what the last call left",),
                helps=(Help("keep it on the context of the call", "ctx.save_for_backward(x)"),),
            )
            return relabelled(finding, Role.WRITE, "replaced here, by a later call")
        return self.diagnose(
            history,
            f"{title} was overwritten before the backward of the custom Function that keeps it",
            notes=("an attribute of `ctx` has no version check: backward uses the new value",),
            helps=(Help("save it, so that the mistake is an error", "ctx.save_for_backward(x)"),),
        )
