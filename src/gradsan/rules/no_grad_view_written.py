"""GS204: a view that was made without gradients was written with them."""

from __future__ import annotations

from gradsan.knowledge.error_texts import recognise
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Written, shown_operation
from gradsan.model.history import History
from gradsan.rules.base import Rule, attempts


class NoGradViewWritten(Rule):
    """The view inside `no_grad` or `inference_mode`, the write outside."""

    code = "GS204"
    name = "no-grad-view-written"
    refusal = Refusal.NO_GRAD_VIEW
    summary = "A view made under `no_grad` or `inference_mode` was written in place where gradients are recorded."
    explanation = """\
A view that is made under `torch.no_grad()` shares memory with its base, but no node ties it to the base.
A write to it where gradients are recorded is ambiguous: is it part of the computation, so that the gradient of the base
should know of it, or a silent update, as the `no_grad` block suggests?
PyTorch refuses to guess. Put the view and the write on the same side of the block.

The same holds when the base is written with gradients and the view is used afterwards."""
    example = """\
import torch

x = torch.ones(4, requires_grad=True)
h = x * 2
with torch.no_grad():
    head = h[:2]
head.mul_(3)  # RuntimeError
"""
    instead = """\
import torch

x = torch.ones(4, requires_grad=True)
h = x * 2
head = h[:2]
head.mul_(3)  # recorded: the gradient of x[:2] is 6
h.sum().backward()
"""
    source = (
        "torch/csrc/autograd/variable.cpp (handle_view_on_rebase, CreationMeta::NO_GRAD_MODE);"
        " https://github.com/pytorch/pytorch/pull/32839; checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the framework refused for this reason."""
        raised = self.refusal_in(history)
        if raised is None:
            return None
        said = recognise(raised.message)
        mode = (said.view_mode if said is not None else None) or "no_grad"
        written = history.last(Written)
        title = history.subject.title or "a tensor"
        helps = (
            Help("make the view where gradients are recorded, if the write is part of the computation"),
            Help("or move the write into the block, if it must not be recorded", f"with torch.{mode}():"),
        )
        if said is not None and said.written_elsewhere:
            message = f"the base of {title}, a view made under `{mode}`, {history.was} modified in place before its use"
            return self.diagnose(history, message, helps=helps)
        operation = f"`{shown_operation(written.operation)}`" if written is not None else "write"
        message = f"in-place {operation} {history.was} refused on {title}, a view made under `{mode}`"
        return self.diagnose(history, message, events=attempts(history), helps=helps)
