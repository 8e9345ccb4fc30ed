"""GS101: a tensor that backward needs was written in place."""

from __future__ import annotations

from gradsan.knowledge.remedies import (
    FULL_TRACE,
    clone_before_write,
    clone_where_saved,
    construct_out_of_place,
    stack_pieces,
    write_out_of_place,
)
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Writer
from gradsan.model.history import History, Overwriting, TensorKind
from gradsan.model.rewrite import Remedy
from gradsan.rules.base import Rule


class SavedTensorOverwritten(Rule):
    """The general rule; its special faces are asked first."""

    code = "GS101"
    name = "saved-tensor-overwritten"
    refusal = Refusal.SAVED_OVERWRITTEN
    summary = "A tensor was modified in place after an operation had saved it for its backward."
    explanation = """\
Many operations keep a tensor for their backward: `exp`, `sigmoid`, `softmax` and `relu` keep their *result*; `mul`,
`matmul`, `conv2d` and `pow` keep their *inputs*; `add` and multiplication by a number keep nothing.
The gradient formula is evaluated later, with the value found in memory then.
If something wrote to that memory in between, the formula would use the wrong number.

Every storage has a *version counter*: each in-place write adds one, and a base, its views and `detach()` share it.
A node notes the version when it saves. When backward runs and the version has moved, it raises
"one of the variables needed for gradient computation has been modified by an inplace operation".
The text names neither the line that wrote nor the line that saved.

Whether a write is harmful depends on what was *saved*, not on the write:
`y = x * 2; y.add_(1)` is fine, `y = x.exp(); y.add_(1)` breaks.
The counter belongs to the whole storage, so a write to other elements than the saved ones raises as well."""
    example = """\
import torch

x = torch.ones(3, requires_grad=True)
h = torch.sigmoid(x)  # saves its result
h += 1  # writes to it
h.sum().backward()  # RuntimeError
"""
    instead = """\
import torch

x = torch.ones(3, requires_grad=True)
h = torch.sigmoid(x)
h = h + 1  # a new tensor; what sigmoid saved stays
h.sum().backward()
"""
    source = (
        "https://docs.pytorch.org/docs/stable/notes/autograd.html, section In-place correctness checks;"
        " torch/csrc/autograd/saved_variable.cpp (SavedVariable::unpack); checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak about every counted write after a save."""
        story = history.overwriting()
        if story is None:
            return None
        return self.diagnose(history, _headline(history, story), notes=_notes(story), helps=_helps(history, story))


def _headline(history: History, story: Overwriting) -> str:
    title, saved = history.subject.title, story.saved
    if saved is None:
        return f"{title or 'a saved tensor'} {history.was} modified in place before backward needed it"
    if not title:
        what = f"the result of `{saved.operation}`" if saved.operand == "result" else "a tensor"
        by = "it was" if saved.operand == "result" else f"`{saved.operation}`"
        ending = "saved for backward" if saved.operand == "result" else "saved it for backward"
        return f"{what} {history.was} modified in place after {by} {ending}"
    return f"{title} {history.was} modified in place after `{saved.operation}` saved it for backward"


def _notes(story: Overwriting) -> tuple[str, ...]:
    notes = []
    if story.writes and not any(write.overlaps for write in story.writes):
        notes.append(
            "the written elements are not the saved ones, but the version counter belongs to the whole storage"
        )
    if any(write.operation.endswith("embedding_renorm_") for write in story.writes):
        notes.append("with `max_norm`, a look-up renormalises the rows that it returns, in place")
    n_counted = story.n_counted
    if n_counted is not None and n_counted > story.n_seen:
        seen = f"{story.n_seen} of them were seen" if story.writes else "none of them was seen"
        writes = "1 in-place write" if n_counted == 1 else f"{n_counted} in-place writes"
        notes.append(f"the version counter moved by {writes}; {seen}")
    return tuple(notes)


def _helps(history: History, story: Overwriting) -> tuple[Help, ...]:
    subject, first = history.subject, story.first
    if first is None:
        by_copy = () if story.saved is None else (clone_where_saved(story.saved, subject),)
        return (FULL_TRACE, *by_copy)
    if subject.kind is TensorKind.PARAMETER:
        later = Help("write to a parameter after the backward that needs its value, not before", "", Remedy.WRITE_LATER)
        return (later,) if story.saved is None else (later, clone_where_saved(story.saved, subject, first))
    if first.writer is Writer.MODULE:
        return (construct_out_of_place(first, subject),)
    if story.saved is not None and first.span is not None and first.span == story.saved.span:
        return (Help("both happen inside this call: let what it runs write out of place, or to a copy"),)
    if first.writer is Writer.COLLECTIVE:
        return (Help(f"let `{first.operation}` write to a copy", "buffer = tensor.clone()"),)
    proposals = [write_out_of_place(first, subject)]
    is_filled = first.target and (first.n_times > 1 or first.n_later) and not (first.is_borrowed or first.is_lost)
    if proposals == [None] and is_filled:
        proposals.append(stack_pieces(first, subject))
    if story.saved is not None:
        proposals.append(clone_where_saved(story.saved, subject, first))
    if proposals == [None]:
        proposals.append(clone_before_write(first, subject))
    return tuple(proposal for proposal in proposals if proposal is not None)
