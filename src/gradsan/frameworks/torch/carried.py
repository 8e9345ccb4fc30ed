"""Where a loss's graph goes on into that of an earlier step: the operation that used what was computed before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradsan.frameworks.torch.graph import leading_to, nodes_of, root_number
from gradsan.model.event import Carried, SequenceNumber, Writer, Written
from gradsan.record.frames import span_of

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder


def carried_of(recorder: Recorder, roots: Any, node: Any, writes: Sequence[Written]) -> list[Carried]:
    """Return where a graph that was built after an update first uses what was computed before it.

    Args:
        recorder: Knows the lines.
        roots: What is differentiated.
        node: The node that saved the old value.
        writes: What mutated it, the update first.
    """
    root = root_number(roots)
    if not writes or not _is_update(writes[0]) or root is None or root < writes[0].sequence:
        return []
    since = writes[0].sequence
    leading = leading_to(nodes_of(roots), (node,))
    border = [
        (user, used)
        for user in leading
        if user._sequence_nr() >= since
        for used, _ in user.next_functions
        if used in leading and used._sequence_nr() < since
    ]
    if not border:
        return []
    number, made = min((int(user._sequence_nr()), int(used._sequence_nr())) for user, used in border)
    at, made_at = recorder.site_of(number), recorder.site_of(made)
    if at is None:
        return []
    sites = {user: recorder.site_of(user._sequence_nr()) for user, _ in border}
    here = {used for user, used in border if (site := sites[user]) is not None and site.span() == at.span()}
    span = span_of(made_at)
    return [Carried(span=at.span(), made=span, sequence=SequenceNumber(number), n_values=len(here))]


def _is_update(write: Written) -> bool:
    """Whether a write may be the update that ends a step: an optimizer's, or one by hand."""
    return write.writer is Writer.OPTIMIZER or not write.grad_enabled
