"""Results that a call writes where its caller says."""

from __future__ import annotations

import ast

from gradsan.knowledge import Operation
from gradsan.source.flow.absent import given_guards
from gradsan.source.flow.graph import Guard
from gradsan.source.flow.machine import Frame
from gradsan.source.flow.tensors import tensors_of
from gradsan.source.flow.values import Value, options_of
from gradsan.source.flow.writes import write


def write_out(
    frame: Frame, operation: Operation, out: Value, sources: tuple[Value, ...], node: ast.AST
) -> list[tuple[Value | None, Guard]]:
    """Write what is given as ``out``; return it, and None for a result of the operation's own, each with its paths."""
    ways: list[tuple[Value | None, Guard]] = []
    for option, guard in options_of(out):
        given, absent = given_guards(frame, option, guard)
        if absent is not None:
            ways.append((None, guard | absent))
        if given is None:
            continue
        ways.append((option, guard | given))
        for tensor, inner in tensors_of(frame, option):
            write(
                frame,
                tensor,
                operation=operation.name,
                node=node,
                target="out",
                sources=sources,
                guard=guard | given | inner,
                is_out=operation.differentiable,
            )
    return ways
