from __future__ import annotations

import pytest

from gradsan.source.rewrites import out_of_place


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("«h += e»", "h = h + e"),
        ("«h += e»  # why", "h = h + e  # why"),
        ("«h  +=  e»", "h = h +  e"),
        ("«h -= a - b»", "h = h - (a - b)"),
        ("«h += a * b»", "h = h + a * b"),
        ("«h *= a + b»", "h = h * (a + b)"),
        ("«h *= (a + b)»", "h = h * (a + b)"),
        ("«h *= (a + b) * (c + d)»", "h = h * ((a + b) * (c + d))"),
        ("«h *= f(a + b)»", "h = h * f(a + b)"),
        ("«h += -e»", "h = h + -e"),
        ("«h **= 2»", "h = h ** 2"),
        ("«h **= a ** b»", "h = h ** (a ** b)"),
        ("«h //= 2»", "h = h // 2"),
        ("«h @= w»", "h = h @ w"),
        ("«h &= a < b»", "h = h & (a < b)"),
        ("«h += a if c else b»", "h = h + (a if c else b)"),
        ("«h += lambda: 1»", "h = h + (lambda: 1)"),
        ("«h += 1,»", "h = h + (1,)"),
        ("«h += (\n        a  # first\n        + b)»", "h = h + (\n        a  # first\n        + b)"),
        ("«h += f(a,\n        b)»", "h = h + f(a,\n        b)"),
        ("«self.total += e»", "self.total = self.total + e"),
        ("«h[0] += e»", None),
        ("«h.real += e»", None),
        ("«h.imag.copy_(h.imag * 2)»", None),
        ("«h.real.clamp_(min=0)»", None),
        ("«h.mT.zero_()»", None),
        ("«f().total += e»", None),
    ],
)
def test_operators(before: str, after: str | None, place) -> None:
    program = place(f"def f(h):\n    {before}\n    return h\n")
    expected = "no fix" if after is None else f"def f(h):\n    {after}\n    return h\n"
    assert program.applied(out_of_place.propose(program.span)) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("«h.add_(1)»", "h = h.add(1)"),
        ("«h.add_(  1,\n        alpha=2)»  # why", "h = h.add(  1,\n        alpha=2)  # why"),
        ("«h.mul_(a).add_(b)»", "h = h.mul(a).add(b)"),
        ("«h.mul_(a)».add_(b)", "h = h.mul(a).add(b)"),
        ("«self.h.mul_(a)»", "self.h = self.h.mul(a)"),
        ("y = «h.exp_()»", "y = h = h.exp()"),
        ("y = «h.exp_()» + 1", "y = (h := h.exp()) + 1"),
        ("h = «h.exp_()»", "h = h.exp()"),
        ("y = h.sum() if a else «h.exp_()»", "y = h.sum() if a else (h := h.exp())"),
        ("«torch.relu_(h)»", "h = torch.relu(h)"),
        ("«h.copy_(h * a + b)»", "h = h * a + b"),
        ("«h.copy_(a *\n        h)»", "h = (a *\n        h)"),
        ("«h.copy_(a * b)»", None),
        ("«h.copy_(h[0] * b)»", None),
        ("y = [«m.mul_(w)» for m, w in zip(a, b)]", "y = [m.mul(w) for m, w in zip(a, b)]"),
        ("y = [(«m.mul_(w)», m) for m, w in zip(a, b)]", None),
        ("y = «F.relu(h, inplace=True)»", "y = h = F.relu(h, inplace=False)"),
        ("«F.relu(h, inplace=True)»", "h = F.relu(h, inplace=False)"),
        ("y = «F.relu(h, inplace=self.inplace)»", "y = h = F.relu(h, inplace=False)"),
        ("y = «F.relu(self.conv(h), inplace=True)»", "y = F.relu(self.conv(h), inplace=False)"),
        ("y = «F.relu(h, True)»", "y = h = F.relu(h, False)"),
        ("«torch.add(a, b, out=h)»", "h = torch.add(a, b)"),
        ("«torch.add(a, b, out=self.h)»", "self.h = torch.add(a, b)"),
        ("y = «torch.add(a, b, alpha=2, out=self.h)»", "y = self.h = torch.add(a, b, alpha=2)"),
        ("return «torch.add(a, b, out=self.h)».tanh()", "return torch.add(a, b).tanh()"),
        ("«torch.add(a, b, out=h[0])»", "h[0] = torch.add(a, b)"),
        ("«torch.add(a, b, out=h.view(2))»", None),
        ("«h[0].add_(1)»", None),
        ("«h.view(-1).add_(1)»", None),
        ("«h.data.add_(1)»", None),
        ("«h.zero_()»", "h = torch.zeros_like(h)"),
        ("«h.fill_(0.5)»", "h = torch.full_like(h, 0.5)"),
        ("«h.grad.detach_()»", "h.grad = h.grad.detach()"),
        ("h = «h.zero_()»", None),
        ("«h.normal_()»", None),
        ("y = «self.relu(h)»", None),
        ("«g(h)»", None),
    ],
)
def test_calls(before: str, after: str | None, place) -> None:
    head = "import torch\nimport torch.nn.functional as F\ndef f(self, h):\n    "
    program = place(f"{head}{before}\n    return h\n")
    expected = "no fix" if after is None else f"{head}{after}\n    return h\n"
    assert program.applied(out_of_place.propose(program.span)) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return «x.clamp_(a, b)»", "return x.clamp(a, b)"),
        ("«return x.clamp_(a, b)»", "return x.clamp(a, b)"),
        ("return g(«F.relu(x, inplace=True)»)", "return g(F.relu(x, inplace=False))"),
        ("return x.mul(2).«add_(1)»", None),
    ],
)
def test_what_is_not_read_again_needs_no_name(before: str, after: str | None, place) -> None:
    head = "import torch.nn.functional as F\ndef f(self, x):\n    "
    program = place(f"{head}{before}\n")
    assert program.applied(out_of_place.propose(program.span)) == ("no fix" if after is None else f"{head}{after}\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("«h[h < 0] = 0.0»", "h = h.masked_fill(h < 0, 0.0)"),
        ("«h[h < 0]» = 0.0", "h = h.masked_fill(h < 0, 0.0)"),
        ("«h[(h < 0) | (h.abs() > 5)] = -1»", "h = h.masked_fill((h < 0) | (h.abs() > 5), -1)"),
        ("«h[torch.isnan(h)] = 0»", "h = h.masked_fill(torch.isnan(h), 0)"),
        ("«h[~h.isfinite()] = 0»", "h = h.masked_fill(~h.isfinite(), 0)"),
        ("«h[negative] = float('-inf')»", "h = h.masked_fill(negative, float('-inf'))"),
        ("«h[mask] = 0»", None),
        ("«h[other < 0] = 0»", None),
        ("«h[h < other] = 0»", None),
        ("«h[h < 0] = v»", None),
        ("«h[0] = 0»", None),
        ("«h[:, 1:] = v»", None),
    ],
)
def test_masks(before: str, after: str | None, place) -> None:
    head = "def f(h, other, mask):\n    negative = h < 0\n    "
    program = place(f"{head}{before}\n    return h\n")
    expected = "no fix" if after is None else f"{head}{after}\n    return h\n"
    assert program.applied(out_of_place.propose(program.span)) == expected


