"""GS207: an inference tensor was written in place outside inference mode."""

from __future__ import annotations

from gradsan.knowledge.remedies import copy_to_write, out_of_place_code, price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Written, shown_operation
from gradsan.model.history import History
from gradsan.model.rewrite import Remedy
from gradsan.rules.base import Rule, attempts


class InferenceTensorWritten(Rule):
    """Made under `inference_mode`, written outside."""

    code = "GS207"
    name = "inference-tensor-written"
    refusal = Refusal.INFERENCE_TENSOR
    summary = "A tensor made under `torch.inference_mode()` was written in place outside of it."
    explanation = """\
Tensors that are made under `torch.inference_mode()` have no version counter; that is what makes the mode cheap.
A write outside of the mode could not be counted, so nobody would notice when it destroys a value that backward needs.
PyTorch refuses it. Inside the mode the write is allowed.

Caches, running statistics, moving averages and buffers that were filled or created during an evaluation pass are the
usual victims: the error comes later, in the first training step that updates them."""
    example = """\
import torch

with torch.inference_mode():
    cache = torch.zeros(3)
cache.add_(1)  # RuntimeError
"""
    instead = """\
import torch

with torch.no_grad():  # also records nothing, and makes normal tensors
    cache = torch.zeros(3)
cache.add_(1)
"""
    source = (
        "https://docs.pytorch.org/docs/stable/notes/autograd.html, section Inference Mode; checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the framework refused for this reason."""
        if self.refusal_in(history) is None:
            return None
        written = history.last(Written)
        title = history.subject.title or "a tensor"
        operation = f"`{shown_operation(written.operation)}`" if written is not None else "write"
        code = out_of_place_code(written) if written is not None else ""
        price = price_of_copy(history.subject)
        return self.diagnose(
            history,
            f"in-place {operation} {history.was} refused on {title}, which was made under `inference_mode`",
            events=attempts(history),
            helps=(
                Help(
                    "make it under `no_grad`, where it is used for training later",
                    "with torch.no_grad():",
                    Remedy.NO_INFERENCE,
                ),
                Help(
                    f"or write to a new, normal tensor ({price})",
                    code or copy_to_write(written.target if written is not None else ""),
                    Remedy.OUT_OF_PLACE if code else Remedy.COPY_BEFORE_WRITE,
                ),
            ),
        )
