"""GS209: a tensor whose elements share memory was written in place."""

from __future__ import annotations

import re

from gradsan.knowledge.remedies import out_of_place_code, price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Viewed, Written, shown_operation
from gradsan.model.history import History
from gradsan.model.rewrite import Remedy
from gradsan.rules.base import Rule, attempts


class OverlappingMemoryWritten(Rule):
    """`expand`, `broadcast_to`, `as_strided`, and a write that reads what it overwrites."""

    code = "GS209"
    name = "overlapping-memory-written"
    refusal = Refusal.OVERLAP
    summary = "A tensor was written in place whose elements share memory with each other, or with what the write reads."
    explanation = """\
`expand`, `broadcast_to`, `broadcast_tensors` and `as_strided` can let several elements stand on one memory location:
`torch.zeros(1).expand(3)` has three elements and one number in memory.
A write to one element mutates the others, and the result depends on the order in which elements are written.
PyTorch refuses it ("more than one element of the written-to tensor refers to a single memory location").

The second form is a write whose source overlaps its target without being the same: `x[1:] += x[:-1]` reads elements
that it has just written ("some elements of the input tensor and the written-to tensor refer to a single memory
location").

Writes by an index tensor into an expanded tensor are only warned about and then corrupt the neighbours."""
    example = """\
import torch

bias = torch.zeros(1, 3)
rows = bias.expand(4, 3)
rows[0] += 1  # one row: fine, but all four rows see it
rows.add_(1)  # RuntimeError
"""
    instead = """\
import torch

bias = torch.zeros(1, 3)
rows = bias.expand(4, 3).clone()  # or bias.repeat(4, 1)
rows[0] += 1
rows.add_(1)
"""
    source = (
        "aten/src/ATen/MemoryOverlap.cpp (assert_no_internal_overlap, assert_no_partial_overlap);"
        " https://docs.pytorch.org/docs/stable/generated/torch.Tensor.expand.html; checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the framework refused for this reason."""
        raised = self.refusal_in(history)
        if raised is None:
            return None
        written, viewed = history.last(Written), history.last(Viewed)
        title = history.subject.title or "a tensor"
        operation = f"in-place `{shown_operation(written.operation)}`" if written and written.operation else "a write"
        if "input tensor" in raised.message:
            message = f"{operation} {history.was} refused on {title}, which overlaps what the write reads"
            events = tuple(event for event in attempts(history) if not isinstance(event, Viewed))
            return self.diagnose(history, message, events=events, helps=_copy_source(written))
        message = f"{operation} {history.was} refused on {title}, whose elements share memory"
        if written is None or written.bumps_version:
            message = f"{title}, whose elements share memory, {history.was} modified in place, which backward refused"
        maker = viewed.operation if viewed is not None else "expand"
        code = out_of_place_code(written) if written is not None else ""
        price = price_of_copy(history.subject)
        either = "or " if code else ""
        own = Help(f"{either}give every element its own memory: clone what `{maker}` returned ({price})")
        helps = (Help(f"write out of place ({price})", code, Remedy.OUT_OF_PLACE), own) if code else (own,)
        return self.diagnose(history, message, events=attempts(history), helps=helps)


def _copy_source(written: Written | None) -> tuple[Help, ...]:
    given = None if written is None else written.given
    if written is None or not given or not written.target or not _is_one_value(given):
        return (Help("read from a copy (costs one copy of what is read)"),)
    operation = shown_operation(written.operation)
    clone = f"{given}.clone()" if _CLONABLE.fullmatch(given) else f"({given}).clone()"
    is_operator = operation.endswith("=")
    code = f"{written.target} {operation} {clone}" if is_operator else f"{written.target}.{operation}({clone})"
    return (Help(f"read from a copy (costs one copy of `{given}`)", code),)


_CLONABLE = re.compile(r"[\w.]+(\[[^()\[\]]*\])*")
"""What needs no parentheses before ``.clone()``."""


def _is_one_value(given: str) -> bool:
    return not re.search(r",(?![^(\[]*[)\]])", given) and "=" not in given
