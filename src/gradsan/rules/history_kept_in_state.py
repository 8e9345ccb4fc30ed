"""GS109: a state that outlives a step was written in place, and still has the history of an earlier step."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help, Role
from gradsan.model.event import Refusal, Written
from gradsan.model.history import History
from gradsan.rules.base import Rule, relabelled


class HistoryKeptInState(Rule):
    """`self.hidden.copy_(h)`, `self.memory[slot] = h`, and `self.v.zero_()` between two steps."""

    code = "GS109"
    name = "history-kept-in-state"
    refusal = Refusal.GRAPH_FREED
    summary = "A state that outlives a step was written in place, and leads backward into a graph that was freed."
    explanation = """\
A buffer that a module keeps from one call to the next has no history until something with a history is written
into it: `self.hidden.copy_(h)` and `self.memory[slot] = h` record the write, and from then on the buffer leads back
to what `h` was computed from.
The next step reads the buffer, and its backward walks on into the graph of the step before,
whose saved tensors the earlier backward has freed.
PyTorch raises "Trying to backward through the graph a second time", and names neither the buffer nor the line.

Zeroing does not help: `state.zero_()` mutates the values, and the zeroing is one more node on top of the old ones.
`retain_graph=True` only replaces this error by the next one, once the parameters are updated.

A state that is carried by its name (`self.h = h`) leads there too, but no write is to blame,
and gradsan says nothing about it."""
    example = """\
import torch

cell = torch.nn.RNNCell(2, 3)
state = torch.zeros(1, 3)
for step in range(2):
    h = cell(torch.ones(1, 2), state.clone())
    state.copy_(h)  # the history of `h` comes along
    h.sum().backward()  # RuntimeError in the second step
"""
    instead = """\
import torch

cell = torch.nn.RNNCell(2, 3)
state = torch.zeros(1, 3)
for step in range(2):
    h = cell(torch.ones(1, 2), state.clone())
    state.copy_(h.detach())
    h.sum().backward()
"""
    source = (
        "https://docs.pytorch.org/docs/stable/notes/autograd.html;"
        " torch/csrc/autograd/saved_variable.h (ERR_BACKWARD_TWICE); checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where a write is known that led there."""
        written = history.last(Written)
        if self.refusal_in(history) is None or written is None:
            return None
        title = history.subject.title or "a state"
        if written.keeps_history:
            message = f"{title} {history.was} overwritten in place, and kept the history of an earlier step"
            helps = _helps_of_reset(written)
            label = "the old history stays below this write"
        else:
            message = f"{title} {history.was} given a history in place, which a later step reached after it was freed"
            helps = _helps_of_write(written)
            label = "the history of what is written comes along"
        finding = self.diagnose(history, message, helps=helps)
        return relabelled(finding, Role.WRITE, label)


def _helps_of_reset(written: Written) -> tuple[Help, ...]:
    target = written.target or "state"
    return (
        Help("cut it from its graph as well", f"{target}.detach_()"),
        Help("or begin with a new tensor", f"torch.zeros_like({target})"),
    )


def _helps_of_write(written: Written) -> tuple[Help, ...]:
    target, given = written.target or "state", written.given or ""
    value = given if given.isidentifier() else "value"
    assigned = f"{target}[...] = {value}.detach()"
    code = assigned if written.operation == "__setitem__" else f"{target}.copy_({value}.detach())"
    return (
        Help("write the value without its history (the gradient ends at the step's border)", code),
        Help("or sum the losses of these steps, then run one backward"),
    )
