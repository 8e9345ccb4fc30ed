from __future__ import annotations

from gradsan.source.suppressions import find_suppressions


def test_beside_and_above() -> None:
    text = "x = 1  # gradsan: allow[GS101, leaf-written] meant\n# gradsan: allow[GS102]\n\ny = 2\n"
    beside, above = find_suppressions(text)
    assert (beside.target, beside.names, beside.reason) == (1, ("gs101", "leaf-written"), "meant")
    assert (above.line, above.target) == (2, 4)


def test_not_in_a_string() -> None:
    assert find_suppressions("x = '# gradsan: allow[GS101]'\n") == ()


def test_broken_source_has_what_came_before() -> None:
    assert len(find_suppressions("x = 1  # gradsan: allow[GS101]\ny = (\n")) == 1
