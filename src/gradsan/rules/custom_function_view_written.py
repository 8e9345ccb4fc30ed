"""GS205: a view that a custom Function returned was written in place."""

from __future__ import annotations

from gradsan.knowledge.error_texts import recognise
from gradsan.knowledge.remedies import copy_to_write, out_of_place_code, price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Viewed, Written, shown_operation
from gradsan.model.history import History
from gradsan.model.rewrite import Remedy
from gradsan.rules.base import Rule, attempts


class CustomFunctionViewWritten(Rule):
    """An input returned as it is, or a view of one."""

    code = "GS205"
    name = "custom-function-view-written"
    refusal = Refusal.CUSTOM_FUNCTION_VIEW
    summary = "The result of a custom `autograd.Function`, a view of its input, was written in place."
    explanation = """\
A custom `Function` whose `forward` returns its input as it is, or a view of it, hands out a window on the input's
memory that has the Function's own `backward` as its node.
A recorded write to that window would make the engine rebuild the node as a plain view, and the custom `backward` would
be skipped without a word. PyTorch refuses at the write.

Gradient reversal, straight-through estimators, communication regions of parallel layers and hooks on activations are
built this way, so the write is often in somebody else's file.
Nodes named `Alias` come from framework functions that return their input."""
    example = """\
import torch


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x  # a view of the input

    @staticmethod
    def backward(ctx, grad):
        return -grad


h = Reverse.apply(torch.ones(3, requires_grad=True) * 2)
h += 1  # RuntimeError
"""
    instead = """\
import torch


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return -grad


h = Reverse.apply(torch.ones(3, requires_grad=True) * 2)
h += 1
h.sum().backward()
"""
    source = (
        "torch/csrc/autograd/variable.cpp (handle_view_on_rebase, CreationMeta::IN_CUSTOM_FUNCTION);"
        " torch/csrc/autograd/custom_function.cpp (_view_as_self_with_no_grad); checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the framework refused for this reason."""
        raised = self.refusal_in(history)
        if raised is None:
            return None
        said = recognise(raised.message)
        viewed, written = history.last(Viewed), history.last(Written)
        function = (said.operation if said is not None else None) or (viewed.operation if viewed is not None else "")
        title = history.subject.title or "a tensor"
        view = f"a view that `{function}` returned" if function else "a view that a custom Function returned"
        if said is not None and said.written_elsewhere:
            message = f"the base of {title}, {view}, {history.was} modified in place before the view was used"
            helps = (Help(f"let the Function return a copy ({price_of_copy(history.subject)})"),)
            return self.diagnose(history, message, helps=helps)
        operation = f"`{shown_operation(written.operation)}`" if written is not None else "write"
        message = f"in-place {operation} {history.was} refused on {title}, {view}"
        return self.diagnose(history, message, events=attempts(history), helps=_helps(history, written))


def _helps(history: History, written: Written | None) -> tuple[Help, ...]:
    price = price_of_copy(history.subject)
    code = out_of_place_code(written) if written is not None else ""
    clone = copy_to_write(written.target if written is not None else "", history.subject.name)
    copy = Help(f"write to a copy ({price})", clone, Remedy.COPY_BEFORE_WRITE)
    first = Help(f"write out of place ({price})", code, Remedy.OUT_OF_PLACE) if code else copy
    return (first, Help(f"or let `forward` of the Function return a copy ({price})"))
