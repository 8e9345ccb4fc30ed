from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from gradsan.model.span import Span
from gradsan.source.carried import carried_names

Names = Callable[..., tuple[str, ...]]


@pytest.fixture
def names(tmp_path: Path) -> Names:
    """Return the names that carry, for texts that stand once on the line that uses, computes, and differentiates."""

    def names(source: str, used: str, made: str, backward: str = "") -> tuple[str, ...]:
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(source).lstrip("\n"), encoding="utf-8")
        lines = path.read_text(encoding="utf-8").split("\n")

        def at(text: str) -> Span:
            line = next(number for number, there in enumerate(lines, 1) if text in there)
            return Span(str(path), line, 1, line, 1, "f")

        return carried_names(at(used), at(made), at(backward) if backward else None)

    return names


def test_state_that_a_statement_uses_and_binds(names: Names) -> None:
    source = "for x in xs:\n    h, c = cell(x, (h, c))\n    h.sum().backward()\n"
    assert names(source, "cell(", "cell(") == ("h", "c")


def test_sum_that_grows(names: Names) -> None:
    source = "for x in xs:\n    loss = net(x)\n    total += loss\n    total.backward()\n"
    assert names(source, "total +=", "total +=") == ("total",)


def test_attribute_that_is_bound_below(names: Names) -> None:
    source = """
        class Net:
            def forward(self, x):
                y = encode(x)
                y = y + self.mix(self.memory)
                self.memory = y
                return y
    """
    assert names(source, "self.mix(", "self.mix(") == ("self.memory",)


def test_what_this_iteration_computed_is_not_carried(names: Names) -> None:
    source = "for x in xs:\n    y = net(x)\n    z = y + 1\n    y = z * 2\n"
    assert names(source, "z = y", "y = net") == ()


def test_local_name_outside_of_a_loop(names: Names) -> None:
    assert names("def f(h):\n    h = cell(h)\n    return h\n", "cell(", "cell(") == ()


def test_state_that_the_loop_hands_to_the_function(names: Names) -> None:
    source = """
        def forward(x, state):
            y, state = lstm(x, state)
            return y, state

        for x in xs:
            y, hidden = forward(x, hidden)
            x = x.clone()
            y.sum().backward()
    """
    assert names(source, "lstm(", "lstm(", "backward()") == ("hidden",)


def test_two_states_in_the_loop_tell_nothing(names: Names) -> None:
    source = """
        def forward(x, state):
            y, state = lstm(x, state)
            return y, state

        for x in xs:
            y, hidden = forward(x, hidden)
            z, other = forward(y, other)
            z.sum().backward()
    """
    assert names(source, "lstm(", "lstm(", "backward()") == ()


def test_unreadable_file() -> None:
    assert carried_names(Span("/nowhere.py", 1, 1, 1, 1, "f"), None) == ()
