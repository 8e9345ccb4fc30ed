"""``torch.inference_mode()`` -> ``torch.no_grad()``: what is made in it may be saved and written afterwards."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradsan.model.rewrite import Applicability, Edit, Fix, Remedy
from gradsan.model.span import Span
from gradsan.source import program as parsed
from gradsan.source.program import Program
from gradsan.source.targets import is_module_name

TITLE = "run it under `no_grad`"
_MODE = "inference_mode"


def propose(paths: Sequence[str], *, switched_on: Span | None = None) -> Iterator[Fix]:
    """Yield a fix for each place that switches inference mode on; which of them made the tensor has to be tried.

    Args:
        paths: Source files of the program, the likeliest first.
        switched_on: Where the mode was switched on, if that is known.
    """
    first = [] if switched_on is None else [switched_on.path]
    for path, program in parsed.load_all([*first, *paths]):
        nodes = [node for node in ast.walk(program.tree) if isinstance(node, ast.Attribute) and node.attr == _MODE]
        if switched_on is not None and path == switched_on.path:
            nodes.sort(key=lambda node: node.lineno != switched_on.line)
        for node in nodes:
            if is_module_name(program, node.value):
                yield from _switched(program, node, path)


def _switched(program: Program, node: ast.Attribute, path: str) -> Iterator[Fix]:
    """Yield the fix where the mode is switched on whatever an argument says."""
    call = program.parent(node)
    if isinstance(call, ast.Call) and (call.args or call.keywords):
        return
    line, column = program.region(node)[2:]
    edit = Edit(path, line, column - len(_MODE), line, column, "no_grad")
    yield Fix(TITLE, Applicability.UNSAFE, (edit,), Remedy.NO_INFERENCE)


__all__ = ["TITLE", "propose"]