def test_what_is_returned_is_bound_to_no_name(place) -> None:
    program = place("def f(h, inplace):\n    if inplace:\n        return «h.mul_(2)»\n    return h.mul(2)\n")
    assert "return h.mul(2)\n    return" in program.applied(out_of_place.propose(program.span))
    program = place("def f(h):\n    try:\n        return «h.mul_(2)»\n    finally:\n        print(h)\n")
    assert "return (h := h.mul(2))" in program.applied(out_of_place.propose(program.span))


SAFE = [
    ("h = torch.exp(x)", "«h += 1»"),
    ("h = a * b", "«h.add_(1)»"),
    ("h = x.exp()\n    y = h * h", "«h += 1»"),
    ("h = x.exp()\n    y = torch.tanh(h)", "«h += 1»"),
    ("h = x.exp()\n    y = h.shape[0] + len(h)", "«h += 1»"),
    ("h = x.exp()\n    h.mul_(2)", "«h += 1»"),
    ("h = x.exp()\n    for i in range(3):\n        y = h * 2", "«h += 1»"),
    ("h = x.exp()", "«h[h < 0] = 0»"),
]
UNSAFE = [
    ("h = x", "«h += 1»"),
    ("h = self.h", "«h += 1»"),
    ("h = items[0]", "«h += 1»"),
    ("h = x.view(-1)", "«h += 1»"),
    ("h = x.float()", "«h += 1»"),
    ("h = unknown(x)", "«h += 1»"),
    ("h, c = torch.exp(x), 1", "«h += 1»"),
    ("h = torch.exp(x)\n    g = h", "«h += 1»"),
    ("h = torch.exp(x)\n    g = h[0]", "«h += 1»"),
    ("h = torch.exp(x)\n    g = h.view(-1)", "«h += 1»"),
    ("h = torch.exp(x)\n    items.append(h)", "«h += 1»"),
    ("h = torch.exp(x)\n    self.h = h", "«h += 1»"),
    ("h = torch.exp(x)\n    g = (h, 1)", "«h += 1»"),
    ("h = torch.exp(x)\n    g = lambda: h", "«h += 1»"),
    ("h = torch.exp(x)\n    global h", "«h += 1»"),
    ("h = torch.exp(x)\n    unknown(h)", "«h += 1»"),
    ("h = torch.exp(x)\n    for i in items:", "    «h += 1»\n        items.append(h)"),
    ("pass", "«x += 1»"),
    ("h = torch.exp(x)", "y = pair(h, «h.add_(1)»)"),
]


@pytest.mark.parametrize(
    ("before", "write", "expected"), [(*s, "safe") for s in SAFE] + [(*u, "unsafe") for u in UNSAFE]
)
def test_applicability(before: str, write: str, expected: str, place) -> None:
    if "global" in before:
        before = "global h\n    h = torch.exp(x)"
    program = place(f"import torch\ndef f(self, x, items):\n    {before}\n    {write}\n    return h\n")
    fix = out_of_place.propose(program.span)
    assert fix is not None
    assert fix.applicability.value == expected


@pytest.mark.parametrize("text", ["«»", "«def (»", "«x = 1»", "«import torch»", "if x:\n    «pass»"])
def test_odd_places(text: str, place) -> None:
    assert out_of_place.propose(place(text).span) is None
