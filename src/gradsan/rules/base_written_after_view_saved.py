"""GS105: the base was written after a view of it had been saved."""

from __future__ import annotations

from gradsan.knowledge.error_texts import recognise
from gradsan.knowledge.remedies import clone_before_write, clone_where_saved, write_out_of_place
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Access, Refusal, Writer
from gradsan.model.history import History, Overwriting, TensorKind
from gradsan.rules.base import Rule


class BaseWrittenAfterViewSaved(Rule):
    """`h[:, :2]` was saved, `h` was written."""

    code = "GS105"
    name = "base-written-after-view-saved"
    refusal = Refusal.SAVED_OVERWRITTEN
    precedence = 6
    summary = "A tensor was modified in place after an operation had saved a view of it."
    explanation = """\
A slice, a transpose, `view` or `unbind` copies nothing: it is a window on the memory of its *base*.
An operation that saves the view saves that window, so a write to the base mutates what was saved.
Base and views share one version counter, and backward raises.

PyTorch's message then says "output 0 of AsStrided" (`AsStridedBackward0` before 2.13), an operation that nobody called:
after the write, the graph of the view is rebuilt with `as_strided`.
Take it as the sign of this pattern."""
    example = """\
import torch

x = torch.ones(4, requires_grad=True)
h = x * 2
first = h[:2]
loss = first.exp().sum() + (first * first).sum()  # saves `first`, a window on h
h.mul_(3)  # writes to the base
loss.backward()  # RuntimeError: ... output 0 of AsStrided
"""
    instead = """\
import torch

x = torch.ones(4, requires_grad=True)
h = x * 2
first = h[:2]
loss = first.exp().sum() + (first * first).sum()
h = h * 3  # a new tensor
loss.backward()
"""
    source = (
        "https://docs.pytorch.org/docs/stable/tensor_view.html;"
        " torch/csrc/autograd/variable.cpp (VariableHooks::grad_fn rebuilds a view's node); checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where a view was saved and its base was written."""
        story = history.overwriting()
        if story is None or not _is_base_write(history, story):
            return None
        title = history.subject.title or "the base of a view"
        saver = f"`{story.saved.operation}` saved a view of it" if story.saved else "a view of it was saved"
        message = f"{title} {history.was} modified in place after {saver} for backward"
        helps: list[Help] = []
        if story.first is not None:
            proposal = write_out_of_place(story.first, history.subject)
            helps.append(proposal or clone_before_write(story.first, history.subject))
        if story.saved is not None:
            helps.append(clone_where_saved(story.saved, history.subject, story.first))
        return self.diagnose(history, message, helps=tuple(helps))


def _is_base_write(history: History, story: Overwriting) -> bool:
    first = story.first
    if history.subject.kind is TensorKind.PARAMETER or (first and first.writer is not Writer.PROGRAM):
        return False
    if first is not None and first.access is not Access.ITSELF:
        return first.access is Access.BASE
    said = recognise(history.refusal.message) if history.refusal is not None else None
    is_view = story.saved is not None and story.saved.is_view
    return is_view and said is not None and said.operation == "AsStrided"
