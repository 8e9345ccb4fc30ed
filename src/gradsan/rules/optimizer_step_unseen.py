"""GS302: an optimizer that never moves the version counter stepped before a backward that needed the old values."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Writer
from gradsan.model.history import History
from gradsan.rules.base import Rule


class OptimizerStepUnseen(Rule):
    """A fused step, or one of sharded parameters, between a forward pass and its backward."""

    code = "GS302"
    name = "optimizer-step-unseen"
    precedence = 20
    summary = (
        "An optimizer updated a saved parameter between a forward pass and its backward, and the version counter did"
        " not move."
    )
    explanation = """\
A layer saves its weight, because the gradient with respect to the layer's input is the outgoing gradient times
the weight. `optimizer.step()` writes the new weight into the same memory.
Where the optimizer's operations move the version counter, a backward that needs the old weight raises
(see optimizer-step-before-backward).
A fused optimizer (`fused=True`: SGD, Adam, AdamW, Adagrad) writes all parameters in one kernel that does not move it;
a step on the shards of a fully sharded model reaches the unsharded weights the same way.
The backward then multiplies by the *new* weight, without a word.

It happens where two losses share a graph: the critic steps before the generator's loss is differentiated,
a second `backward()` runs over a retained graph, a hidden state reaches back over the step.
`Trainer` classes choose a fused optimizer by default, so a program that used to raise can fall silent by an upgrade."""
    example = """\
import torch

critic = torch.nn.Linear(2, 1)
optimizer = torch.optim.AdamW(critic.parameters(), lr=0.1, fused=True)
made = torch.ones(4, 2, requires_grad=True)
score = critic(made)
score.mean().backward(retain_graph=True)
optimizer.step()  # writes critic.weight, unseen
made.grad = None
(-score.mean()).backward()  # multiplies by the new critic.weight
"""
    instead = """\
import torch

critic = torch.nn.Linear(2, 1)
optimizer = torch.optim.AdamW(critic.parameters(), lr=0.1, fused=True)
made = torch.ones(4, 2, requires_grad=True)
critic(made.detach()).mean().backward()
optimizer.step()
(-critic(made).mean()).backward()  # computed with the new critic.weight
"""
    source = (
        "torch/optim/adamw.py, torch/optim/sgd.py (_fused_adamw_, _fused_sgd_);"
        " aten/src/ATen/native/native_functions.yaml (_fused_*_ are declared without autograd);"
        " checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the first unseen write is an optimizer's."""
        story = history.unseen()
        if story is None or story.first is None or story.first.writer is not Writer.OPTIMIZER:
            return None
        title = history.subject.title or "a saved parameter"
        step = story.first.operation
        message = f"{title} {history.was} updated by `{step}` before a backward that needed its old value"
        if story.is_loss_younger:
            helps = (
                Help("compute this part of the forward pass again after the step: the loss reaches back over it"),
                Help("or cut the old part off with `detach()`, where no gradient is wanted through it"),
            )
        else:
            helps = (
                Help("run every backward that needs this graph first, then step", "loss.backward()\noptimizer.step()"),
                Help("or compute the second loss again after the step (costs one forward pass)"),
            )
        return self.diagnose(
            history,
            message,
            notes=("the step did not move the version counter, so nothing is raised and the gradient is wrong",),
            helps=helps,
        )
