from __future__ import annotations

import pytest

from gradsan.source.rewrites import no_grad


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("«w[0] = v»", "with torch.no_grad():\n        w[0] = v"),
        ("«w[0]» += 1  # why", "with torch.no_grad():\n        w[0] += 1  # why"),
        ("«self.w.view(-1).fill_(1)»", "with torch.no_grad():\n        self.w.view(-1).fill_(1)"),
        (
            "«w[0] = f(\n        v,\n\n        u)»",
            "with torch.no_grad():\n        w[0] = f(\n            v,\n\n            u)",
        ),
        ('«w[0] = f("""a\n    b""")»', None),
        ("a = 1; «w[0] = v»", None),
        ("if a: «w[0] = v»", None),
        ("return «w.fill_(1)»", "with torch.no_grad():\n        return w.fill_(1)"),
        ("return «w.fill_(1)» + v", None),
    ],
)
def test_the_statement(before: str, after: str | None, place) -> None:
    head = "import torch\ndef f(self, w, v):\n    "
    program = place(f"{head}{before}\n")
    expected = "no fix" if after is None else f"{head}{after}\n"
    assert program.applied(no_grad.propose(program.span)) == expected


def test_the_statements_below_that_write_the_same(place) -> None:
    program = place("""
        import torch
        def f(a, w, v):
            «a.w[0][:, 0] = v»
            a.w[0][:, 1] += v
            a.w[0].mul_(2)
            a.b[0] = v
            a.w[0][0] = v
        """)
    assert program.applied(no_grad.propose(program.span)).split("\n")[2:] == [
        "    with torch.no_grad():",
        "        a.w[0][:, 0] = v",
        "        a.w[0][:, 1] += v",
        "        a.w[0].mul_(2)",
        "    a.b[0] = v",
        "    a.w[0][0] = v",
        "",
    ]


def test_the_framework_by_another_name(place) -> None:
    program = place("import torch as t\n«w[0] = 1»\n")
    assert program.applied(no_grad.propose(program.span)) == "import torch as t\nwith t.no_grad():\n    w[0] = 1\n"


@pytest.mark.parametrize("head", ['"""Writes."""\n', "from __future__ import annotations\n"])
def test_the_import_goes_below_the_head_of_a_file_without_one(place, head: str) -> None:
    program = place(f"{head}\n\ndef f(w):\n    «w[0] = 1»\n")
    assert program.applied(no_grad.propose(program.span)) == (
        f"{head}import torch\n\n\ndef f(w):\n    with torch.no_grad():\n        w[0] = 1\n"
    )


def test_a_file_without_the_framework_imports_it(place) -> None:
    program = place("from __future__ import annotations\nimport torch.nn as nn\n«w[0] = 1»\n")
    assert program.applied(no_grad.propose(program.span)) == (
        "from __future__ import annotations\nimport torch\nimport torch.nn as nn\nwith torch.no_grad():\n    w[0] = 1\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "for w in net.parameters():\n    «w -= w.grad»",
            "with torch.no_grad():\n    for w in net.parameters():\n        w -= w.grad",
        ),
        (
            "for group in groups:\n    for w, g in zip(group['params'], gs):\n        if w.requires_grad:\n"
            "            «w.add_(g)»\n            w.grad = None\n            w.mul_(2)",
            "for group in groups:\n    for w, g in zip(group['params'], gs):\n        if w.requires_grad:\n"
            "            with torch.no_grad():\n                w.add_(g)\n            w.grad = None\n"
            "            w.mul_(2)",
        ),
        (
            "for group in groups:\n    for w, g in zip(group['params'], gs):\n        if w.requires_grad:\n"
            "            «w.add_(g)»\n            w.grad.zero_()",
            "with torch.no_grad():\n    for group in groups:\n        for w, g in zip(group['params'], gs):\n"
            "            if w.requires_grad:\n                w.add_(g)\n                w.grad.zero_()",
        ),
        (
            "for w in net.parameters():\n    «w -= lr * w.grad»\n    w.grad = None",
            "with torch.no_grad():\n    for w in net.parameters():\n        w -= lr * w.grad\n        w.grad = None",
        ),
        (
            "for w in net.parameters():\n    use(w)\n    «w -= w.grad»",
            "for w in net.parameters():\n    use(w)\n    with torch.no_grad():\n        w -= w.grad",
        ),
        (
            "for w, g in zip(ws, grads_of(loss)):\n    «w -= g»",
            "for w, g in zip(ws, grads_of(loss)):\n    with torch.no_grad():\n        w -= g",
        ),
        ("if late:\n    «w -= g»", "if late:\n    with torch.no_grad():\n        w -= g"),
        (
            "for w in ws:\n    «w -= g»\nelse:\n    done()",
            "for w in ws:\n    with torch.no_grad():\n        w -= g\nelse:\n    done()",
        ),
    ],
)
def test_a_loop_that_does_nothing_else(before: str, after: str, place) -> None:
    program = place(f"import torch\n{before}\n")
    assert program.applied(no_grad.propose(program.span)) == f"import torch\n{after}\n"


@pytest.mark.parametrize("step", ["\t", "  ", "    "])
def test_the_blanks_that_the_file_indents_by(step: str, place) -> None:
    head = f"import torch\ndef f(w):\n{step}for i in w:\n"
    program = place(f"{head}{step * 2}g(i)\n{step * 2}«w[i] = i»\n")
    with_it = f"{step * 2}with torch.no_grad():\n{step * 3}w[i] = i\n"
    assert program.applied(no_grad.propose(program.span)) == f"{head}{step * 2}g(i)\n{with_it}"


@pytest.mark.parametrize(
    ("body", "is_step"),
    [
        ("«w -= lr * w.grad»", True),
        ("«w.sub_(lr * w.grad)»", True),
        ("g, = torch.autograd.grad(loss, w)\n    «w.sub_(lr * g)»", True),
        ("g = torch.autograd.grad(loss, [w])[0]\n    «w += lr * g.sign()»", True),
        ("gs = torch.autograd.grad(loss, ws)\n    for w, g in zip(ws, gs):\n        «w -= lr * g»", True),
        ("gs = torch.autograd.grad(loss, ws)\n    for w, g in zip(ws, hs):\n        «w -= lr * g»", False),
        ("g, = torch.autograd.grad(loss, w, create_graph=True)\n    «w -= lr * g»", False),
        ("g = w.sum()\n    «w -= lr * g»", False),
        ("«w -= lr * v.grad»", False),
    ],
)
def test_a_step_along_a_gradient(body: str, is_step: bool, place) -> None:
    program = place(f"import torch\ndef f(loss, w, v, ws, hs, lr):\n    {body}\n")
    assert no_grad.is_step(program.span) is is_step
