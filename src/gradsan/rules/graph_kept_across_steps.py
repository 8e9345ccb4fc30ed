"""GS103: a graph of an earlier training step is still reached after the parameters were updated."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Carried, Needed, Refusal, Writer
from gradsan.model.history import History, Overwriting, TensorKind
from gradsan.rules.base import Rule


class GraphKeptAcrossSteps(Rule):
    """State or a loss carried from one iteration to the next with its graph attached."""

    code = "GS103"
    name = "graph-kept-across-steps"
    refusal = Refusal.SAVED_OVERWRITTEN
    precedence = 30
    summary = (
        "A loss reaches back into the graph of an earlier training step, whose parameters have been updated since."
    )
    explanation = """\
A hidden state, a memory, a running loss or an evolved weight is carried from one iteration to the next
together with the graph that computed it.
The parameters are updated in between, in place.
The next backward walks through the new graph and then on into the old one,
where the layers saved the parameters' old values: PyTorch raises, an iteration or two after the mistake.

`retain_graph=True` on the earlier backward is often added because of
"Trying to backward through the graph a second time"; it only replaces that error by this one.
Gradients through an update have no meaning here: cut the graph at the border of the iteration (truncated
backpropagation through time), or sum the losses and step once."""
    example = """\
import torch

cell = torch.nn.RNNCell(2, 3)
optimizer = torch.optim.SGD(cell.parameters(), lr=0.1)
state = torch.zeros(1, 3)
for step in range(3):
    state = cell(torch.ones(1, 2), state)  # still attached to the step before
    state.sum().backward(retain_graph=True)  # RuntimeError in the third step
    optimizer.step()
"""
    instead = """\
import torch

cell = torch.nn.RNNCell(2, 3)
optimizer = torch.optim.SGD(cell.parameters(), lr=0.1)
state = torch.zeros(1, 3)
for step in range(3):
    state = cell(torch.ones(1, 2), state.detach())
    state.sum().backward()
    optimizer.step()
"""
    source = (
        "https://docs.pytorch.org/docs/stable/notes/autograd.html, section In-place correctness checks;"
        " checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the line that saved ran again since, and the loss was computed after the update."""
        story = history.overwriting()
        if story is None or not _is_update(history, story):
            return None
        if story.saved is None or not story.saved.superseded or story.is_loss_younger is False:
            return None
        assert story.first is not None
        title = history.subject.title or "a saved parameter"
        by = f" by `{story.first.operation}`" if story.first.writer is Writer.OPTIMIZER else ""
        message = f"{title} {history.was} updated{by} while a graph of an earlier step that saved it was still in use"
        return self.diagnose(
            history,
            message,
            notes=("the loss was computed after the update, and its graph reaches back over it",),
            helps=(
                _cut(history.first(Carried), story.needed),
                Help("or sum the losses of these steps, then run one backward and one update"),
                Help("or compute what is carried again after the update, where its gradient is wanted"),
            ),
        )


def _cut(carried: Carried | None, needed: Needed | None) -> Help:
    """Propose to detach what is carried; a name that carries several tensors is a tuple of them."""
    names = () if carried is None else carried.names
    if carried is not None and not names:
        return Help("cut the graph of what is carried to the next step with `.detach()` (a state, a running loss)")
    if carried is None:
        return Help("cut the graph of what is carried to the next step (a state, a running loss)", _CUT)
    is_tuple = len(names) == 1 < carried.n_values
    cut = [f"tuple(each.detach() for each in {name})" if is_tuple else f"{name}.detach()" for name in names]
    what = " and ".join(f"`{name}`" for name in names)
    is_loss = needed is not None and needed.target in names
    more = ", or run the backward over this step's loss alone" if is_loss else ""
    return Help(f"cut the graph of {what} before the next step{more}", f"{', '.join(names)} = {', '.join(cut)}")


_CUT = "state = state.detach()"


def _is_update(history: History, story: Overwriting) -> bool:
    """Whether the first write is an optimizer step, or an update by hand."""
    if story.first is None:
        return False
    by_hand = history.subject.kind is TensorKind.PARAMETER and not story.first.grad_enabled
    return story.first.writer is Writer.OPTIMIZER or by_hand
