"""The write that tied a graph to one that an earlier backward has freed.

# NOTE [Tied graphs] A backward frees what its nodes saved, and the engine refuses to go there a second time.  A state
that outlives a step leads there where it was written in place: what is copied into a buffer brings its history along,
and a buffer that is zeroed keeps the node that it had, as the input of the zeroing.  Of the edges that lead from nodes
made since that backward to older ones, such a write stands at one end.
A state that is carried by its name leads there too, but no write did it, and nothing is told.
"""

from __future__ import annotations

import linecache
import re
from typing import TYPE_CHECKING, Any

from gradsan.frameworks.torch.graph import leading_to, nodes_of, root_number
from gradsan.frameworks.torch.held import is_freed
from gradsan.frameworks.torch.unseen_writers import operation_of
from gradsan.knowledge.error_texts import ErrorText
from gradsan.model.event import Raised, SequenceNumber, Version, Written
from gradsan.model.history import History, Subject
from gradsan.record.frames import Site, span_of

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

_COPY = "CopyBackwards"
_RESETS = re.compile(r"(?:Zero|Fill|Uniform|Normal|LogNormal|Exponential|Bernoulli|Random|Cauchy|Geometric)Backward\d*")
"""Nodes of operations that overwrite a tensor whatever it held; out of place, most of them do not exist."""
_AUGMENTED = {"add_": "+=", "sub_": "-=", "mul_": "*=", "div_": "/="}


def tied_histories(recorder: Recorder, text: ErrorText, roots: Any, raised_at: Site | None) -> list[History]:
    """Return the history of the write that tied the graphs; empty where none did.  See NOTE [Tied graphs]."""
    root = root_number(roots)
    numbers = (each.number for each in recorder.backwards)
    began = max((number for number in numbers if root is not None and number <= root), default=None)
    if began is None:
        return []
    told = [written for node, kept in _ties(recorder, roots, began) if (written := _written(recorder, node, kept))]
    if not told:
        return []
    span = span_of(raised_at)
    now = SequenceNumber(recorder.next_number())
    raised = Raised(span=span, refusal=text.refusal, message=text.sentence, sequence=now)
    return [History(subject=Subject(), events=(max(told, key=lambda each: each.sequence), raised))]


def _ties(recorder: Recorder, roots: Any, began: int) -> list[tuple[Any, bool]]:
    """Return the nodes of the writes at the border, and whether each kept the history of what it overwrote."""
    nodes = list(nodes_of(roots))
    leading = leading_to(nodes, (node for node in nodes if is_freed(node)))
    ties: list[tuple[Any, bool]] = []
    for node in leading:
        if node._sequence_nr() < began:
            continue
        for at, (child, _) in enumerate(node.next_functions):
            if child not in leading or child._sequence_nr() >= began:
                continue
            if _writes_into_state(recorder, child):
                ties.append((child, False))
            elif at == 0 and _RESETS.fullmatch(type(node).__name__):
                ties.append((node, True))
    return ties


def _writes_into_state(recorder: Recorder, node: Any) -> bool:
    """Return whether a node is of a write that gave a history to memory that had none."""
    while node is not None:
        if type(node).__name__ == _COPY:
            return True
        if not _is_in_place(recorder, node):
            return False
        node = node.next_functions[0][0]
    return True


def _is_in_place(recorder: Recorder, node: Any) -> bool:
    operation = operation_of(node)
    if operation is None or operation == "__setitem__":
        return operation is not None
    site = recorder.site_of(node._sequence_nr(), operation)
    line = "" if site is None else linecache.getline(site.code.co_filename, site.line_number)
    return f".{operation}(" in line or _AUGMENTED.get(operation, "\n\n") in line


def _written(recorder: Recorder, node: Any, kept: bool) -> Written | None:
    operation = "copy_" if type(node).__name__ == _COPY else operation_of(node)
    site = None if operation is None else recorder.site_of(node._sequence_nr(), operation)
    if operation is None or site is None:
        return None
    return Written(
        span=site.span(),
        operation=operation,
        version_before=Version(0),
        version=Version(1),
        sequence=SequenceNumber(node._sequence_nr()),
        is_told_by_graph=True,
        keeps_history=kept,
    )
