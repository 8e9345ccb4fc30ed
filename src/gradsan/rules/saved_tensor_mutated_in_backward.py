"""GS107: a custom backward or a hook wrote to a tensor that a graph has saved."""

from __future__ import annotations

from gradsan.knowledge.remedies import out_of_place_code, price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Writer
from gradsan.model.history import History
from gradsan.rules.base import Rule


class SavedTensorMutatedInBackward(Rule):
    """`ctx.saved_tensors` are not scratch memory."""

    code = "GS107"
    name = "saved-tensor-mutated-in-backward"
    refusal = Refusal.SAVED_OVERWRITTEN
    precedence = 40
    summary = "A custom `Function.backward` or a hook modified a saved tensor in place while backward ran."
    explanation = """\
`ctx.saved_tensors` hands out the saved tensors themselves, not copies.
A `backward` that scales one of them in place, or writes its gradient into one, mutates what the graph keeps.
The first pass can go through; a second one over the same graph
(`retain_graph=True`, a Jacobian row by row, `gradcheck`, two losses) finds a moved version counter and raises.
The same holds for tensor hooks and module hooks that write to an activation,
and for a `backward` that writes to `grad_output`, which other nodes may share."""
    example = """\
import torch


class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(weight)
        return x * weight

    @staticmethod
    def backward(ctx, grad):
        (weight,) = ctx.saved_tensors
        return weight.mul_(grad), None  # writes into the saved weight


x, weight = torch.ones(3, requires_grad=True), torch.ones(3)
y = Scale.apply(x, weight).sum()
y.backward(retain_graph=True)
y.backward()  # RuntimeError
"""
    instead = """\
import torch


class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(weight)
        return x * weight

    @staticmethod
    def backward(ctx, grad):
        (weight,) = ctx.saved_tensors
        return weight * grad, None


x, weight = torch.ones(3, requires_grad=True), torch.ones(3)
y = Scale.apply(x, weight).sum()
y.backward(retain_graph=True)
y.backward()
"""
    source = (
        "https://docs.pytorch.org/docs/stable/generated/torch.autograd.function.FunctionCtx.save_for_backward.html;"
        " https://docs.pytorch.org/docs/stable/notes/extending.html; checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the first write was made while a backward pass ran."""
        story = history.overwriting()
        if story is None or story.first is None or story.first.writer is not Writer.BACKWARD:
            return None
        title = history.subject.title or "a saved tensor"
        saver = f", that `{story.saved.operation}` saved," if story.saved is not None else ""
        code = out_of_place_code(story.first)
        return self.diagnose(
            history,
            f"{title}{saver} {history.was} modified in place during backward",
            helps=(Help(f"write to a new tensor in `backward` ({price_of_copy(history.subject)})", code),),
        )
