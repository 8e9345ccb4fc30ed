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
            "with torch.no_grad():\n    for i in m:\n        «h[i] = 0»  # why\n\n    # so\n    h.neg_()",
            "for i in m:\n    h[i] = 0  # why\n\n# so\nh.neg_()",
        ),
        ("«h.mul_(m)»", None),
        ("with torch.no_grad(): «h.mul_(m)»", None),
        ("with torch.no_grad():\n    «h.mul_(m)»\n    return h.max().item()", None),
        ("with torch.no_grad():\n    n = h.norm()\n    «h.mul_(n)»", None),
        ("with torch.inference_mode():\n    «h.mul_(m)»", None),
        ("with open(m), torch.no_grad():\n    «h.mul_(m)»", None),
        ("with torch.no_grad():\n    «h.mul_(m)»\n    h[0] = f('''a\n    b'''), 1", None),
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
