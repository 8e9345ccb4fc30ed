"""GS208: an inference tensor took part in a recorded operation that saves it."""

from __future__ import annotations

from gradsan.knowledge.remedies import price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Saved
from gradsan.model.history import History
from gradsan.model.rewrite import Remedy
from gradsan.rules.base import Rule


class InferenceTensorSaved(Rule):
    """Made under `inference_mode`, used in training."""

    code = "GS208"
    name = "inference-tensor-saved"
    refusal = Refusal.INFERENCE_SAVED
    summary = "A tensor made under `torch.inference_mode()` was used where an operation must save it for backward."
    explanation = """\
Tensors that are made under `torch.inference_mode()` have no version counter.
An operation that saves such a tensor for backward could not tell later whether it was overwritten in between,
so PyTorch refuses to save it.
Operations that save nothing of it (`x + cached`) go through, which makes the error depend on what is done with it:
`x * cached`, `cached @ weight` and `linear(cached)` raise.

Features of a frozen encoder, targets of a teacher network and cached embeddings are the usual victims."""
    example = """\
import torch

weight = torch.ones(3, requires_grad=True)
with torch.inference_mode():
    features = torch.ones(3) * 2
loss = (weight * features).sum()  # RuntimeError: mul saves features
"""
    instead = """\
import torch

weight = torch.ones(3, requires_grad=True)
with torch.no_grad():
    features = torch.ones(3) * 2
loss = (weight * features).sum()
loss.backward()
"""
    source = (
        "https://docs.pytorch.org/docs/stable/notes/autograd.html, section Inference Mode;"
        " torch/csrc/autograd/saved_variable.cpp (Note [Inference tensor cannot be saved for backward]);"
        " checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the framework refused for this reason."""
        if self.refusal_in(history) is None:
            return None
        saved = history.last(Saved)
        title = history.subject.title or "a tensor"
        saver = f"`{saved.operation}`" if saved is not None and saved.operation else "an operation"
        name = history.subject.name or "features"
        return self.diagnose(
            history,
            f"{title}, made under `inference_mode`, {history.was} given to {saver}, which must save it for backward",
            helps=(
                Help("make it under `no_grad` instead (costs no memory)", "with torch.no_grad():", Remedy.NO_INFERENCE),
                Help(f"or copy it to a normal tensor ({price_of_copy(history.subject)})", f"{name} = {name}.clone()"),
            ),
        )
