"""GS102: an optimizer stepped while a loss that needs the old parameters was still to be differentiated."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Carried, Refusal, Writer
from gradsan.model.history import History, Overwriting
from gradsan.model.rewrite import Remedy
from gradsan.rules.base import Rule


class OptimizerStepBeforeBackward(Rule):
    """A step between a forward pass and its backward."""

    code = "GS102"
    name = "optimizer-step-before-backward"
    refusal = Refusal.SAVED_OVERWRITTEN
    precedence = 20
    summary = "An optimizer updated a parameter between a forward pass that saved it and that pass's backward."
    explanation = """\
A layer saves its weight: the gradient with respect to the layer's input is the outgoing gradient times the weight.
`optimizer.step()` writes the new weight into the same memory.
A backward that runs over the layer afterwards would multiply by the *new* weight,
so PyTorch raises ("... is at version 2; expected version 1 instead").

It happens where two losses share a part of the graph: the generator's loss is computed with the discriminator,
the discriminator steps, and only then the generator's loss is differentiated; or actor and critic; or a temperature.
`retain_graph=True` does not help: it keeps the graph, not the value of the weight.

Moved before the step, the second backward also adds *its* gradient to the parameters that are then stepped:
the critic would learn from the generator's loss too. `backward(inputs=...)` names the parameters that it is for.

A fused optimizer (`fused=True`) does not move the version counter in torch 2.13: the same order then raises nothing,
and the gradient is wrong."""
    example = """\
import torch

generator, critic = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
score = critic(generator(torch.ones(4, 2)))
score.mean().backward(retain_graph=True)
optimizer.step()  # writes critic.weight
(-score.mean()).backward()  # RuntimeError: needs the old critic.weight
"""
    instead = """\
import torch

generator, critic = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
made = generator(torch.ones(4, 2))
critic(made.detach()).mean().backward()
optimizer.step()
(-critic(made).mean()).backward()  # computed with the new critic.weight
"""
    source = (
        "https://docs.pytorch.org/docs/stable/notes/autograd.html, section In-place correctness checks;"
        " torch/optim/_functional.py and the single-tensor steps write with in-place operations;"
        " checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the write that broke the saved value is an optimizer's."""
        story = history.overwriting()
        if story is None or story.first is None or story.first.writer is not Writer.OPTIMIZER:
            return None
        title = history.subject.title or "a saved parameter"
        step = story.first.operation
        message = f"{title} {history.was} updated by `{step}` before the backward that needed its old value"
        loss, stepper = ("", "") if story.needed is None else (story.needed.target, story.needed.stepper)
        again = f"`{loss}`" if loss else "the second loss"
        helps: tuple[Help, ...]
        if story.is_loss_younger:
            helps = (
                Help(
                    "step after this backward, not before: the loss reaches back over the step", "", Remedy.WRITE_LATER
                ),
                Help("or compute the old part of the forward pass again after the step"),
                Help(
                    "or cut the old part off with `detach()`, where no gradient is wanted through it",
                    _cut(history.first(Carried)),
                ),
            )
        else:
            both = _is_one_function(story)
            helps = (
                Help(f"{_FIRST}: `{both}` steps after each", "", Remedy.WRITE_LATER)
                if both
                else Help(_FIRST, f"{loss or 'loss'}.backward()\n{_call(step)}", Remedy.WRITE_LATER),
                Help(_OWN, _own_parameters(loss or "loss", stepper)),
                Help(f"or compute {again} again after the step (costs one forward pass)"),
            )
        return self.diagnose(history, message, helps=helps)


_FIRST = "run every backward that needs this graph first, then step"
_OWN = "give that backward its own parameters (`inputs=...`), where the step must not take its gradient too"


def _is_one_function(story: Overwriting) -> str:
    """Return the function that steps below its backward, where an earlier call's step came before this backward."""
    step, needed = (
        None if story.first is None else story.first.span,
        None if story.needed is None else story.needed.span,
    )
    if step is None or needed is None or (step.path, step.function) != (needed.path, needed.function):
        return ""
    return step.function if step.line >= needed.line and step.function != "<module>" else ""


def _cut(carried: Carried | None) -> str:
    name = carried.names[0] if carried is not None and carried.names else ""
    return f"{name} = {name}.detach()" if name else ""


def _own_parameters(loss: str, stepper: str) -> str:
    if not stepper:
        return f"{loss}.backward(inputs=list(other.parameters()))"
    own = f'[p for group in {stepper}.param_groups for p in group["params"]]'
    return f"own = {own}\n{loss}.backward(inputs=own)"


def _call(step: str) -> str:
    name = step.rpartition(".")[0]
    return f"optimizer.step()  # {name}" if name else "optimizer.step()"
