from __future__ import annotations

import pytest

from gradsan.source.rewrites import loop_write


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "for w, g in zip(ws, gs):\n    «w -= lr * g»",
            "for i, (w, g) in enumerate(zip(ws, gs)):\n    ws[i] = w - lr * g",
        ),
        ("for w in self.ws:\n    «w.mul_(lr)»", "for i, w in enumerate(self.ws):\n    self.ws[i] = w.mul(lr)"),
        (
            "for w in ws:\n    «w.mul_(lr).add_(1)»\n    use(w)",
            "for i, w in enumerate(ws):\n    ws[i] = w = w.mul(lr).add(1)\n    use(w)",
        ),
        ("for k, w in enumerate(ws):\n    «w += k»", "for k, w in enumerate(ws):\n    ws[k] = w + k"),
        (
            "for k, (g, w) in enumerate(zip(gs, ws)):\n    «w += g»",
            "for k, (g, w) in enumerate(zip(gs, ws)):\n    ws[k] = w + g",
        ),
        ("for name, w in fast.items():\n    «w -= lr»", "for name, w in fast.items():\n    fast[name] = w - lr"),
        (
            "for (name, w), g in zip(fast.items(), gs):\n    «w -= g»",
            "for (name, w), g in zip(fast.items(), gs):\n    fast[name] = w - g",
        ),
        ("for w in fast.values():\n    «w.mul_(lr)»", "for key, w in fast.items():\n    fast[key] = w.mul(lr)"),
        (
            "key = 1\nfor w, g in zip(self.fast.values(), gs):\n    «w -= g»",
            "key = 1\nfor (name, w), g in zip(self.fast.items(), gs):\n    self.fast[name] = w - g",
        ),
        (
            "for i, w in enumerate(fast.values()):\n    «w += i»",
            "for i, (key, w) in enumerate(fast.items()):\n    fast[key] = w + i",
        ),
        ("for w in net.state().values():\n    «w += 1»", None),
        ("i = 0\nfor w in ws:\n    «w += i»", "i = 0\nfor j, w in enumerate(ws):\n    ws[j] = w + i"),
        ("for w in net.parameters():\n    «w += 1»", None),
        ("for w in zip(ws, gs):\n    «w += 1»", None),
        ("for w in ws:\n    w = w + 1\n    «w += 1»", None),
        ("for w in ws:\n    «h += 1»", None),
        ("for w in ws:\n    «w[0] = 1»", None),
    ],
)
def test_the_new_tensor_goes_where_the_old_one_was(before: str, after: str | None, place) -> None:
    def inside(text: str) -> str:
        return "def f(self, ws, gs, lr, fast, net, h):\n" + "".join(f"    {line}\n" for line in text.split("\n"))

    program = place(inside(before))
    expected = "no fix" if after is None else inside(after)
    assert program.applied(loop_write.propose(program.span)) == expected
