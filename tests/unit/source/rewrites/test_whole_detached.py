from __future__ import annotations

import pytest

from gradsan.source.rewrites import whole_detached


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("for h in state:\n        «h.detach_()»", "state = state.detach()"),
        ("for h in self.state[0]:\n        «h.detach_()»", "self.state[0] = self.state[0].detach()"),
        ("for h in state:\n        «h.detach_()»\n        print(h)", None),
        ("for h in f(state):\n        «h.detach_()»", None),
        ("for h in state:\n        «state.detach_()»", None),
        ("«state.detach_()»", None),
    ],
)
def test_the_loop(before: str, after: str | None, place) -> None:
    program = place(f"def f(self, state):\n    {before}\n    return state\n")
    expected = "no fix" if after is None else f"def f(self, state):\n    {after}\n    return state\n"
    assert program.applied(whole_detached.propose(program.span)) == expected
