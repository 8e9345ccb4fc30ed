"""GS202: a view of a leaf that requires grad was the target of an in-place write."""

from __future__ import annotations

from gradsan.knowledge.remedies import copy_to_write, price_of_written_copy
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Written, shown_operation
from gradsan.model.history import History, TensorKind
from gradsan.model.rewrite import Remedy
from gradsan.rules.base import Rule, attempts


class LeafViewWritten(Rule):
    """`x[0] = 5.` on a leaf, `weight[:, 0].zero_()`, `weight.view(-1).copy_(...)`."""

    code = "GS202"
    name = "leaf-view-written"
    refusal = Refusal.LEAF_VIEW
    summary = "A part of a leaf that requires grad was written in place while gradients were recorded."
    explanation = """\
An index assignment writes through a view: `weight[0] = 5.` is a write to `weight[0]`, a window on `weight`.
A recorded write through a view rewrites the history of its base as well.
When the base is a leaf that requires grad (a parameter, an input with `requires_grad=True`), the leaf would stop being
one, and its gradient would have nowhere to go. PyTorch refuses at the write.

Under `torch.no_grad()` the write is allowed and not recorded; make the view inside the block as well."""
    example = """\
import torch

x = torch.ones(3, requires_grad=True)
x[0] = 5.0  # RuntimeError
"""
    instead = """\
import torch

x = torch.ones(3, requires_grad=True)
y = x.clone()
y[0] = 5.0  # x[0] gets no gradient through y, as it should be
y.sum().backward()
"""
    source = (
        "torch/csrc/autograd/VariableTypeUtils.h (check_inplace);"
        " https://docs.pytorch.org/docs/stable/tensor_view.html; checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the framework refused for this reason."""
        if self.refusal_in(history) is None:
            return None
        written = history.last(Written)
        is_parameter = history.subject.kind is TensorKind.PARAMETER
        leaf = "a parameter" if is_parameter else "a leaf that requires grad"
        operation = f"`{shown_operation(written.operation)}`" if written is not None else "write"
        name = (written.target.partition("[")[0] if written is not None else "") or history.subject.name
        # A module takes nothing but a parameter under a parameter's name.
        own = name.rpartition(".")[2] if is_parameter and "(" not in name else name
        code = copy_to_write(name) if own == name else f"{own} = {name}.clone()  # write to this"
        price = price_of_written_copy(written, history.subject)
        copy = Help(f"if this is a step of the computation: write to a copy ({price})", code, Remedy.COPY_BEFORE_WRITE)
        update = Help(
            "if this sets the value itself (initialisation, an update): keep it and its view off the tape",
            "with torch.no_grad():",
            Remedy.OFF_TAPE,
        )
        return self.diagnose(
            history,
            f"in-place {operation} {history.was} refused on {_what(history, written, leaf)}",
            events=attempts(history),
            helps=(update, copy) if is_parameter else (copy, update),
        )


def _what(history: History, written: Written | None, leaf: str) -> str:
    """Say what was to be written: an item assignment names the leaf, any other write its own target, a view."""
    title = history.subject.title
    is_assignment = written is not None and written.operation == "__setitem__"
    if title and (history.subject.qualified_name or is_assignment or written is None):
        return f"a view of {title}, {leaf}"
    return f"`{written.target}`, a view of {leaf}" if written is not None and written.target else f"a view of {leaf}"
