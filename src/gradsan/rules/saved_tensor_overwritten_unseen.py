"""GS301: a saved tensor was overwritten, and the version counter did not move."""

from __future__ import annotations

from gradsan.knowledge.remedies import clone_where_saved, price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Access, Writer
from gradsan.model.history import History, Overwriting, TensorKind
from gradsan.rules.base import Rule


class SavedTensorOverwrittenUnseen(Rule):
    """The general rule of silent overwriting; its special faces are asked first."""

    code = "GS301"
    name = "saved-tensor-overwritten-unseen"
    summary = "A saved tensor was overwritten behind the version counter: backward uses the new value and says nothing."
    explanation = """\
An operation keeps a tensor for its backward and notes the tensor's version.
When backward asks for the value, PyTorch compares the versions, and raises where they differ.
The check sees only writes that move the counter. These do not:

- a write through `x.data`: `.data` shares the memory and has a counter of its own;
- `x.data = y`, which puts other memory under the same tensor;
- a write to a flat buffer whose slices were given to parameters with `p.data = flat[a:b]`;
- `x.set_(y)` and writes through `x.untyped_storage()`.

The formula is then evaluated with numbers that the forward pass never saw, and the gradient is wrong.
Typical are weights that are clipped, restored or averaged through `.data` between a forward pass and its backward,
and buffers that are filled again before the loss that was computed from them is differentiated.

Under `torch.no_grad()` the same write to the tensor itself moves the counter:
the mistake becomes an error with a line."""
    example = """\
import torch

weight = torch.nn.Parameter(torch.full((3,), 2.0))
x = torch.ones(3, requires_grad=True)
loss = (x * weight).sum()  # saves weight for the gradient of x
weight.data.clamp_(-1, 1)  # overwrites it, unseen
loss.backward()
print(x.grad)  # 1, 1, 1: the gradient is 2, 2, 2
"""
    instead = """\
import torch

weight = torch.nn.Parameter(torch.full((3,), 2.0))
x = torch.ones(3, requires_grad=True)
loss = (x * weight).sum()
loss.backward()
with torch.no_grad():  # after the backward, and on the tensor itself: the counter moves
    weight.clamp_(-1, 1)
print(x.grad)  # 2, 2, 2
"""
    source = (
        "torch/csrc/autograd/python_variable.cpp (THPVariable_get_data: variable_data has a new version counter);"
        " https://docs.pytorch.org/docs/stable/notes/autograd.html, section In-place correctness checks;"
        " checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak about every uncounted write after a save."""
        story = history.unseen()
        if story is None or story.saved is None or story.first is None:
            return None
        title = history.subject.title or "a saved tensor"
        saver = f"`{story.saved.operation}` saved it for backward"
        message = f"{title} {history.was} overwritten after {saver}, unseen by the version counter"
        return self.diagnose(
            history,
            message,
            notes=("nothing is raised: backward uses the new value, and the gradient is wrong",),
            helps=_helps(history, story),
        )


def _helps(history: History, story: Overwriting) -> tuple[Help, ...]:
    assert story.saved is not None
    assert story.first is not None
    helps = []
    if history.subject.kind is TensorKind.PARAMETER:
        helps.append(Help("write to the parameter after the backward that needs its value, not before"))
    else:
        helps.append(clone_where_saved(story.saved, history.subject))
    if story.first.access is Access.DATA and story.first.writer is Writer.PROGRAM:
        helps.append(
            Help(
                "write to the tensor itself: the version counter then sees it, and the mistake is an error",
                "with torch.no_grad():\n    tensor.op_(...)  # in place of tensor.data.op_(...)",
            )
        )
    if history.subject.kind is TensorKind.PARAMETER:
        helps.append(Help(f"or compute with a copy ({price_of_copy(history.subject)})", "weight.clone()  # in forward"))
    return tuple(helps)
