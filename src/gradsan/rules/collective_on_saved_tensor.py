"""GS307: a collective wrote into a tensor that backward needs."""

from __future__ import annotations

from gradsan.knowledge.remedies import price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Writer
from gradsan.model.history import History
from gradsan.rules.base import Rule


class CollectiveOnSavedTensor(Rule):
    """`all_reduce`, `broadcast` and others write their arguments, uncounted."""

    code = "GS307"
    name = "collective-on-saved-tensor"
    precedence = 20
    summary = "A collective overwrote a tensor that an operation had saved for its backward."
    explanation = """\
`torch.distributed.all_reduce(t)`, `broadcast`, `reduce`, `scatter` and the others write their result into `t`.
They are declared without alias annotations and run outside of autograd: the version counter does not move.
If `t`, or a tensor that shares its memory through `detach()` or a view, was saved for backward,
the gradient formula is evaluated with the sum over all ranks instead of this rank's value.

Typical are metrics: `probability = logits.softmax(-1)`, then `all_reduce(probability.detach())` for a log.
`detach()` makes no copy."""
    example = """\
import torch
import torch.distributed as dist

store = dist.HashStore()
dist.init_process_group("gloo", store=store, rank=0, world_size=1)
x = torch.ones(3, requires_grad=True)
probability = torch.sigmoid(x)  # saves its result
dist.all_reduce(probability.detach())  # overwrites it with the sum over the ranks
probability.sum().backward()
dist.destroy_process_group()
"""
    instead = """\
import torch
import torch.distributed as dist

store = dist.HashStore()
dist.init_process_group("gloo", store=store, rank=0, world_size=1)
x = torch.ones(3, requires_grad=True)
probability = torch.sigmoid(x)
dist.all_reduce(probability.detach().clone())
probability.sum().backward()
dist.destroy_process_group()
"""
    source = (
        "torch/csrc/distributed/c10d/Ops.cpp (schemas without alias annotations);"
        " https://docs.pytorch.org/docs/stable/distributed.html, section Collective functions;"
        " checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the first unseen write is a collective's."""
        story = history.unseen()
        if story is None or story.saved is None or story.first is None:
            return None
        if story.first.writer is not Writer.COLLECTIVE:
            return None
        title = history.subject.title or "a tensor"
        operation = story.first.operation
        return self.diagnose(
            history,
            f"{title}, saved by `{story.saved.operation}` for backward, {history.was} overwritten by `{operation}`",
            notes=("nothing is raised: backward uses what the collective left in it",),
            helps=(
                Help(
                    f"let the collective write to a copy ({price_of_copy(history.subject)})",
                    f"value = tensor.detach().clone()\ntorch.distributed.{operation}(value)",
                ),
                Help(
                    "or use the collective that autograd knows", f"torch.distributed.nn.functional.{operation}(tensor)"
                ),
            ),
        )
