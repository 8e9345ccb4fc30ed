"""GS359: a row of an expanded tensor was written, and every row in the same memory with it."""

from __future__ import annotations

from gradsan.knowledge.remedies import price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help, Role
from gradsan.model.event import Written
from gradsan.model.history import History, Witness
from gradsan.rules.base import Rule, relabelled


class ExpandedMemoryWritten(Rule):
    """A mask for one sample becomes the mask of all."""

    code = "GS359"
    name = "expanded-memory-written"
    precedence = 50
    summary = "An item of an expanded tensor was assigned, and every element that shares its memory shows the value."
    explanation = """\
`expand`, `broadcast_to` and `expand_as` make many rows of one, without memory of their own.
`mask[i, n:] = 0` on such a tensor writes the one row that there is: all samples get the mask of the last one.
PyTorch refuses to write to the tensor as a whole, but an item assignment goes through a view of it,
and one by index tensors is only warned about.
The values are wrong, and the gradient is that of the wrong values.

Windows of `unfold` and `as_strided` that overlap share elements too, and PyTorch does not look for that:
`frames *= window` multiplies an element once for each window that shows it.

An assignment that chooses all rows alike (`mask[torch.arange(3), 0] = 0`) is left alone."""
    example = """\
import torch

mask = torch.ones(1, 4).expand(3, 4)
for i, n in enumerate([4, 2, 3]):
    mask[i, n:] = 0  # there is one row only
x = torch.ones(3, 4, requires_grad=True)
(x * mask).sum().backward()
print(x.grad[0])  # 1, 1, 0, 0: it is 1, 1, 1, 1
"""
    instead = """\
import torch

mask = torch.ones(1, 4).repeat(3, 1)
for i, n in enumerate([4, 2, 3]):
    mask[i, n:] = 0
x = torch.ones(3, 4, requires_grad=True)
(x * mask).sum().backward()
print(x.grad[0])  # 1, 1, 1, 1
"""
    source = "https://docs.pytorch.org/docs/stable/generated/torch.Tensor.expand.html; checked with torch 2.13.0"

    def judge(self, history: History) -> Diagnostic | None:
        """Speak about what the audit saw by its witness."""
        if history.witness is not Witness.EXPANDED:
            return None
        title = history.subject.title.partition("[")[0].strip("`")
        name = f"`{title}`" if title else "a tensor"
        price = price_of_copy(history.subject)
        written = history.first(Written)
        if written is not None and written.operation != "__setitem__":
            return self._of_windows(history, name)
        finding = self.diagnose(
            history,
            f"an item of {name} {history.was} assigned, whose rows share one memory: every row shows it",
            helps=(Help(f"give every row its own memory: clone what `expand` returns ({price})"),),
        )
        return relabelled(finding, Role.WRITE, "written for some rows, seen in all")

    def _of_windows(self, history: History, name: str) -> Diagnostic:
        finding = self.diagnose(
            history,
            f"{name} {history.was} modified in place, whose elements share memory with each other: some are modified"
            " several times",
            helps=(Help(f"write out of place ({price_of_copy(history.subject)})", "frames = frames * window"),),
        )
        return relabelled(finding, Role.WRITE, "each shared element is written several times")
