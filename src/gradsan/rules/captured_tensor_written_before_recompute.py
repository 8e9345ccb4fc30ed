"""GS401: what a checkpointed region reads was written before the region is run again."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help, Role
from gradsan.model.event import Saved, Writer
from gradsan.model.history import History, TensorKind
from gradsan.rules.base import Rule, relabelled


class CapturedTensorWrittenBeforeRecompute(Rule):
    """A parameter, a buffer or a mask that a checkpointed region reads."""

    code = "GS401"
    name = "captured-tensor-written-before-recompute"
    precedence = 40
    summary = "A tensor that a checkpointed region reads was written before backward ran the region again."
    explanation = """\
`torch.utils.checkpoint` keeps the arguments of the call, drops what the operations inside saved,
and runs the region again when backward needs it.
Parameters, buffers and tensors that the function captured are read a second time, *as they are then*.
If an optimizer stepped in between, or a mask, a cache or a buffer was updated,
the second run computes other activations than the first,
and the gradient belongs to a forward pass that never happened.

Without checkpointing the same program would raise: the saved weight's version has moved.
Inside a checkpointed region that check is gone: everything is saved anew, at the version found then."""
    example = """\
import torch
from torch.utils.checkpoint import checkpoint

block = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh())
optimizer = torch.optim.SGD(block.parameters(), lr=1.0)
x = torch.ones(1, 2, requires_grad=True)
first = block(x).sum()
second = checkpoint(block, x, use_reentrant=False).sum()
first.backward()
optimizer.step()  # the region will be run again with the new weights
second.backward()
"""
    instead = """\
import torch
from torch.utils.checkpoint import checkpoint

block = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh())
optimizer = torch.optim.SGD(block.parameters(), lr=1.0)
x = torch.ones(1, 2, requires_grad=True)
first = block(x).sum()
second = checkpoint(block, x, use_reentrant=False).sum()
first.backward()
second.backward()
optimizer.step()
"""
    source = (
        "torch/utils/checkpoint.py (_checkpoint_hook, CheckpointFunction);"
        " https://docs.pytorch.org/docs/stable/checkpoint.html; checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the region is a checkpointed one."""
        story, saved = history.unseen(), history.first(Saved)
        if story is None or saved is None or story.first is None or saved.operation != "checkpoint":
            return None
        title = history.subject.title or "a tensor that the region reads"
        if history.subject.kind is TensorKind.BUFFER:
            title = f"the buffer {title}"
        is_step = story.first.writer is Writer.OPTIMIZER
        verb = f"updated by `{story.first.operation}`" if is_step else "modified"
        earlier = (
            Help("run every backward that needs this graph first, then step", "loss.backward()\noptimizer.step()")
            if is_step
            else Help("write to it after the backward, or give the region a copy as an argument", "mask.clone()")
        )
        finding = self.diagnose(
            history,
            f"{title} {history.was} {verb} before the checkpointed region that reads it is run again",
            notes=("the second run computes other values than the first, and nothing is raised",),
            helps=(earlier, Help("or leave this region out of checkpointing: PyTorch then raises where it matters")),
        )
        finding = relabelled(finding, Role.SAVE, "checkpointed here: backward runs it again")
        return relabelled(finding, Role.WRITE, f"{verb} here, before it is run again")
