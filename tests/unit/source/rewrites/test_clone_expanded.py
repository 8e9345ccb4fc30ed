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
