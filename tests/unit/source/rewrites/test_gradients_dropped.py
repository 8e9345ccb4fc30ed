from __future__ import annotations

import pytest

from gradsan.source.rewrites import gradients_dropped


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("«opt.zero_grad(set_to_none=False)»", "opt.zero_grad(set_to_none=True)"),
        ("«model.zero_grad(False)»", "model.zero_grad(True)"),
        ("«opt.zero_grad()»", None),
        ("«p.grad.zero_()»", None),
    ],
)
def test_the_flag(before: str, after: str | None, place) -> None:
    program = place(f"def f(opt, model, p):\n    {before}\n")
    expected = "no fix" if after is None else f"def f(opt, model, p):\n    {after}\n"
    assert program.applied(gradients_dropped.propose(program.span)) == expected
