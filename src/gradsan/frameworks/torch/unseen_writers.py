"""Who wrote where no wrapper saw it: TorchScript, ``torch.ops``, an extension, a method taken from its class.

# NOTE [A write is a node] An in-place operation that is recorded makes a node and puts it in place of the node that the
tensor had.  Whoever uses the tensor afterwards is a parent of the new node, so of the parents of the old one the
youngest is the write.  A write that is not recorded makes none, and its place stays unknown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gradsan import knowledge
from gradsan.frameworks.torch.graph import Slot, node_of, nodes_of
from gradsan.model.event import SequenceNumber, Version, Written

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

_NAME = re.compile(r"(?:.*::)?(\w+?)Backward\d*")
_SLICES, _REBUILT = "CopySlices", "AsStridedBackward0"


def unseen_write(
    recorder: Recorder, roots: Any, slot: Slot, *, is_result: bool, expected: Version, found: Version
) -> Written | None:
    """Return the write that the graph tells of; None where it tells of none.

    Args:
        recorder: Knows the line of a node.
        roots: Of the graph.
        slot: What was overwritten.
        is_result: Whether the node saved its own result.
        expected: The version that was saved.
        found: The version now.
    """
    writer = _youngest_parent(roots, slot.node) if is_result else _present_node(slot)
    if writer is None or writer._sequence_nr() <= slot.number:
        return None
    operation = operation_of(writer)
    if operation is None:
        return None
    site = recorder.site_of(writer._sequence_nr(), operation)
    if site is None:
        return None
    is_one = found - expected == 1
    return Written(
        span=site.span(),
        operation=operation,
        version_before=expected,
        version=found if is_one else Version(expected + 1),
        sequence=SequenceNumber(writer._sequence_nr()),
        is_told_by_graph=True,
    )


def _youngest_parent(roots: Any, node: Any) -> Any:
    parents = [each for each in nodes_of(roots) if any(child is node for child, _ in each.next_functions)]
    return max(parents, key=lambda each: each._sequence_nr(), default=None)


def _present_node(slot: Slot) -> Any:
    """Return the node that a saved input has now; of a view, that of its base."""
    tensor = slot.tensor
    base = tensor._base if tensor._is_view() else None
    return node_of(tensor if base is None else base)


def operation_of(node: Any) -> str | None:
    """Return the in-place operation that may have made a node; None where what made it can't write."""
    name = type(node).__name__
    if name.endswith(_SLICES):
        return "__setitem__"
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    operation = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", match[1]).lower()
    table = knowledge.load()
    return f"{operation}_" if table.mutates(f"{operation}_") or table.lookup(operation) is None else None


def overlapping_write(recorder: Recorder, roots: Any) -> Written | None:
    """Return the youngest write of a graph to a view whose elements share memory.

    The engine accepts an index write into an expanded tensor, and refuses its backward.  The view is rebuilt after the
    write, by a node that keeps its strides.
    """
    expanded = [node for node in nodes_of(roots) if type(node).__name__ == _REBUILT and _shares_elements(node)]
    writers = {child for node in expanded for child, _ in node.next_functions if type(child).__name__ == _SLICES}
    writer = max(writers, key=lambda node: node._sequence_nr(), default=None)
    site = None if writer is None else recorder.site_of(writer._sequence_nr(), "__setitem__")
    if writer is None or site is None:
        return None
    return Written(
        span=site.span(),
        operation="__setitem__",
        version_before=Version(0),
        version=Version(1),
        sequence=SequenceNumber(writer._sequence_nr()),
        is_told_by_graph=True,
    )


def _shares_elements(node: Any) -> bool:
    sizes, strides = node._saved_size, node._saved_stride
    return any(stride == 0 and size > 1 for size, stride in zip(sizes, strides, strict=True))
