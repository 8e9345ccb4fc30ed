"""GS358: one tensor that several steps wrote in place was kept at each of them."""

from __future__ import annotations

from gradsan.knowledge.remedies import out_of_place_code, price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help, Role
from gradsan.model.event import Needed, Written
from gradsan.model.history import History, Witness
from gradsan.rules.base import Rule, relabelled


class StateKeptByReference(Rule):
    """Every entry of the list is the last state."""

    code = "GS358"
    name = "state-kept-by-reference"
    precedence = 50
    summary = "A tensor that each step writes in place was kept at each step, and every entry is the last state."
    explanation = """\
`state += update` writes to the tensor that `state` names; `states.append(state)` keeps a reference to it.
After the loop the list holds one tensor many times.
What is computed from its entries uses the last state everywhere,
and the gradient is that of so many copies of the last state.
Each write is recorded, nothing that was saved is overwritten, so nothing is raised.

`before = model.state_dict()`, `before = p.data` and `before = p.detach()` are references too:
after a step, `p - before` is a tensor minus itself, and the update that was to be measured is zero;
`model.load_state_dict(before)` copies each tensor onto itself, and the model keeps its last state."""
    example = """\
import torch

x = torch.ones(3, requires_grad=True)
state, states = torch.zeros(3), []
for step in range(1, 4):
    state += step * x
    states.append(state)  # one tensor, three times
loss = sum(each.sum() for each in states)
loss.backward()
print(loss, x.grad)  # 54; 18, 18, 18: it is 30; 10, 10, 10
"""
    instead = """\
import torch

x = torch.ones(3, requires_grad=True)
state, states = torch.zeros(3), []
for step in range(1, 4):
    state = state + step * x
    states.append(state)
loss = sum(each.sum() for each in states)
loss.backward()
print(loss, x.grad)  # 30; 10, 10, 10
"""
    source = "https://docs.pytorch.org/docs/stable/notes/autograd.html, In-place operations; checked with torch 2.13.0"

    def judge(self, history: History) -> Diagnostic | None:
        """Speak about what the audit saw by its witness."""
        written = history.first(Written)
        if history.witness is Witness.OLDER_SELF:
            return self._minus_itself(history)
        if history.witness is not Witness.KEPT_STATE or written is None:
            return None
        title = history.subject.title or "a tensor"
        price = price_of_copy(history.subject)
        code = out_of_place_code(written) or "states.append(state.clone())"
        finding = self.diagnose(
            history,
            f"{title} was kept at several steps and written in place by each: every entry is the last state",
            helps=(Help(f"make a new tensor at each step ({price})", code),),
        )
        finding = relabelled(finding, Role.WRITE, f"one tensor, written here {written.n_times} times")
        return relabelled(finding, Role.RAISE, "each of its uses saw the last state")

    def _minus_itself(self, history: History) -> Diagnostic:
        title = history.subject.title or "a tensor"
        needed = history.first(Needed)
        if needed is not None and needed.operation == "copy_":
            message = f"what was kept of {title} by reference is copied onto itself: nothing is put back"
            help_ = Help("keep the values", "best = copy.deepcopy(model.state_dict())")
        else:
            message = f"{title} is subtracted from what was kept of it by reference: the difference is zero"
            help_ = Help("keep the value", "before = p.detach().clone()")
        finding = self.diagnose(history, message, helps=(help_,))
        finding = relabelled(finding, Role.WRITE, "written here after it was kept")
        return relabelled(finding, Role.RAISE, "both sides are one memory")
