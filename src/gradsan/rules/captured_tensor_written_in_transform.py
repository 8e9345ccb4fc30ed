"""GS403: a function that a transform differentiates was to write a tensor from outside of it."""

from __future__ import annotations

from gradsan.knowledge.remedies import out_of_place_code, price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Written, shown_operation
from gradsan.model.history import History
from gradsan.rules.base import Rule, attempts


class CapturedTensorWrittenInTransform(Rule):
    """A cache, a buffer or a running sum, written under `torch.func.grad`, `vjp`, `jvp` or `jacrev`."""

    code = "GS403"
    name = "captured-tensor-written-in-transform"
    refusal = Refusal.CAPTURED
    summary = "A function under `torch.func.grad`, `vjp`, `jvp` or `jacrev` was to write a tensor made outside of it."
    explanation = """\
`torch.func.grad(f)` differentiates `f` as a function of its arguments.
Inside of it every value that depends on an argument is a wrapper that only lives as long as the call;
a tensor that `f` captured (a module's buffer, a key-value cache, a global) was made outside and is none.
Writing a value with a gradient into it would let the wrapper escape,
and the tensor would be another one the next time `f` is called. PyTorch refuses the write.

Plain `backward()` allows the same code, which is why a model that trains fails here:
batch norm in training mode, caches and running statistics are the usual places."""
    example = """\
import torch

total = torch.zeros(())


def loss(x):
    total.add_(x.square().sum())  # RuntimeError
    return total


torch.func.grad(loss)(torch.ones(3))
"""
    instead = """\
import torch

total = torch.zeros(())


def loss(x):
    return total + x.square().sum()


torch.func.grad(loss)(torch.ones(3))
"""
    source = "https://docs.pytorch.org/docs/stable/func.ux_limitations.html; checked with torch 2.13.0"

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the framework refused for this reason."""
        if self.refusal_in(history) is None:
            return None
        written = history.last(Written)
        title = history.subject.title or "a tensor"
        operation = f"in-place `{shown_operation(written.operation)}`" if written and written.operation else "a write"
        message = f"{operation} {history.was} refused on {title}, which the differentiated function captured"
        code = out_of_place_code(written) if written is not None else ""
        helps = (
            Help(f"write out of place ({price_of_copy(history.subject)})", code),
            Help("or hand the tensor in as an argument, and return what it becomes"),
        )
        return self.diagnose(history, message, events=attempts(history), helps=helps)
