"""GS201: a leaf that requires grad was the target of an in-place write."""

from __future__ import annotations

from gradsan.knowledge.remedies import construct_out_of_place, out_of_place_code, price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Writer, Written, shown_operation
from gradsan.model.history import History, TensorKind
from gradsan.model.rewrite import Remedy
from gradsan.rules.base import Rule, attempts


class LeafWritten(Rule):
    """A parameter, or an input made with `requires_grad=True`."""

    code = "GS201"
    name = "leaf-written"
    refusal = Refusal.LEAF
    summary = "A leaf that requires grad was written in place while gradients were recorded."
    explanation = """\
A *leaf* is where gradients end: a parameter, or a tensor on which `requires_grad` was set.
`.grad` belongs to the leaf. If an in-place operation were recorded on it, the tensor would become the *result* of that
operation, the value whose gradient was asked for would be gone, and `.grad` would never be filled.
PyTorch refuses at the write, whatever comes later.

Under `torch.no_grad()` the write is allowed and not recorded: that is how parameters are initialised and updated.
Inside a model, a tensor that a caller marked with `requires_grad_()` is a leaf as well:
code that writes to its argument works on intermediate tensors and fails on an input."""
    example = """\
import torch

weight = torch.nn.Parameter(torch.ones(3))
weight += 1  # RuntimeError
"""
    instead = """\
import torch

weight = torch.nn.Parameter(torch.ones(3))
with torch.no_grad():  # the parameter itself is set: initialisation, an update
    weight += 1
shifted = weight + 1  # a step of the computation: gradients flow through it
shifted.sum().backward()
"""
    source = (
        "torch/csrc/autograd/VariableTypeUtils.h (check_inplace);"
        " https://docs.pytorch.org/docs/stable/notes/autograd.html, section Setting requires_grad;"
        " checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the framework refused for this reason."""
        if self.refusal_in(history) is None:
            return None
        written = history.last(Written)
        title = history.subject.title or "a tensor"
        kind = "a parameter" if history.subject.kind is TensorKind.PARAMETER else "a leaf that requires grad"
        operation = f"`{shown_operation(written.operation)}`" if written is not None else "write"
        message = f"in-place {operation} {history.was} refused on {title}, {kind}"
        return self.diagnose(history, message, events=attempts(history), helps=_helps(history, written))


_OFF_TAPE = "with torch.no_grad():"


def _helps(history: History, written: Written | None) -> tuple[Help, ...]:
    price = price_of_copy(history.subject)
    code = out_of_place_code(written) if written is not None else ""
    if written is not None and written.writer is Writer.MODULE:
        return (construct_out_of_place(written, history.subject),)
    name = written.target.partition("[")[0] if written is not None else ""
    copy = f"{name} = {name}.clone()  # before the write" if name.isidentifier() else ""
    remedy = Remedy.OUT_OF_PLACE if code else Remedy.COPY_BEFORE_WRITE
    compute = Help(f"if this is a step of the computation: make a new tensor ({price})", code or copy, remedy)
    if written is not None and (written.is_step or f"{name}.grad" in (written.given or "")):
        return (Help("keep this step along the gradient off the tape", _OFF_TAPE, Remedy.OFF_TAPE),)
    update = Help(
        "if this sets the value itself (initialisation, an update): keep it off the tape", _OFF_TAPE, Remedy.OFF_TAPE
    )
    if written is not None and written.is_item_of_loop:
        return (update,)
    return (update, compute) if history.subject.kind is TensorKind.PARAMETER else (compute, update)
