from __future__ import annotations

import pytest

from gradsan.source.rewrites import clone_parts


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a, b = «x.chunk(2)»", "a, b = [part.clone() for part in x.chunk(2)]"),
        ("«a, b = x.chunk(2)»", "a, b = [part.clone() for part in x.chunk(2)]"),
        ("for t in «x»:\n        t.add_(1)", "for t in [part.clone() for part in x]:\n        t.add_(1)"),
        ("y = «x.chunk(2)»", None),
        ("«x.chunk(2)»[0].add_(1)", None),
    ],
)
def test_the_views(before: str, after: str | None, place) -> None:
    program = place(f"def f(x):\n    {before}\n")
    expected = "no fix" if after is None else f"def f(x):\n    {after}\n"
    assert program.applied(clone_parts.propose(program.span)) == expected
