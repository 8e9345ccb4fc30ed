"""GS203: one of several views that an operation returned was written in place."""

from __future__ import annotations

from gradsan.knowledge.error_texts import recognise
from gradsan.knowledge.remedies import copy_to_write, out_of_place_code, price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Viewed, Written, shown_operation
from gradsan.model.history import History
from gradsan.model.rewrite import Remedy
from gradsan.rules.base import Rule, attempts


class MultiOutputViewWritten(Rule):
    """`chunk`, `split`, `unbind`, and iterating over a tensor."""

    code = "GS203"
    name = "multi-output-view-written"
    refusal = Refusal.MULTI_OUTPUT_VIEW
    summary = (
        "A view returned together with others (`chunk`, `split`, `unbind`, a loop over rows) was written in place."
    )
    explanation = """\
`chunk`, `split`, `unbind` and `for row in tensor` return several views from *one* node of the graph.
After a recorded write through one view, the engine would have to rebuild the node of each of the others,
and a node with several outputs cannot be rebuilt for one of them.
PyTorch refuses the write; a slice of such a view (`rows[0][2]`) is refused as well.

When the base, or another view of it, is written instead, the error comes later:
the first *use* of one of these views raises "its base or another view of its base has been modified inplace".
A write under `no_grad` counts too.

Single slices (`x[:, :4]`, `x.narrow(...)`, `x.select(...)`) have a node each and may be written."""
    example = """\
import torch

x = torch.ones(4, 6, requires_grad=True)
scale, shift = (x * 2).chunk(2, dim=1)
scale.exp_()  # RuntimeError
"""
    instead = """\
import torch

x = torch.ones(4, 6, requires_grad=True)
scale, shift = (x * 2).chunk(2, dim=1)
scale = scale.exp()
(scale + shift).sum().backward()
"""
    source = (
        "torch/csrc/autograd/variable.cpp (handle_view_on_rebase, NOTE [ View + Inplace detection ]);"
        " checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the framework refused for this reason."""
        raised = self.refusal_in(history)
        if raised is None:
            return None
        said = recognise(raised.message)
        viewed, written = history.last(Viewed), history.last(Written)
        maker = viewed.operation if viewed is not None else (said.operation or "") if said is not None else ""
        title = history.subject.title or "a view"
        one_of = f"one of several views that `{maker}` returned" if maker else "one of several views of a tensor"
        if said is not None and said.written_elsewhere:
            message = f"the base of {title}, {one_of}, {history.was} modified in place before the view was used"
            helps = (Help(f"take copies of the views before the write ({price_of_copy(history.subject)})"),)
            return self.diagnose(history, message, helps=helps)
        operation = f"`{shown_operation(written.operation)}`" if written is not None else "write"
        message = f"in-place {operation} {history.was} refused on {title}, {one_of}"
        return self.diagnose(history, message, events=attempts(history), helps=_helps(history, written))


def _helps(history: History, written: Written | None) -> tuple[Help, ...]:
    code = out_of_place_code(written) if written is not None else ""
    price = price_of_copy(history.subject)
    clone = copy_to_write(written.target if written is not None else "", history.subject.name)
    slices = "take the views one by one, by index or slice: these may be written"
    if written is not None and written.is_item_of_loop:
        return (Help(slices, "", Remedy.SINGLE_VIEWS),)
    if written is not None and written.is_lost and written.span is not None:
        own = f"or hand `{written.span.function}` a copy, where the caller's tensor is not to be written ({price})"
        return (Help(slices, "", Remedy.SINGLE_VIEWS), Help(own))
    copy = Help(f"write to a copy of this view ({price})", clone, Remedy.COPY_BEFORE_WRITE)
    alone = ", where no other name must see the write"
    first = Help(f"write out of place{alone} ({price})", code, Remedy.OUT_OF_PLACE) if code else copy
    return (first, Help(f"or {slices}", "", Remedy.SINGLE_VIEWS))
