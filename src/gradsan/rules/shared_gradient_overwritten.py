"""GS353: a gradient that others wait for was overwritten."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.history import History, Witness
from gradsan.rules.base import Rule


class SharedGradientOverwritten(Rule):
    """The engine gives one buffer to several consumers."""

    code = "GS353"
    name = "shared-gradient-overwritten"
    precedence = 50
    summary = "A hook or a custom backward overwrites a gradient while other nodes wait for the same buffer."
    explanation = """\
The backward of a sum hands the same gradient tensor to both of its branches.
Whoever overwrites the gradient he is given, in a tensor hook or in a custom backward,
overwrites what the other branch will receive. No version is compared for gradients.

Whether it harms depends on the order in which the engine runs the branches:
it is told only where somebody else still held the buffer.

A custom backward that returns a buffer of its own, and fills it anew when it is called again, does the same:
the engine still holds what was returned first, where it is to be added to another gradient.
A tensor over an array (`torch.from_numpy(buffer)`) becomes the `.grad` of a leaf as it is, without a copy:
filling the array anew changes the gradient that the next one is added to.
So does a view, or a detached alias, of a buffer: a slice of a workspace, or the static gradients of a captured step."""
    example = """\
import torch


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.mul_(2)  # the buffer is the other branch's too


a = torch.ones(3, requires_grad=True)
b = torch.ones(3, requires_grad=True)
left = b.exp()
((left + Double.apply(a)) * 1).sum().backward()
print(b.grad)  # 5.4, 5.4, 5.4: the gradient is 2.7, 2.7, 2.7
"""
    instead = """\
import torch


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * 2


a = torch.ones(3, requires_grad=True)
b = torch.ones(3, requires_grad=True)
left = b.exp()
((left + Double.apply(a)) * 1).sum().backward()
print(b.grad)  # 2.7, 2.7, 2.7
"""
    source = "https://docs.pytorch.org/docs/stable/generated/torch.Tensor.register_hook.html; checked with torch 2.13.0"

    def judge(self, history: History) -> Diagnostic | None:
        """Speak about what was seen of a gradient."""
        if history.witness is Witness.RETURNED_GRADIENT:
            return self.diagnose(
                history,
                "a gradient that a custom backward had returned was overwritten before it was used",
                notes=("the engine holds it, to add others to it or as the `.grad` of a leaf",),
                helps=(Help("return a copy", "return buffer.clone()  # in place of buffer"),),
            )
        if history.witness is not Witness.GRADIENT:
            return None
        return self.diagnose(
            history,
            "a gradient was overwritten in place while other nodes waited for the same buffer",
            notes=("the nodes that run later receive the overwritten gradient",),
            helps=(Help("compute a new tensor", "return grad_output * scale  # in place of grad_output.mul_(scale)"),),
        )
