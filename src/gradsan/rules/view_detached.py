"""GS211: a view was to be cut from its graph in place."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Written
from gradsan.model.history import History
from gradsan.rules.base import Rule, attempts


class ViewDetached(Rule):
    """`hidden[0].detach_()`, `for h in hidden: h.detach_()`, and `zero_grad` of gradients that are views."""

    code = "GS211"
    name = "view-detached"
    refusal = Refusal.VIEW_DETACHED
    summary = "`detach_` was called on a view, whose history is that of its base."
    explanation = """\
A view has no history of its own: it follows its base. `detach_` would have to cut the base as well,
so PyTorch refuses it on every view, and asks for `detach()`, which makes a new tensor and cuts nothing.

The usual program cuts the state of a recurrent network that is stacked in one tensor:
indexing it, or looping over it, makes views. Cut the whole tensor, and bind the result.

`optimizer.zero_grad(set_to_none=False)` meets it where gradients are views of a flat buffer
(`DistributedDataParallel(gradient_as_bucket_view=True)`) and were made with `create_graph=True`."""
    example = """\
import torch

x = torch.ones(2, 3, requires_grad=True)
hidden = x * 2
for layer in hidden:
    layer.detach_()  # RuntimeError
"""
    instead = """\
import torch

x = torch.ones(2, 3, requires_grad=True)
hidden = x * 2
hidden = hidden.detach()
"""
    source = (
        "https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach_.html;"
        " torch/csrc/autograd/VariableTypeManual.cpp (detach_); checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the framework refused for this reason."""
        if self.refusal_in(history) is None:
            return None
        written = history.last(Written)
        title = history.subject.title or "a tensor"
        name = (written.target if written is not None else "") or history.subject.name
        helps = (
            Help("cut a new tensor instead (copies nothing)", f"{name} = {name}.detach()" if name else ".detach()"),
            Help("or cut the tensor that the view is a part of, and bind what comes back", "hidden = hidden.detach()"),
        )
        message = f"`detach_` {history.was} refused on {title}, a view"
        return self.diagnose(history, message, events=attempts(history), helps=helps)
