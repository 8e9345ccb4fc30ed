"""GS352: a custom Function overwrote its input without saying so."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Written
from gradsan.model.history import History, Witness
from gradsan.rules.base import Rule


class FunctionInputWritten(Rule):
    """Neither `mark_dirty` nor a version tells the graph."""

    code = "GS352"
    name = "function-input-written"
    precedence = 50
    summary = "The forward of a custom Function overwrites its input, and nothing tells the graph."
    explanation = """\
A custom Function may overwrite an input when it says so with `ctx.mark_dirty(x)`.
Then the version counter moves, and the graph goes on from the new value.
When `forward` writes through `x.data`, NumPy, or a kernel, neither happens:
whoever saved `x` before computes with the new value,
and the gradient flows to `x` as if it still were what it was.

`ctx.save_for_backward(x)` before `x.mul_(...)` saves the new value:
the engine takes what it was given to save when `forward` has ended, with the version of then."""
    example = """\
import torch


class Clip(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x.detach().numpy().clip(0, 1, out=x.detach().numpy())  # the input itself
        return x.sum()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.expand(3)


x = torch.full((3,), 2.0, requires_grad=True)
y = x * 3
Clip.apply(y)
print(y)  # 1, 1, 1
"""
    instead = """\
import torch


class Clip(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clamp(0, 1).sum()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.expand(3)


x = torch.full((3,), 2.0, requires_grad=True)
y = x * 3
Clip.apply(y)
print(y)  # 6, 6, 6
"""
    source = (
        "https://docs.pytorch.org/docs/stable/generated/torch.autograd.function.FunctionCtx.mark_dirty.html;"
        " checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak about what the audit saw by its witness."""
        if history.witness is not Witness.FUNCTION_INPUT:
            return None
        written = history.first(Written)
        was_saved = written is not None and written.version != written.version_before
        return self.diagnose(
            history,
            "the forward of a custom Function overwrote its input without announcing it",
            notes=(_SAVED if was_saved else "the graph goes on as if the input held what it held before",),
            helps=(*((Help("save a copy", "ctx.save_for_backward(x.clone())"),) if was_saved else ()), _ANNOUNCE),
        )


_SAVED = "`save_for_backward` was given it before: backward reads what was written"
_ANNOUNCE = Help("write to a copy, or announce the write", "ctx.mark_dirty(x)  # and write with x.op_(...)")
