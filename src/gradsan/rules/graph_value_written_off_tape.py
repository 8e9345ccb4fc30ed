"""GS303: a value of the graph was mutated where the graph could not see it, and the gradient flows as before."""

from __future__ import annotations

from dataclasses import replace

from gradsan.knowledge.remedies import out_of_place_code, price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help, Role, Severity
from gradsan.model.event import Access, Detached, Event, Saved, Writer, Written
from gradsan.model.history import History
from gradsan.rules.base import Rule, relabelled

_ROUNDING = frozenset({"round_", "sign_", "sgn_", "floor_", "ceil_", "trunc_", "copy_", "fix_", "heaviside_", "data"})
"""What a straight-through estimator writes: there the untouched gradient can be meant."""


class GraphValueWrittenOffTape(Rule):
    """A mask, a padding row, a normalisation: done to the value, unknown to the gradient."""

    code = "GS303"
    name = "graph-value-written-off-tape"
    summary = "A tensor with history was mutated off the tape: its gradient flows as if nothing had been written."
    explanation = """\
The graph records operations. A write under `torch.no_grad()`, through `x.data` or through `x.detach()` is not recorded:
the value changes, and whatever is computed from it afterwards uses the new value,
but backward still passes the whole gradient on to what had been there before.

`h[padding] = 0` under `no_grad` sets rows to zero, and the encoder receives a gradient for them all the same.
`flat = h.detach(); flat /= flat.std()` scales the activations, and the gradient is not scaled.
`scores.data.masked_fill_(mask, -1e9)` hides positions, and gradient flows into them.
Nothing was saved, so nothing is checked, and the training runs on.
An array that shares the memory (`action.detach().numpy()`) is another way to write past the graph: the audit sees it.
`torch.distributed.all_reduce(c)` adds what the other ranks computed, and no rank gets a gradient for its share there:
outside of `no_grad` it is reported as a warning.

Adding a constant is an exception: its derivative is one, so an unrecorded addition breaks no gradient.
A rounding through `.data` can be meant (a *straight-through estimator*): it is reported as a warning;
`h + (h.round() - h).detach()` says the same in a way that everybody can see."""
    example = """\
import torch

x = torch.ones(3, requires_grad=True)
h = x * 2
with torch.no_grad():
    h[0] = 0  # the value is gone, the gradient is not
h.sum().backward()
print(x.grad)  # 2, 2, 2: the gradient is 0, 2, 2
"""
    instead = """\
import torch

x = torch.ones(3, requires_grad=True)
h = x * 2
h[0] = 0  # recorded: the gradient of what was overwritten is zero
h.sum().backward()
print(x.grad)  # 0, 2, 2
"""
    source = (
        "https://docs.pytorch.org/docs/stable/notes/autograd.html, sections Locally disabling gradient computation and"
        " In-place operations with autograd; checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak about a write that the graph does not know, where nothing was saved."""
        written = history.first(Written)
        is_told = history.refusal is None and history.first(Saved) is None
        if not is_told or written is None or written.is_on_tape:
            return None
        if any(event.cuts for event in history.all(Detached)):
            return None
        title = history.subject.title or "a tensor with history"
        message = f"{title} {history.was} mutated off the tape, and its gradient flows as if it had not been"
        finding = self.diagnose(history, message, events=_told(history, written), helps=_helps(history, written))
        finding = relabelled(finding, Role.WRITE, written.describe_off_tape())
        finding = relabelled(finding, Role.RAISE, "backward ran as if nothing was written")
        is_meant = written.access is Access.DATA and written.operation in _ROUNDING
        is_meant = is_meant or (written.writer is Writer.COLLECTIVE and written.grad_enabled)
        return replace(finding, severity=Severity.WARNING) if is_meant else finding


def _told(history: History, written: Written) -> tuple[Event, ...]:
    """Leave out an alias that was made on the line that writes through it."""
    return tuple(
        event
        for event in history.events
        if not (isinstance(event, Detached) and event.span and written.span and event.span.line == written.span.line)
    )


def _helps(history: History, written: Written) -> tuple[Help, ...]:
    if written.writer is Writer.COLLECTIVE:
        return (
            Help(
                "use the collective that autograd knows",
                f"tensor = torch.distributed.nn.functional.{written.operation}(tensor)",
            ),
            Help("or write to a copy, where only the value is wanted", "value = tensor.detach().clone()"),
        )
    if written.access is Access.FOREIGN:
        return (Help("write to a copy of the array", "array = tensor.detach().numpy().copy()"),)
    name = history.subject.name
    code = out_of_place_code(replace(written, target=name))
    price = price_of_copy(history.subject)
    helps = [Help(f"compute a new tensor, on the tape ({price})", code or _masked(name))]
    if not written.grad_enabled:
        helps.append(Help("or write to it outside of `no_grad`: the write is then recorded"))
    elif written.access is Access.DETACHED:
        helps.append(Help("or write to a copy, where only the value is wanted", "value = tensor.detach().clone()"))
    if written.access is Access.DATA:
        rounded = f"{name or 'h'} = {name or 'h'} + (rounded - {name or 'h'}).detach()"
        helps.append(Help("or say that the gradient shall pass straight through", rounded))
    return tuple(helps)


def _masked(name: str) -> str:
    base = name.partition("[")[0] or "h"
    return f"{base} = torch.where(mask, 0.0, {base})"
