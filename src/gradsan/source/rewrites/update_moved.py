"""``zero_grad(); backward(); step()`` of one optimizer -> behind that of another, whose backward needs the old weights.

The step alone must not be moved where the other backward reaches the same parameters: it would step with its gradients
as well.  The update as a whole drops them first.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradsan.model.rewrite import Applicability, Edit, Fix, Remedy
from gradsan.model.span import Span
from gradsan.source import program as parsed
from gradsan.source.program import Program, last_name
from gradsan.source.rewrites.editing import indentation, insert

TITLE = "move the update behind the other one"
_OF_UPDATES = frozenset(
    ["zero_grad", "backward", "step", "parameters", "clip_grad_norm_", "clip_grad_value_", "scale", "unscale_"]
)


def propose(step: Span, backward: Span) -> Iterator[Fix]:
    """Yield the fixes that move an update behind the backward that needs the old weights, and the step after that.

    Args:
        step: The step of an optimizer, which mutates weights too early.
        backward: The backward that needs them, in the same block.
    """
    program = parsed.load(step.path)
    if program is None or step.path != backward.path:
        return
    block, first = _block_of(program, step.line)
    other = next((n for n, each in enumerate(block) if _holds(each, backward.line)), None)
    start = None if first is None else _start_of_update(block, first)
    if first is None or start is None or other is None or other <= first:
        return
    if not all(_is_of_an_update(each) for each in block[first + 1 : other]):
        return
    for last in dict.fromkeys([_end_of_update(block, other), other]):
        edits = _moved(program, step.path, block[start : first + 1], block[last])
        if edits:
            yield Fix(TITLE, Applicability.UNSAFE, edits, Remedy.WRITE_LATER)


def _block_of(program: Program, line: int) -> tuple[list[ast.stmt], int | None]:
    """Return the innermost block that has a line among its simple statements, and which of them it is."""
    for node in ast.walk(program.tree):
        for block in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
            if isinstance(block, list):
                for number, each in enumerate(block):
                    if isinstance(each, ast.Expr) and _holds(each, line):
                        return block, number
    return [], None


def _holds(statement: ast.stmt, line: int) -> bool:
    return statement.lineno <= line <= (statement.end_lineno or statement.lineno)


def _start_of_update(block: list[ast.stmt], step: int) -> int | None:
    """Return where the update that a step ends begins: with the `zero_grad` above it, nothing but calls in between."""
    for number in range(step - 1, -1, -1):
        if not _is_call(block[number]) or "step" in _calls(block[number]):
            return None
        if "zero_grad" in _calls(block[number]):
            between = block[number + 1 : step]
            return number if any("backward" in _calls(each) for each in between) else None
    return None


def _end_of_update(block: list[ast.stmt], backward: int) -> int:
    """Return which statement ends the update that a backward belongs to: its step, or the backward itself."""
    for number in range(backward + 1, len(block)):
        if not _is_of_an_update(block[number]):
            break
        if "step" in _calls(block[number]):
            return number
    return backward


def _is_of_an_update(statement: ast.stmt) -> bool:
    """Whether a statement only updates weights: it reads and tells nothing that another update could mutate."""
    return _is_call(statement) and _calls(statement) <= _OF_UPDATES


def _is_call(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)


def _calls(statement: ast.stmt) -> set[str]:
    return {last_name(node.func) for node in ast.walk(statement) if isinstance(node, ast.Call)}


def _moved(program: Program, path: str, update: list[ast.stmt], after: ast.stmt) -> tuple[Edit, ...]:
    first, last = update[0].lineno, update[-1].end_lineno or update[-1].lineno
    while first > 1 and program.lines[first - 2].lstrip().startswith("#"):
        first -= 1
    blanks = indentation(program, update[0])
    end = after.end_lineno or after.lineno
    if blanks is None or any(indentation(program, each) is None for each in (update[-1], after)):
        return ()
    text = "\n".join(program.lines[first - 1 : last])
    is_apart = "step" in _calls(after) and not program.lines[last].strip()
    removed = Edit(path, first, 1, last + 1 + is_apart, 1, "")
    return removed, insert(path, end, len(program.lines[end - 1]) + 1, "\n" * (1 + is_apart) + text)
