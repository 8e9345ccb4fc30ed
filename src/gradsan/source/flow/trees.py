"""Trees that are kept as a list of numbers: at the place of each node stands that of its parent."""

from __future__ import annotations

import ast
import re

_PARENTS = re.compile(r"(?:^|_)(?:parents?|parent_(?:idx|ids?|index|indices|list)|ancestors?)$")
"""Names of such lists, by convention."""


def is_entry_of_tree(index: ast.expr) -> bool:
    """Return whether an index is the parent of one node: a number, or a tensor without dimensions, which selects."""
    if not isinstance(index, ast.Subscript) or isinstance(index.slice, (ast.Slice, ast.Tuple, ast.List)):
        return False
    table = index.value
    name = table.attr if isinstance(table, ast.Attribute) else getattr(table, "id", "")
    return _PARENTS.search(name) is not None


__all__ = ["is_entry_of_tree"]
