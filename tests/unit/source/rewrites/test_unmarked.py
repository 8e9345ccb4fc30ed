from __future__ import annotations

import pytest

from gradsan.source.rewrites import foreach_write, unmarked

HEAD = "class F(Function):\n    @staticmethod\n    def forward(ctx, x, y):\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["«ctx.mark_dirty(x)»", "return x.add_(1)"], ["x = x.clone()", "return x.add_(1)"]),
        (["x.add_(1)", "«ctx.mark_dirty(x)»", "return x"], ["x = x.clone()", "x.add_(1)", "return x"]),
        (['"""Add."""', "«ctx.mark_dirty(x, y)»"], ['"""Add."""', "x = x.clone()", "y = y.clone()"]),
    ],
)
def test_what_is_marked_is_cloned(before: list[str], after: list[str], place) -> None:
    program = place(HEAD + "".join(f"        {line}\n" for line in before))
    assert program.applied(unmarked.propose(program.span)) == HEAD + "".join(f"        {line}\n" for line in after)


@pytest.mark.parametrize("before", ["«ctx.mark_dirty(*both)»", "«ctx.mark_dirty(x[0])»", "«x.add_(1)»"])
def test_what_is_not_understood(before: str, place) -> None:
    program = place(f"{HEAD}        {before}\n        return x\n")
    assert unmarked.propose(program.span) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("«torch._foreach_mul_(xs, 2)»", "xs[:] = torch._foreach_mul(xs, 2)"),
        ("«torch._foreach_add_(self.xs, ys, alpha=2)»", "self.xs[:] = torch._foreach_add(self.xs, ys, alpha=2)"),
        ("z = «torch._foreach_mul_(xs, 2)»", None),
        ("«torch._foreach_mul_([x, y], 2)»", None),
        ("«torch._foreach_zero_(xs)»", None),
        ("«x.mul_(2)»", None),
    ],
)
def test_a_list(before: str, after: str | None, place) -> None:
    program = place(f"{before}\n")
    assert program.applied(foreach_write.propose(program.span)) == ("no fix" if after is None else f"{after}\n")
