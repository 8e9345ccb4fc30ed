from __future__ import annotations

import pytest

from gradsan.source.rewrites import clone_before_write


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("«h[0] = v»", "h = h.clone()"),
        ("«h[0]» = v", "h = h.clone()"),
        ("«h[0][1] = v»  # why", "h = h.clone()"),
        ("«h += 1»", "h = h.clone()"),
        ("«h[0] += 1»", "h = h.clone()"),
        ("«h[0].add_(1)»", "h = h.clone()"),
        ("y = «h.add_(1)» + 1", "h = h.clone()"),
        ("«self.queue[:, a:b] = k»", "self.queue = self.queue.clone()"),
        ("y = «F.relu(h, inplace=True)»", "h = h.clone()"),
        ("«h.real.clamp_(min=0)»", "h = h.clone()"),
        ("«h.imag[0]» = v", "h = h.clone()"),
        ("«h.diagonal().clamp_(min=0)»", "h = h.clone()"),
        ("«h.mT[0].view(-1).add_(1)»", "h = h.clone()"),
        ("«torch.diagonal(h).add_(1)»", "h = h.clone()"),
        ("«h.exp().add_(1)»", None),
        ("«h.data[0] = v»", None),
        ("«g()[0] = v»", None),
        ("a = 1; «h[0] = v»", None),
        ("if a: «h[0] = v»", None),
        ("while «h.add_(1)».sum() < 1: pass", None),
    ],
)
def test_the_line_before(before: str, line: str | None, place) -> None:
    program = place(f"import torch, torch.nn.functional as F\ndef f(self, h):\n    {before}\n    return h\n")
    rest = program.text.split("\n", 2)
    expected = "no fix" if line is None else f"{rest[0]}\n{rest[1]}\n    {line}\n{rest[2]}"
    assert program.applied(clone_before_write.propose(program.span)) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("for i in r:\n    «h[i] = 0»", "h = h.clone()\nfor i in r:\n    h[i] = 0"),
        (
            "for i in r:\n    while w:\n        h[0][i] -= w\n        «h[i, :2] = 0»",
            "h = h.clone()\nfor i in r:\n    while w:\n        h[0][i] -= w\n        h[i, :2] = 0",
        ),
        ("for i in r:\n    «h[i] = h[0]»", "for i in r:\n    h = h.clone()\n    h[i] = h[0]"),
        ("for i in r:\n    «h[i] *= w»", "for i in r:\n    h = h.clone()\n    h[i] *= w"),
        ("for i in r:\n    «h[i].add_(w)»", "for i in r:\n    h = h.clone()\n    h[i].add_(w)"),
        ("for i in r:\n    w = f(h)\n    «h[i] = 0»", "for i in r:\n    w = f(h)\n    h = h.clone()\n    h[i] = 0"),
        (
            "for i in r:\n    w = f(h)\n    for j in r:\n        «h[j] = 0»",
            "for i in r:\n    w = f(h)\n    h = h.clone()\n    for j in r:\n        h[j] = 0",
        ),
    ],
)
def test_the_line_before_a_loop_that_saves_nothing_of_it(before: str, after: str, place) -> None:
    def inside(text: str) -> str:
        return "def f(h, w, r):\n" + "".join(f"    {line}\n" for line in text.split("\n"))

    program = place(inside(before))
    assert program.applied(clone_before_write.propose(program.span)) == inside(after)


@pytest.mark.parametrize(("made", "expected"), [("h = a * b", "safe"), ("h = a", "unsafe"), ("h = a[0]", "unsafe")])
def test_applicability(made: str, expected: str, place) -> None:
    fix = clone_before_write.propose(place(f"def f(a, b):\n    {made}\n    «h[0] = 1»\n    return h\n").span)
    assert fix is not None
    assert fix.applicability.value == expected


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("for t in r:\n    «h[t] = h[t - 1] * w»", True),
        ("for t in r:\n    «h[t]» += w", True),
        ("for t in r:\n    «h[:, t].copy_(w)»", True),
        ("for t in r:\n    h = h.clone()\n    «h[t] = w»", False),
        ("for t in r:\n    «h.add_(w)»", False),
        ("«h[0] = w»", False),
    ],
)
def test_whether_a_loop_fills_it(before: str, expected: bool, place) -> None:
    lines = "".join(f"    {line}\n" for line in before.split("\n"))
    assert clone_before_write.is_filled_in_loop(place(f"def f(h, w, r):\n{lines}").span) is expected


@pytest.mark.parametrize(
    ("body", "at", "line"),
    [
        (["row = x[0]", "«row.add_(1)»"], 0, "x = x.clone()"),
        (["row = x.view(-1)[2:]", "«row[0] = 1»"], 0, "x = x.clone()"),
        (["part = x[0]", "row = part.t()", "«row[0] = 1»"], 0, "x = x.clone()"),
        (["for i in y:", "    row = x[i]", "    «row.add_(1)»"], 0, "x = x.clone()"),
        (["for i in y:", "    x = g(i)", "    row = x[i]", "    «row.add_(1)»"], 2, "    x = x.clone()"),
        (["row = x[0]", "«row += 1»"], 0, "x = x.clone()"),
        (["row = x.exp()", "«row.add_(1)»"], 0, None),
        (["row = x[0]", "row = y[0]", "«row.add_(1)»"], 0, None),
        (["row = g(x)[0]", "«row.add_(1)»"], 0, None),
        (["for row in x:", "    «row.add_(1)»"], 0, None),
    ],
)
def test_the_line_before_a_view(body: list[str], at: int, line: str | None, place) -> None:
    lines = [f"    {each}" for each in body]
    program = place("\n".join(["import torch", "def f(x, y):", *lines, ""]))
    plain = program.text.split("\n")
    expected = "no fix" if line is None else "\n".join([*plain[: at + 2], f"    {line}", *plain[at + 2 :]])
    assert program.applied(clone_before_write.propose_base(program.span)) == expected
