from __future__ import annotations

import pytest

from gradsan.source.rewrites import module_copies

HEAD = "import torch\ndef f(self, net, x, m):\n"
COPIES = "{name: each.clone() for name, each in net.named_parameters()}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("«net(x)»", "torch.func.functional_call(net, copies, (x,))"),
        ("«-net(x, m).mean()»", "-torch.func.functional_call(net, copies, (x, m)).mean()"),
        ("«net(x, mask=m)»", 'torch.func.functional_call(net, copies, (x,), {"mask": m})'),
        ("«net(*x, **m)»", "torch.func.functional_call(net, copies, (*x,), {**m})"),
        (
            "«net(x) - net(m)»",
            "torch.func.functional_call(net, copies, (x,)) - torch.func.functional_call(net, copies, (m,))",
        ),
        ("«net()»", "torch.func.functional_call(net, copies, ())"),
        ("«torch.sin(x)»", None),
        ("«x.sin()»", None),
        ("«len(x)»", None),
    ],
)
def test_what_is_called(before: str, after: str | None, place) -> None:
    program = place(f"{HEAD}    y = {before}\n")
    expected = [] if after is None else [f"{HEAD}    copies = {COPIES}\n    y = {after}\n"]
    assert [program.applied(fix) for fix in module_copies.propose(program.span)] == expected


def test_where_no_line_can_be_put_before(place) -> None:
    program = place(f"{HEAD}    y = [«net(x)» for x in m]\n")
    (fix,) = module_copies.propose(program.span)
    assert program.applied(fix) == f"{HEAD}    y = [torch.func.functional_call(net, {COPIES}, (x,)) for x in m]\n"


def test_an_item_of_a_list_of_modules(place) -> None:
    program = place(f"{HEAD}    y = «self.layers[-1](x)»\n")
    (fix,) = module_copies.propose(program.span)
    assert "functional_call(self.layers[-1], copies, (x,))" in program.applied(fix)


def test_buffers(place) -> None:
    program = place(f"{HEAD}    y = «self.norm(x)»\n")
    (fix,) = module_copies.propose(program.span, kind="buffers")
    assert "in self.norm.named_buffers()}" in program.applied(fix)
    assert fix.title == "call `self.norm` with copies of its buffers"


def test_methods_are_no_modules(place) -> None:
    program = place("""
        import torch
        class Net:
            def encode(self, x):
                return x
            def forward(self, x):
                return «self.encode(x)»
        """)
    assert list(module_copies.propose(program.span)) == []


def test_a_file_that_does_not_know_the_framework(place) -> None:
    assert list(module_copies.propose(place("def f(net, x):\n    return «net(x)»\n").span)) == []
