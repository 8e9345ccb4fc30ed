from __future__ import annotations

import pytest

from gradsan.model.span import Span
from gradsan.source.rewrites import inplace_flag


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("«nn.ReLU(inplace=True)»", "nn.ReLU(inplace=False)"),
        ("«nn.ReLU(inplace=flag)»", "nn.ReLU(inplace=False)"),
        ("«nn.ReLU(True)»", "nn.ReLU(False)"),
        ("«nn.LeakyReLU(0.1, True)»", "nn.LeakyReLU(0.1, False)"),
        (
            "«nn.Dropout(\n    p=0.5,  # half\n    inplace=True,\n)»",
            "nn.Dropout(\n    p=0.5,  # half\n    inplace=False,\n)",
        ),
        ("nn.Sequential(conv, «nn.ReLU(inplace=True)»)", "nn.Sequential(conv, nn.ReLU(inplace=False))"),
        ("«nn.ReLU(**options)»", None),
        ("«nn.ReLU(*options)»", None),
        ("«nn.ReLU()»", None),
        ("«nn.ReLU(inplace=False)»", None),
    ],
)
def test_the_flag(before: str, after: str | None, place) -> None:
    program = place(f"relu = {before}\n")
    expected = "no fix" if after is None else f"relu = {after}\n"
    assert program.applied(inplace_flag.propose(program.span)) == expected


def test_a_statement_is_as_good_as_its_call(place) -> None:
    program = place("«relu = nn.ReLU(inplace=True)»\n")
    assert program.applied(inplace_flag.propose(program.span)) == "relu = nn.ReLU(inplace=False)\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("h = a * b\n        return self.relu(h)", "safe"),
        ("h = a * b\n        h = self.relu(h)\n        return h + 1", "safe"),
        ("return self.relu(a * b)", "safe"),
        ("h = a * b\n        y = self.relu(h)\n        return y + h", "unsafe"),
        ("return self.relu(a)", "unsafe"),
    ],
)
def test_applicability(body: str, expected: str, place) -> None:
    made = "class Block:\n    def __init__(self):\n        self.relu = «nn.ReLU(inplace=True)»\n"
    program = place(f"{made}    def forward(self, a, b):\n        {body}\n")
    lines = program.text.split("\n")
    line = next(number for number, text in enumerate(lines, 1) if "self.relu(" in text)
    column = lines[line - 1].index("self.relu(") + 1
    end = lines[line - 1].index(")", column) + 2
    fix = inplace_flag.propose(program.span, call=Span(str(program.path), line, column, line, end))
    assert fix is not None
    assert fix.applicability.value == expected
