from __future__ import annotations

import pytest

from gradsan.source.rewrites import clone_at_save


@pytest.mark.parametrize(
    ("before", "operand", "after"),
    [
        ("«torch.exp(x)»", "result", "torch.exp(x).clone()"),
        ("«torch.exp(x)» * 2", "result", "torch.exp(x).clone() * 2"),
        ("«a / b»", "result", "(a / b).clone()"),
        ("(«a / b») * 2", "result", "(a / b).clone() * 2"),
        ("g(«a / b»)", "result", "g((a / b).clone())"),
        ("«x.exp_()»", "result", None),
        ("«F.relu(x, inplace=True)»", "result", None),
        ("«torch.sin(x)»", "self", "torch.sin(x.clone())"),
        ("«torch.sin(input=x)»", "input", "torch.sin(input=x.clone())"),
        ("«x.sin()»", "self", "x.clone().sin()"),
        ("«(a + b).sin()»", "self", "(a + b).clone().sin()"),
        ("«torch.sin(a + b)»", "self", "torch.sin((a + b).clone())"),
        ("«a * b»", "self", "a.clone() * b"),
        ("«a * b»", "other", "a * b.clone()"),
        ("«a * (b + c)»", "other", "a * (b + c).clone()"),
        ("«a @ b»", "mat2", "a @ b.clone()"),
        ("«-x»", "self", "-x.clone()"),
        ("«a * 2»", "other", None),
        ("«torch.mul(a, b)»", "other", "torch.mul(a, b.clone())"),
        ("«a.mul(b)»", "other", "a.mul(b.clone())"),
        ("«a.mul_(b)»", "other", "a.mul_(b.clone())"),
        ("«F.linear(x, w)»", "weight", "F.linear(x, w.clone())"),
        ("«self.proj(x)»", "input", "self.proj(x.clone())"),
        ("«self.proj(x)»", "weight", None),
        ("«torch.mul(*pair)»", "other", None),
    ],
)
def test_what_is_cloned(before: str, operand: str, after: str | None, place) -> None:
    head = "import torch\nimport torch.nn.functional as F\ndef f(self, x, a, b, w):\n    y = "
    program = place(f"{head}{before}\n")
    expected = "no fix" if after is None else f"{head}{after}\n"
    assert program.applied(clone_at_save.propose(program.span, operand)) == expected


def test_where_several_calls_may_have_saved_it_is_a_guess(place) -> None:
    program = place("def f(self, x):\n    return «self.head(self.body(x))»\n")
    assert clone_at_save.propose(program.span, "input", "layer_norm") is None
    guess = clone_at_save.propose(program.span, "input", "layer_norm", is_guess=True)
    assert program.applied(guess) == "def f(self, x):\n    return self.head(self.body(x).clone())\n"


def test_several_results_have_no_clone(place) -> None:
    program = place("import torch\ndef f(x):\n    w, v = «torch.linalg.eigh(x)»\n    return w\n")
    assert clone_at_save.propose(program.span, "eigenvalues", "linalg.eigh") is None


def test_the_title_names_what_is_cloned(place) -> None:
    fix = clone_at_save.propose(place("def f(a):\n    return «a.sin()»\n").span, "self")
    assert fix is not None
    assert fix.title == "clone `a` where it is saved"


@pytest.mark.parametrize(
    ("call", "operation", "expected"),
    [
        ("a.sin()", "sin", "safe"),
        ("torch.sigmoid(a)", "sigmoid", "safe"),
        ("nn.Sigmoid()(a)", "sigmoid", "safe"),
        ("a * b", "mul", "safe"),
        ("self.act(a)", "sigmoid", "unsafe"),
        ("F.cross_entropy(a, b)", "log_softmax", "unsafe"),
    ],
)
def test_applicability(call: str, operation: str, expected: str, place) -> None:
    fix = clone_at_save.propose(
        place(f"import torch\ndef f(self, a, b):\n    return «{call}»\n").span, "result", operation
    )
    assert fix is not None
    assert fix.applicability.value == expected


def test_an_operand_of_an_augmented_assignment(place) -> None:
    program = place("def f(h, g):\n    «h *= g»\n")
    assert program.applied(clone_at_save.propose(program.span, "other")) == "def f(h, g):\n    h *= g.clone()\n"
    assert clone_at_save.propose(program.span, "self") is None


