"""``torch.inference_mode()`` -> ``torch.no_grad()``: what is made in it may be saved and written afterwards."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradsan.model.rewrite import Applicability, Edit, Fix
from gradsan.source import program as parsed
from gradsan.source.program import Program
from gradsan.source.targets import is_module_name

TITLE = "run it under `no_grad`"
_MODE = "inference_mode"


def propose(paths: Sequence[str]) -> Iterator[Fix]:
    """Yield a fix for each place that switches inference mode on; which of them made the tensor has to be tried.

    Args:
        paths: Source files of the program, the likeliest first.
    """
    for path, program in parsed.load_all(paths):
        for node in ast.walk(program.tree):
            if isinstance(node, ast.Attribute) and node.attr == _MODE and is_module_name(program, node.value):
                yield from _switched(program, node, path)


def _switched(program: Program, node: ast.Attribute, path: str) -> Iterator[Fix]:
    """Yield the fix where the mode is switched on whatever an argument says."""
    call = program.parent(node)
    if isinstance(call, ast.Call) and (call.args or call.keywords):
        return
    line, column = program.region(node)[2:]
    edit = Edit(path, line, column - len(_MODE), line, column, "no_grad")
    yield Fix(TITLE, Applicability.UNSAFE, (edit,))


__all__ = ["TITLE", "propose"]
