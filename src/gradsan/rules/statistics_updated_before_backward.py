"""GS306: running statistics were updated between an eval-mode forward pass and its backward."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Saved
from gradsan.model.history import History
from gradsan.rules.base import Rule

_STATISTICS = frozenset({"running_mean", "running_var"})


class StatisticsUpdatedBeforeBackward(Rule):
    """Batch norm reads its running statistics again in an eval-mode backward."""

    code = "GS306"
    name = "statistics-updated-before-backward"
    precedence = 30
    summary = "Running statistics that an eval-mode batch norm saved were updated before its backward."
    explanation = """\
In training mode batch norm normalises by the statistics of the batch, and its backward does not read the running ones.
In eval mode it normalises by `running_mean` and `running_var`, and its backward multiplies by `1 / sqrt(running_var)`.
A second forward pass in training mode updates both in place, in a kernel that does not move the version counter.
The backward of the first pass then uses statistics that its forward never saw, and nothing is raised.

It happens where one step mixes the modes: a teacher or a consistency target in eval mode, an adversarial example made
with `model.eval()`, a frozen discriminator that is switched back to training before the generator's backward;
and where the statistics are rescaled or reset by hand through `.data`."""
    example = """\
import torch

model = torch.nn.BatchNorm1d(2)
x = torch.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
model.eval()
loss = model(x).pow(2).sum()  # saves the running statistics
model.train()
model(torch.full((4, 2), 9.0) * torch.arange(4.0)[:, None])  # updates them
loss.backward()  # normalises by the new ones
"""
    instead = """\
import torch

model = torch.nn.BatchNorm1d(2)
x = torch.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
model.eval()
loss = model(x).pow(2).sum()
loss.backward()  # before the statistics move
model.train()
model(torch.full((4, 2), 9.0) * torch.arange(4.0)[:, None])
"""
    source = (
        "tools/autograd/derivatives.yaml (native_batch_norm_backward reads running_mean and running_var where train is"
        " false); aten/src/ATen/native/native_functions.yaml (native_batch_norm has no alias annotation); checked with"
        " torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where what was overwritten are statistics that a normalisation saved."""
        story, saved = history.unseen(), history.first(Saved)
        if story is None or saved is None or story.first is None or saved.operand not in _STATISTICS:
            return None
        title = f"{history.subject.title} " if history.subject.title else ""
        by = "a forward pass in training mode" if story.first.operation == "batch_norm" else "the program"
        return self.diagnose(
            history,
            f"running statistics {title}saved in eval mode {'were' if history.was == 'was' else history.was} updated"
            f" by {by} before the backward",
            notes=("nothing is raised: backward normalises by statistics that its forward pass did not use",),
            helps=(
                Help("run the backward of the eval-mode pass before the statistics are updated"),
                Help("or let both passes run in one mode", "model.train()"),
                Help(
                    "or keep the training pass from updating them",
                    "torch.func.functional_call(model, {k: v.clone() for k, v in model.named_buffers()}, (x,))",
                ),
            ),
        )
