from __future__ import annotations

import pytest

from gradsan.source.rewrites import returned_write


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def hook(grad):\n    «grad.mul_(-0.5)»", "def hook(grad):\n    return grad.mul(-0.5)"),
        ("def hook(grad):\n    «grad *= 2»  # why", "def hook(grad):\n    return grad * 2  # why"),
        (
            "def hook(module, args, output):\n    n = 2\n    «output.mul_(n).add_(1)»",
            "def hook(module, args, output):\n    n = 2\n    return output.mul(n).add(1)",
        ),
        ("def hook(grad):\n    «grad.mul_(2)»\n    print(grad)", None),
        ("def hook(grad):\n    if grad is None:\n        return 1\n    «grad.mul_(2)»", None),
        ("def hook(grad):\n    h = grad.cos()\n    «h.mul_(2)»", None),
    ],
)
def test_what_a_hook_wrote_is_returned(before: str, after: str | None, place) -> None:
    program = place(f"{before}\n")
    expected = "no fix" if after is None else f"{after}\n"
    assert program.applied(returned_write.propose(program.span)) == expected
