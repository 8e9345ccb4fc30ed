"""GS404: under `vmap`, a tensor that is mapped over was to be written into one that is not."""

from __future__ import annotations

from gradsan.knowledge.remedies import out_of_place_code, price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Written, shown_operation
from gradsan.model.history import History
from gradsan.model.rewrite import Remedy
from gradsan.rules.base import Rule, attempts


class UnmappedTensorWritten(Rule):
    """`error = torch.zeros(n)` and then `error[0] = x` in a function under `vmap`, `jacrev`, `jacfwd` or `hessian`."""

    code = "GS404"
    name = "unmapped-tensor-written"
    refusal = Refusal.UNMAPPED
    summary = "Under `vmap`, a value that is mapped over was to be written in place into a tensor that is not."
    explanation = """\
A function under `vmap` sees one example, and computes a batch of them:
a value that depends on a mapped argument has one more dimension than it shows.
`torch.zeros(n)` inside of the function depends on no argument, so it has room for one example only,
and a write of a mapped value into it has nowhere to put the others. PyTorch refuses the write.

`torch.zeros_like(x)` and `x.new_zeros(n)` of a mapped `x` are mapped themselves, and may be written.
Rows that are computed one by one are better collected in a list and stacked.

`jacfwd`, `jacrev` and `hessian` map too: over the directions in which they differentiate."""
    example = """\
import torch


def residuals(x):
    out = torch.zeros(2)
    out[0] = x.sum()  # RuntimeError
    out[1] = x.prod()
    return out


torch.func.vmap(residuals)(torch.ones(4, 3))
"""
    instead = """\
import torch


def residuals(x):
    out = x.new_zeros(2)
    out[0] = x.sum()
    out[1] = x.prod()
    return out


torch.func.vmap(residuals)(torch.ones(4, 3))
"""
    source = "https://docs.pytorch.org/docs/stable/func.ux_limitations.html; checked with torch 2.13.0"

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the framework refused for this reason."""
        if self.refusal_in(history) is None:
            return None
        written = history.last(Written)
        title = history.subject.title or "a tensor"
        operation = f"in-place `{shown_operation(written.operation)}`" if written and written.operation else "a write"
        message = f"{operation} of a mapped value {history.was} refused on {title}, which is not mapped"
        helps = [Help("make it from a mapped tensor, so that it is mapped too", "", Remedy.MADE_MAPPED)]
        code = out_of_place_code(written) if written is not None else ""
        if code:
            helps.append(Help(f"or write out of place ({price_of_copy(history.subject)})", code))
        return self.diagnose(history, message, events=attempts(history), helps=tuple(helps))
