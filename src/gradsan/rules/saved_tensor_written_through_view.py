"""GS106: a saved tensor was written through one of its views."""

from __future__ import annotations

from dataclasses import replace

from gradsan.knowledge.remedies import clone_where_saved, copy_to_write, out_of_place_code, price_of_written_copy
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Access, Refusal, Viewed, Writer
from gradsan.model.history import History
from gradsan.model.rewrite import Remedy
from gradsan.rules.base import Rule


class SavedTensorWrittenThroughView(Rule):
    """`h` was saved, `h[:, 0]`, `h.detach()` or another alias was written."""

    code = "GS106"
    name = "saved-tensor-written-through-view"
    refusal = Refusal.SAVED_OVERWRITTEN
    precedence = 5
    summary = "A saved tensor was modified in place through a view, another view of its base, or `detach()`."
    explanation = """\
The written name and the saved name differ, but the memory is the same:
`h[:, 0]`, `h.view(-1)`, `h.t()`, `h.unbind()` and `h.detach()` are windows on `h`.
So are `h.reshape(...)`, `h.contiguous()`, `h.float()`, `h.to(...)` and `h.cpu()` *when nothing has to be copied*,
which makes a program break for one dtype or device and run for another.

A view and its base share one version counter; `detach()` cuts the graph, not the memory.
Backward finds that the counter has moved and raises.
(`.data` and NumPy do not share the counter: the same write through them raises nothing and the gradient is wrong.)"""
    example = """\
import torch

x = torch.ones(2, 3, requires_grad=True)
h = torch.sigmoid(x)  # saves its result
scores = h.view(-1)  # the same memory
scores.clamp_(min=0.1)
h.sum().backward()  # RuntimeError
"""
    instead = """\
import torch

x = torch.ones(2, 3, requires_grad=True)
h = torch.sigmoid(x)
scores = h.view(-1).clamp(min=0.1)
h.sum().backward()
"""
    source = (
        "https://docs.pytorch.org/docs/stable/tensor_view.html;"
        " https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html; checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the first write came through another window on the memory."""
        story = history.overwriting()
        first = story.first if story is not None else None
        if story is None or first is None or first.writer is not Writer.PROGRAM:
            return None
        if first.access not in (Access.VIEW, Access.DETACHED):
            return None
        route = "a `detach()`" if first.access is Access.DETACHED else "a view"
        saver = f"what `{story.saved.operation}` saved" if story.saved is not None else "a tensor that was saved"
        alias = (
            f"`{first.target}`, {route} of {saver} for backward,"
            if first.target
            else f"{route} of {saver} for backward"
        )
        viewed = history.last(Viewed)
        made = f"; `{viewed.operation}` copies nothing" if viewed is not None else ""
        price = price_of_written_copy(first, history.subject)
        code = out_of_place_code(first)
        helps = [Help(f"write out of place ({price})", code, Remedy.OUT_OF_PLACE)] if code else []
        helps = helps or [
            Help(
                f"write to a copy ({price})",
                copy_to_write(first.target),
                Remedy.COPY_BEFORE_WRITE,
            )
        ]
        if story.saved is not None:
            helps.append(clone_where_saved(story.saved, replace(history.subject, name="")))
        return self.diagnose(
            history,
            f"{alias} {history.was} modified in place",
            notes=(f"the written tensor shares the memory of the saved one{made}",),
            helps=tuple(helps),
        )