@pytest.mark.parametrize(
    ("before", "name", "after"),
    [
        ("«torch.einsum('a,b', q, self.k.t())»", "self.k", "torch.einsum('a,b', q, self.k.t().clone())"),
        ("«a @ self.w»", "self.w", "a @ self.w.clone()"),
        ("«f(a, [b, c])»", "c", "f(a, [b, c.clone()])"),
        ("«f(a, b)»", "c", None),
        ("«(a[t - 1] * b[:, t]).sum()»", "a", "(a[t - 1].clone() * b[:, t]).sum()"),
        ("«(a[t - 1] * a.mean()).sum()»", "a", "(a[t - 1].clone() * a.clone().mean()).sum()"),
        ("«a.mul_(a.sum())»", "a", "a.mul_(a.clone().sum())"),
        ("«a.T[0].view(-1) * 2»", "a", "a.T[0].view(-1).clone() * 2"),
    ],
)  # fmt: skip
def test_the_operands_that_name_it(before: str, name: str, after: str | None, place) -> None:
    head = "import torch\ndef f(self, q, a):\n    y = "
    program = place(f"{head}{before}\n")
    expected = "no fix" if after is None else f"{head}{after}\n"
    assert program.applied(clone_at_save.propose_named(program.span, name)) == expected


def test_what_a_statement_assigns_to_is_not_cloned(place) -> None:
    program = place("def f(a, b, t):\n    «a[t] = (a[t - 1] * b).sum() * b[t]»\n")
    expected = "def f(a, b, t):\n    a[t] = (a[t - 1].clone() * b).sum() * b[t]\n"
    assert program.applied(clone_at_save.propose_named(program.span, "a")) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("«a[t]» = f(a[t - 1], a[:t].sum(), b)", "a[t] = f(a[t - 1].clone(), a[:t].clone().sum(), b)"),
        ("«a[t] += f(a[t - 1])»", "a[t] += f(a[t - 1].clone())"),
        ("«a[t].copy_(f(a))»", "a[t].copy_(f(a.clone()))"),
        ("«a[t] = f(b)»", None),
        ("return «a.add_(f(a))»", None),
    ],
)
def test_what_the_statement_of_a_write_reads(before: str, after: str | None, place) -> None:
    program = place(f"def g(a, b, t, f):\n    {before}\n")
    expected = "no fix" if after is None else f"def g(a, b, t, f):\n    {after}\n"
    assert program.applied(clone_at_save.propose_given(program.span, "a")) == expected


def test_each_tensor_that_is_named(place) -> None:
    program = place("import torch\ndef f(self, x):\n    «return torch.sin(x) * self.table.t() + self.net(x[0])»\n")
    after = [program.applied(fix).split("\n")[2].strip() for fix in clone_at_save.propose_each(program.span)]
    assert sorted(after) == [
        "return torch.sin(x) * self.table.clone().t() + self.net(x[0])",
        "return torch.sin(x) * self.table.t() + self.net(x[0].clone())",
        "return torch.sin(x.clone()) * self.table.t() + self.net(x[0])",
    ]


def test_of_a_part_no_more_is_cloned_than_is_read(place) -> None:
    program = place("def f(row, at):\n    «row[2:].add_(row[:-2])»\n")
    after = [program.applied(fix).split("\n")[1].strip() for fix in clone_at_save.propose_each(program.span)]
    assert "row[2:].add_(row[:-2].clone())" in after
    program = place("def f(row, at):\n    «row[2:].add_(row[at][0, ..., -1])»\n")
    after = [program.applied(fix).split("\n")[1].strip() for fix in clone_at_save.propose_each(program.span)]
    assert "row[2:].add_(row.clone()[at][0, ..., -1])" in after


def test_nothing_that_is_written_is_cloned(place) -> None:
    assert list(clone_at_save.propose_each(place("def f(x):\n    «x.mul_(2).add_(1)»\n").span)) == []
    program = place("def f(self, x, i):\n    «self.x[x[i]] = x.mul_(i) + x»\n")
    after = [program.applied(fix).split("\n")[1].strip() for fix in clone_at_save.propose_each(program.span)]
    assert sorted(after) == [
        "self.x[x.clone()[i]] = x.mul_(i) + x",
        "self.x[x[i.clone()]] = x.mul_(i) + x",
        "self.x[x[i]] = x.clone().mul_(i) + x",
        "self.x[x[i]] = x.mul_(i) + x.clone()",
        "self.x[x[i]] = x.mul_(i.clone()) + x",
    ]


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("table[t] /= s[t]", "table[t] /= s[t].clone()"),
        ("table[t] *= s[t].unsqueeze(0)", "table[t] *= s[t].unsqueeze(0).clone()"),
        ("table[t] += s[t]", None),
        ("table[t] /= x", None),
    ],
)
def test_what_is_saved_through_a_view(line: str, after: str | None, place) -> None:
    program = place(f"import torch\ndef f(table, s, x):\n    for t in x:\n        «s[t] = t»\n        {line}\n")
    expected = "no fix" if after is None else program.text.replace(line, after)
    assert program.applied(next(clone_at_save.propose_hidden(program.span, "s"), None)) == expected
