"""GS108: a saved tensor was cut from its graph in place."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Saved, Written
from gradsan.model.history import History
from gradsan.rules.base import Rule


class SavedTensorDetached(Rule):
    """`h.detach_()`, or `zero_grad` of a gradient that has a graph."""

    code = "GS108"
    name = "saved-tensor-detached"
    refusal = Refusal.SAVED_DETACHED
    summary = "A tensor was cut from its graph by `detach_` after an operation had saved it for its backward."
    explanation = """\
`h.detach_()` mutates no value: it takes away the node that `h` came from.
An operation that saved `h` as its input keeps the very tensor, and finds in backward that its node has gone.
The gradient could not flow on to what `h` was computed from, so PyTorch raises
"Trying to use a saved tensor that has been detached in-place".

Two programs meet it: a recurrent loop that cuts its state with `detach_()` while a loss still reaches back over it,
and an optimizer whose `zero_grad(set_to_none=False)` detaches gradients that were made with `create_graph=True`."""
    example = """\
import torch

x = torch.ones(3, requires_grad=True)
h = x * 2
loss = (h * h).sum()  # saves h
h.detach_()
loss.backward()  # RuntimeError
"""
    instead = """\
import torch

x = torch.ones(3, requires_grad=True)
h = x * 2
loss = (h * h).sum()
h = h.detach()  # a new tensor; what was saved stays in its graph
loss.backward()
"""
    source = (
        "https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach_.html;"
        " torch/csrc/autograd/saved_variable.cpp (SavedVariable::unpack); checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the framework refused for this reason."""
        if self.refusal_in(history) is None:
            return None
        saved, cut = history.first(Saved), history.last(Written)
        title = history.subject.title or "a tensor"
        saver = f"`{saved.operation}` saved it" if saved is not None and saved.operation else "it was saved"
        message = f"{title} {history.was} cut from its graph in place after {saver} for backward"
        code = f"{cut.target} = {cut.target}.detach()" if cut is not None and cut.target else ""
        helps = (
            Help("cut a new tensor instead (copies nothing)", code or "h = h.detach()"),
            Help("let `zero_grad` drop gradients that have a graph", "optimizer.zero_grad(set_to_none=True)"),
        )
        return self.diagnose(history, message, helps=helps[:1] if code else helps[::-1])
