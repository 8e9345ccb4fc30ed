from __future__ import annotations

import pytest

from gradsan.source.rewrites import made_mapped


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("out = torch.zeros(3, 3)\n    «out[0, 1] = -v[2]»", "out = v.new_zeros(3, 3)\n    out[0, 1] = -v[2]"),
        ("out = torch.full((3,), 2.0, dtype=d)\n    «out += w»", "out = w.new_full((3,), 2.0, dtype=d)\n    out += w"),
        ("out = torch.zeros(3, requires_grad=True)\n    «out[0] = v[0]»", None),
        ("out = torch.eye(3)\n    «out[0] = v[0]»", None),
        ("out = torch.zeros(3)\n    out = torch.ones(3)\n    «out[0] = v[0]»", None),
        ("out = torch.zeros(3)\n    «out[0] = 1.0»", None),
        ("out = other.zeros(3)\n    «out[0] = v[0]»", None),
        ("«v[0] = w[0]»", None),
    ],
)
def test_the_tensor_is_made_of_the_argument_that_is_written_to_it(before: str, after: str | None, place) -> None:
    program = place(f"import torch\ndef f(v, w, d):\n    {before}\n    return out\n")
    expected = "no fix" if after is None else f"import torch\ndef f(v, w, d):\n    {after}\n    return out\n"
    assert program.applied(made_mapped.propose(program.span)) == expected
