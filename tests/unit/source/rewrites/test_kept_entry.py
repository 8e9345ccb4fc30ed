from __future__ import annotations

import pytest

from gradsan.source.rewrites import alias_copied, gradient_zeroed, kept_entry


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('state["last"] = p.grad', 'state["last"] = p.grad.clone()'),
        ('self.state[p]["last"] = g', 'self.state[p]["last"] = g.clone()'),
        ('state.setdefault("last", g)', 'state.setdefault("last", g.clone())'),
        ("state.update(last=g, other=g)", "state.update(last=g.clone(), other=g)"),
        ('self.state[p] = {"last": g, "other": g}', 'self.state[p] = {"last": g.clone(), "other": g}'),
        ('state["other"] = p.grad', None),
        ('state["last"] = p.grad * 2', None),
    ],
)
def test_an_entry(before: str, after: str | None, place) -> None:
    head = "class Own:\n    def step(self):\n        "
    program = place(f"{head}«{before}»\n")
    expected = [] if after is None else [f"{head}{after}\n"]
    assert [program.applied(fix) for fix in kept_entry.propose([str(program.path)], "Own", "last")] == expected


def test_of_another_class(place) -> None:
    program = place('class Own:\n    def step(self):\n        «state["last"] = p.grad»\n')
    assert list(kept_entry.propose([str(program.path)], "Other", "last")) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("net.zero_grad()", "net.zero_grad(set_to_none=False)"),
        ("net.zero_grad(set_to_none=True)", "net.zero_grad(set_to_none=False)"),
        ("net.zero_grad(flag)", "net.zero_grad(False)"),
    ],
)
def test_zeros(before: str, after: str, place) -> None:
    program = place(f"«{before}»\n")
    assert program.applied(gradient_zeroed.propose(program.span)) == f"{after}\n"


def test_no_call_of_zero_grad(place) -> None:
    program = place("«net.step()»\n")
    assert gradient_zeroed.propose(program.span) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [("flat = «h.detach()»", "flat = h.detach().clone()"), ("flat = «h.data»", "flat = h.data.clone()")],
)
def test_a_copy_of_an_alias(before: str, after: str, place) -> None:
    program = place(f"{before}\n")
    assert program.applied(alias_copied.propose(program.span)) == f"{after}\n"
