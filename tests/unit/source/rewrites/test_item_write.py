from __future__ import annotations

import pytest

from gradsan.source.rewrites import item_write


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("«p[i].add_(g, alpha=-lr)»", "p[i] = p[i].add(g, alpha=-lr)"),
        ("«p[i] -= lr * g»", "p[i] = p[i] - lr * g"),
        ("«p[i] *= a + b»", "p[i] = p[i] * (a + b)"),
        ("«self.state['h'].mul_(2)»", "self.state['h'] = self.state['h'].mul(2)"),
        ("«self.layers[i][0] *= g»", "self.layers[i][0] = self.layers[i][0] * g"),
        ("«p['m'].layers[i] *= g»", "p['m'].layers[i] = p['m'].layers[i] * g"),
        ("«p().layers[i] *= g»", None),
        ("«p[i] -= (a\n        + b)»", None),
        ("«p[next(i)].add_(g)»", None),
        ("«p[1:].add_(g)»", None),
        ("«p()[0].add_(g)»", None),
        ("«p[i].zero_()»", None),
        ("«p.add_(g)»", None),
    ],
)
def test_the_item(before: str, after: str | None, place) -> None:
    head = "def f(self, p, g, i):\n    "
    program = place(f"{head}{before}\n")
    expected = "no fix" if after is None else f"{head}{after}\n"
    assert program.applied(item_write.propose(program.span)) == expected
