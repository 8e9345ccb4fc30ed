"""``ctx.save_for_backward(x, mean)`` -> ``ctx.save_for_backward(x, mean.clone())``, in a custom Function.

What a Function saves belongs to others: a running statistic that the next forward updates, a buffer that its own
backward writes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from gradsan.model.rewrite import Applicability, Edit, Fix, Remedy
from gradsan.source import program as parsed
from gradsan.source.program import Program, dotted_name
from gradsan.source.rewrites.editing import cloned

TITLE = "save a copy of"
MAX_FIXES = 5


def propose(paths: Iterable[str], function: str, written: str = "") -> Iterator[Fix]:
    """Yield the fixes that let a Function save a copy: of each tensor that it saves, then of all of them.

    Args:
        paths: Files to look for the Function in.
        function: The name of its class.
        written: The name under which it was written; what the Function knows by that name comes first.
    """
    for path, program in parsed.load_all(paths):
        for call in _saving_calls(program, function):
            given = sorted(call.args, key=lambda argument: dotted_name(argument) != written)
            copies = [(dotted_name(each), cloned(program, each, path)) for each in given if dotted_name(each)]
            single = [(f"`{name}`", edits) for name, edits in copies if edits]
            for what, edits in single[: MAX_FIXES - 1]:
                yield _fix(what, edits)
            if len(single) > 1:
                yield _fix("what is saved", [edit for _, edits in single for edit in edits])


def _fix(what: str, edits: Iterable[Edit]) -> Fix:
    return Fix(f"{TITLE} {what}", Applicability.UNSAFE, tuple(edits), Remedy.COPY_AT_SAVE)


def _saving_calls(program: Program, function: str) -> Iterator[ast.Call]:
    """Yield the calls of ``save_for_backward`` in a class."""
    for node in ast.walk(program.tree):
        if not isinstance(node, ast.ClassDef) or node.name != function:
            continue
        for inner in ast.walk(node):
            match inner:
                case ast.Call(func=ast.Attribute(attr="save_for_backward"), keywords=[]):
                    yield inner
