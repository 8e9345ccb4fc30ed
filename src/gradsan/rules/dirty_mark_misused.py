"""GS210: a custom Function wrote to an input and marked it in a way that the engine can't follow."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Written
from gradsan.model.history import History
from gradsan.rules.base import Rule


class DirtyMarkMisused(Rule):
    """`ctx.mark_dirty` without returning the tensor, on a leaf, on a view beside other results."""

    code = "GS210"
    name = "dirty-mark-misused"
    refusal = Refusal.DIRTY_MARK
    summary = (
        "A custom `Function` marked a tensor dirty that it did not return, a leaf, or a view beside other results."
    )
    explanation = """\
Inside `forward` of a custom `Function` nothing is recorded, and a write to an input would go unnoticed.
`ctx.mark_dirty(x)` declares it: the engine then hangs the Function's node on `x` itself.
That can work only where

- `x` is an input and is *returned*: its new history must have an output to stand on;
- `x` is not a leaf that requires grad: the leaf would become a result, and its gradient would be lost;
- `x` is not a view when the Function returns several tensors: the base's history can be rebuilt for one output only;
- what is marked is a tensor.

Otherwise PyTorch raises at `apply`, after `forward` has already written.
Leaving the mark out is no cure: the write then goes unseen and the gradient is wrong without an error."""
    example = """\
import torch


class Shift(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        x.add_(1)
        return x * 2  # x itself is not returned

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


h = torch.ones(3, requires_grad=True) * 2
Shift.apply(h)  # RuntimeError
"""
    instead = """\
import torch


class Shift(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.add_(1)

    @staticmethod
    def backward(ctx, grad):
        return grad


h = torch.ones(3, requires_grad=True) * 2
(Shift.apply(h) * 2).sum().backward()
"""
    source = (
        "torch/csrc/autograd/custom_function.cpp (_process_backward_mode_ad);"
        " https://docs.pytorch.org/docs/stable/generated/torch.autograd.function.FunctionCtx.mark_dirty.html;"
        " checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the framework refused for this reason."""
        raised = self.refusal_in(history)
        if raised is None:
            return None
        written = history.last(Written)
        title = history.subject.title or "a tensor"
        where = f" by `{written.operation}`" if written is not None and "." in written.operation else ""
        wrong, cure = _complaint(raised.message)
        return self.diagnose(history, f"{title} {history.was} marked dirty{where}, but {wrong}", helps=(cure,))


def _complaint(message: str) -> tuple[str, Help]:
    """Return what is wrong with the mark, and the cure."""
    out_of_place = "or write out of place in `forward` and drop the mark (costs one copy)"
    if "not returned as output" in message:
        return "it is not returned", Help(f"return the marked tensor itself, {out_of_place}", "return x.add_(1)")
    if "leaf Variable" in message:
        return "it is a leaf that requires grad", Help(
            f"give the Function a tensor that is no leaf, {out_of_place}", "F.apply(x.clone())"
        )
    if "is a view of another Tensor" in message:
        return "it is a view and the Function returns several tensors", Help(
            "give the Function a copy of the view (costs one copy), or return one tensor", "F.apply(x.clone())"
        )
    return "the mark is not a tensor", Help("pass the tensors that `forward` wrote to", "ctx.mark_dirty(x)")
