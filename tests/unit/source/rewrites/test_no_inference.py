from __future__ import annotations

import pytest

from gradsan.source.rewrites import no_inference


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("with «torch.inference_mode()»: pass", "with torch.no_grad(): pass"),
        ("g = «torch.inference_mode»(f)", None),
        ("with «torch.inference_mode(flag)»: pass", None),
        ("with «other.inference_mode()»: pass", None),
    ],
)
def test_the_mode(before: str, after: str | None, place) -> None:
    program = place(f"import torch\ndef f(flag, other):\n    {before}\n")
    expected = "no fix" if after is None else f"import torch\ndef f(flag, other):\n    {after}\n"
    assert program.applied(next(no_inference.propose([program.span.path]), None)) == expected


def test_a_decorator(place) -> None:
    program = place("import torch\n@«torch.inference_mode»\ndef f():\n    pass\n")
    (fix,) = no_inference.propose([program.span.path])
    assert program.applied(fix) == "import torch\n@torch.no_grad\ndef f():\n    pass\n"
