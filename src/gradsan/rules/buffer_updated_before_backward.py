"""GS104: a module's buffer was updated before a graph that saved it was differentiated."""

from __future__ import annotations

from gradsan.knowledge.remedies import clone_where_saved, price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Writer
from gradsan.model.history import History, TensorKind
from gradsan.rules.base import Rule


class BufferUpdatedBeforeBackward(Rule):
    """A queue, a mask, power-iteration vectors: state that the forward pass both reads and writes."""

    code = "GS104"
    name = "buffer-updated-before-backward"
    refusal = Refusal.SAVED_OVERWRITTEN
    precedence = 10
    summary = "A buffer was updated in place after the forward pass had saved it, before the backward."
    explanation = """\
A buffer is state that is not trained: a queue of negatives, a codebook, vectors of a power iteration, a running mean.
It needs no gradient itself, but the operation that reads it saves it for the gradient of the *other* operand:
in `queries @ queue`, the gradient of `queries` is computed with `queue`.
If the forward pass updates the buffer after reading it, or a second forward pass does
(two views of a batch, a second call in one loss, gradient checkpointing, another rank's broadcast),
the saved value is gone when backward runs.

Batch norm's running statistics are an exception: in training mode backward does not read them."""
    example = """\
import torch


class Memory(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("queue", torch.ones(3, 2))

    def forward(self, keys):
        logits = keys @ self.queue.t()  # saves the queue for the gradient of keys
        self.queue[0] = keys[0].detach()  # writes to it
        return logits


keys = torch.ones(4, 2, requires_grad=True)
Memory()(keys).sum().backward()  # RuntimeError
"""
    instead = """\
import torch


class Memory(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("queue", torch.ones(3, 2))

    def forward(self, keys):
        logits = keys @ self.queue.clone().t()
        self.queue[0] = keys[0].detach()
        return logits


keys = torch.ones(4, 2, requires_grad=True)
Memory()(keys).sum().backward()
"""
    source = (
        "https://docs.pytorch.org/docs/stable/notes/autograd.html, sections Saved tensors and In-place correctness"
        " checks; checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the overwritten tensor is a registered buffer."""
        story = history.overwriting()
        if story is None or story.first is None or history.subject.kind is not TensorKind.BUFFER:
            return None
        title = history.subject.title
        buffer = f"the buffer {title}" if title else "a buffer"
        saver = f"`{story.saved.operation}` saved it for backward" if story.saved else "it was saved for backward"
        helps = [Help(f"read a copy in the forward pass ({price_of_copy(history.subject)})")]
        if story.saved is not None and title:
            helps = [clone_where_saved(story.saved, history.subject, story.first)]
        notes: tuple[str, ...] = ()
        if story.first.writer is Writer.COLLECTIVE:
            notes = (f"`{story.first.operation}` wrote to it on behalf of the other ranks",)
        helps.append(Help("or update the buffer after the backward, outside of `forward`"))
        message = f"{buffer} {history.was} updated in place after {saver}"
        return self.diagnose(history, message, notes=notes, helps=tuple(helps))
