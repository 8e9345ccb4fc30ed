from __future__ import annotations

import pytest

from gradsan.source.rewrites import on_tape


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("«h.data.mul_(m)»", "h.mul_(m)"),
        ("«h.data[m] = 0»", "h[m] = 0"),
        ("«h.data» += m", "h += m"),
        ("«h.data[0].clamp_(m)»", "h[0].clamp_(m)"),
        ("«self.h.data.zero_()»", "self.h.zero_()"),
        ("with torch.no_grad():\n    «h.mul_(m)»\nreturn h", "h.mul_(m)\nreturn h"),
        (
            "with torch.no_grad():\n    for i in m:\n        «h[i] = 0»  # why\n\n    # so\n    h.sum()",
            "for i in m:\n    h[i] = 0  # why\n\n# so\nh.sum()",
        ),
        ("«h.mul_(m)»", None),
        ("with torch.no_grad(): «h.mul_(m)»", None),
        ("with open(m), torch.no_grad():\n    «h.mul_(m)»", None),
        ('with torch.no_grad():\n    «h.mul_(m)»\n    """a\n    b"""', None),
    ],
)
def test_what_hides_the_write_is_taken_away(before: str, after: str | None, place) -> None:
    def inside(text: str) -> str:
        return "import torch\ndef f(self, h, m):\n" + "".join(
            f"    {line}".rstrip() + "\n" for line in text.split("\n")
        )

    program = place(inside(before))
    expected = [] if after is None else [inside(after)]
    assert [program.applied(fix) for fix in on_tape.propose(program.span)] == expected


def test_a_decorator(place) -> None:
    program = place("from torch import no_grad\n\n@once\n@no_grad()\ndef mask(h):\n    «h[0] = 0»\n")
    (fix,) = on_tape.propose(program.span)
    assert program.applied(fix) == "from torch import no_grad\n\n@once\ndef mask(h):\n    h[0] = 0\n"
