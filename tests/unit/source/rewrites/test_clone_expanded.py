from __future__ import annotations

import pytest

from gradsan.source.rewrites import clone_expanded


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("m = «a.expand_as(g)»", "m = a.expand_as(g).clone()"),
        ("m = «torch.broadcast_to(a, (2, 3))»", "m = torch.broadcast_to(a, (2, 3)).clone()"),
        ("m = «a.expand(2, 3)».to(g)", "m = a.expand(2, 3).clone().to(g)"),
        ("m = «a.expand(2, 3)».clone()", None),
        ("m = «a.expand(2, 3)» * g", None),
        ("m = «a.view(2, 3)»", None),
    ],
)
def test_what_is_kept(before: str, after: str | None, place) -> None:
    program = place(f"import torch\ndef f(a, g):\n    {before}\n")
    expected = "no fix" if after is None else f"import torch\ndef f(a, g):\n    {after}\n"
    assert program.applied(next(clone_expanded.propose([program.span.path]), None)) == expected


@pytest.mark.parametrize(
    ("body", "after"),
    [
        (["m = a.expand(2, 3)", "«m[0] = g»"], ["m = a.expand(2, 3).clone()", "m[0] = g"]),
        (
            ["m = a.expand(2, 3)", "for i in g:", "    «m[i] += g»"],
            ["m = a.expand(2, 3).clone()", "for i in g:", "    m[i] += g"],
        ),
        (["m = a.expand(2, 3)", "m = g", "«m[0] = g»"], None),
        (["m = a.expand(2, 3).t()", "«m[0] = g»"], None),
        (["n = a.expand(2, 3)", "«m[0] = g»"], None),
    ],
)
def test_where_the_written_name_is_bound(body: list[str], after: list[str] | None, place) -> None:
    head = "import torch\ndef f(a, g):\n    "
    program = place(head + "\n    ".join(body) + "\n")
    expected = "no fix" if after is None else head + "\n    ".join(after) + "\n"
    assert program.applied(next(clone_expanded.propose_for(program.span), None)) == expected


@pytest.mark.parametrize("bound", ["self.m = {}", "self.register_buffer('m', {})"])
def test_where_the_class_binds_what_is_written(bound: str, place) -> None:
    text = "class N:\n    def __init__(self, a):\n        {}\n    def f(self, g):\n        {}\n"
    program = place(text.format(bound.format("a.expand(2, 3)"), "«self.m.add_(g)»"))
    expected = text.format(bound.format("a.expand(2, 3).clone()"), "self.m.add_(g)")
    assert program.applied(next(clone_expanded.propose_for(program.span), None)) == expected
