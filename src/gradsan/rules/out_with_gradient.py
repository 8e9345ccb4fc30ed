"""GS212: a result that has a gradient was to be written into `out=`."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Written
from gradsan.model.history import History
from gradsan.rules.base import Rule, attempts


class OutWithGradient(Rule):
    """`torch.add(x, y, out=z)` where one of the three requires grad and gradients are recorded."""

    code = "GS212"
    name = "out-with-gradient"
    refusal = Refusal.OUT_WITH_GRADIENT
    summary = "A function was to write into `out=` while an argument, or `out` itself, requires grad."
    explanation = """\
A function with `out=` overwrites a tensor and has no node in the graph: its backward would not know of the write.
PyTorch refuses it as soon as one argument, or the tensor given as `out`, requires grad and gradients are recorded.

Take the result as a new tensor. Where no gradient is wanted, say so with `torch.no_grad()`:
there `out=` is a write like any other."""
    example = """\
import torch

weight = torch.ones(3, requires_grad=True)
scaled = torch.empty(3)
torch.mul(weight, 2, out=scaled)  # RuntimeError
"""
    instead = """\
import torch

weight = torch.ones(3, requires_grad=True)
scaled = torch.mul(weight, 2)
scaled.sum().backward()
"""
    source = (
        "tools/autograd/gen_variable_type.py (check_no_requires_grad),"
        " torch/csrc/autograd/VariableTypeUtils.h (throw_error_out_requires_grad); checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the framework refused for this reason."""
        if self.refusal_in(history) is None:
            return None
        written = history.last(Written)
        title = history.subject.title or "a tensor"
        function = f"`torch.{written.operation}`" if written is not None and written.operation else "a function"
        helps = (
            Help("take the result as a new tensor: leave `out=` away, and bind what the function returns"),
            Help("or write where gradients are not recorded, if none is wanted", "with torch.no_grad():"),
        )
        message = f"the result of {function} {history.was} refused in {title} as `out`, for its gradient is recorded"
        return self.diagnose(history, message, events=attempts(history), helps=helps)
