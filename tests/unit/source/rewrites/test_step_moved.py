from __future__ import annotations

from gradsan.model.span import Span
from gradsan.source.rewrites import step_moved


def spans(program, first: str, second: str) -> tuple[Span, Span]:
    lines = program.text.split("\n")
    out = []
    for text in (first, second):
        line = next(number for number, there in enumerate(lines, 1) if text in there)
        column = lines[line - 1].index(text) + 1
        out.append(Span(str(program.path), line, column, line, column + len(text)))
    return out[0], out[1]


def test_behind_the_backward(place) -> None:
    program = place("def f(a, b):\n    «x»\n    opt.step()  # first\n    y = 1\n    loss.backward()\n    return y\n")
    fix = step_moved.propose(*spans(program, "opt.step()", "loss.backward()"))
    assert program.applied(fix) == (
        "def f(a, b):\n    x\n    y = 1\n    loss.backward()\n    opt.step()  # first\n    return y\n"
    )


def test_only_forward_and_in_one_block(place) -> None:
    program = place("«x»\nif x:\n    opt.step()\nloss.backward()\nold.step()\nz = 1\n")
    assert step_moved.propose(*spans(program, "opt.step()", "loss.backward()")) is None
    assert step_moved.propose(*spans(program, "old.step()", "loss.backward()")) is None
