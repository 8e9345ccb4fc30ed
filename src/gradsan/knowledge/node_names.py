"""What the names of nodes and of their saved variables tell, for nodes that no table knows."""

from __future__ import annotations

import re
from typing import Final

_NODE: Final = re.compile(r"^(?P<stem>.+?)_*Backward\d*(?:_copy)?$")
_ATTRIBUTE: Final = re.compile(r"^_(?:raw_)?saved_")


def operation_of_node(node: str) -> str:
    """Return the operation that a node's name speaks of: ``AddmmBackward0`` -> ``addmm``.

    Nodes of custom functions (``AlignmentLossBackward``, no digit) keep the class's own name.
    """
    stem = node.rpartition("::")[2]
    match = _NODE.match(stem)
    if match is None:
        return stem
    if not stem[-1].isdigit():
        return match["stem"]
    return _snake(match["stem"])


def operand_of_attribute(attribute: str) -> str:
    """Return the operand that a saved variable's attribute speaks of: ``_saved_mat2`` -> ``mat2``."""
    operand = _ATTRIBUTE.sub("", attribute)
    # The generated code appends `_` to some names, so that they don't clash with C++ members.
    return operand.rstrip("_") or operand


def _snake(camel: str) -> str:
    """Undo the title case of a node's stem: ``NllLoss2D`` -> ``nll_loss2d`` (a letter after a digit is upper too)."""
    return re.sub(r"(?<=[A-Za-z])(?=[A-Z])", "_", camel).lower()
