"""Repairs without an edit that turned out not to be needed: a later one had cured what it was made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradsan.model.rewrite import Edit, Fix
from gradsan.tasks.source_edits import line_after


def without(fixes: Sequence[Fix], number: int) -> tuple[Fix, ...] | None:
    """Return fixes, each made to what those before it have left, as they would be without one of them.

    Args:
        fixes: In the order in which they are made.
        number: Which one to leave out.

    Returns:
        None where a later one edits the same lines.
    """
    gone, kept = fixes[number].edits, list(fixes[:number])
    for fix in fixes[number + 1 :]:
        edits = []
        for edit in fix.edits:
            here = [each for each in gone if each.path == edit.path]
            if any(each.line <= edit.end_line and edit.line <= _last(each) for each in here):
                return None
            n_more = sum(_growth(each) for each in here if each.line < edit.line)
            edits.append(replace(edit, line=edit.line - n_more, end_line=edit.end_line - n_more))
        gone = tuple(_moved(each, [e for e in fix.edits if e.path == each.path]) for each in gone)
        kept.append(replace(fix, edits=tuple(edits)))
    return tuple(kept)


def _growth(edit: Edit) -> int:
    return edit.replacement.count("\n") - (edit.end_line - edit.line)


def _last(edit: Edit) -> int:
    """Return the last line of what an edit has put there."""
    return edit.line + edit.replacement.count("\n") - (edit.replacement.endswith("\n") and edit.end_column == 1)


def _moved(edit: Edit, later: Sequence[Edit]) -> Edit:
    n_more = line_after(edit.line, later) - edit.line
    return replace(edit, line=edit.line + n_more, end_line=edit.end_line + n_more)
