from __future__ import annotations

import pytest

from gradsan.source.rewrites import single_views

HEAD = "import torch\ndef f(x, z, k, means):\n    "


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a, b = «x.chunk(2)»", "a, b = x.tensor_split(2)"),
        ("a, b = «x.chunk(2, dim=-1)»", "a, b = x.tensor_split(2, dim=-1)"),
        ("a, b = «torch.chunk(x, chunks=2, dim=1)»", "a, b = torch.tensor_split(x, sections=2, dim=1)"),
        ("«a, b = g(x).chunk(2)»", "a, b = g(x).tensor_split(2)"),
        ("a, b = «x.split(k, dim=-1)»", "a, b = x.tensor_split(x.shape[-1] // k, dim=-1)"),
        ("a, b = «x.split(k + 1)»", "a, b = x.tensor_split(x.shape[0] // (k + 1))"),
        ("a, b = «torch.split(x, k, 1)»", "a, b = torch.tensor_split(x, x.shape[1] // k, 1)"),
        ("a, b, c = «x.split([k, 1, 2], 1)»", "a, b, c = x.tensor_split([k, k + 1], 1)"),
        ("a, b = «g(x).split(k)»", None),
        ("a, b = «x.unbind()»", "a, b = [x[n] for n in range(len(x))]"),
        ("a, b = «x.unbind(1)»", "a, b = [x.select(1, n) for n in range(x.shape[1])]"),
        ("a, b = «g(x).unbind(1)»", None),
        ("a, b = «x»", "a, b = x[0], x[1]"),
        ("a, *b = «x»", None),
        ("for t in «x»:\n        t.add_(1)", "for n in range(len(x)):\n        t = x[n]\n        t.add_(1)"),
        (
            "for i, t in «enumerate(x)»:\n        t.add_(i)",
            "for i in range(len(x)):\n        t = x[i]\n        t.add_(i)",
        ),
        ("for t in «x»: t.add_(1)", "for t in [x[n] for n in range(len(x))]: t.add_(1)"),
        (
            "for t in «x»:\n        x = t.add_(1)",
            "for t in [x[n] for n in range(len(x))]:\n        x = t.add_(1)",
        ),
        ("y = «x.relu()»", None),
    ],
)
def test_the_views(before: str, after: str | None, place) -> None:
    program = place(f"{HEAD}{before}\n")
    expected = "no fix" if after is None else f"{HEAD}{after}\n"
    assert program.applied(next(single_views.propose(program.span), None)) == expected


def test_the_fixes_for_each_of_what_a_loop_walks_over(place) -> None:
    program = place(f"{HEAD}for «t, m in zip(x, means)»:\n        t.sub_(m)\n")
    told = [program.applied(fix).removeprefix(HEAD) for fix in single_views.propose(program.span)]
    assert told == [
        "for n, m in zip(range(len(x)), means):\n        t = x[n]\n        t.sub_(m)\n",
        "for t, n in zip(x, range(len(means))):\n        m = means[n]\n        t.sub_(m)\n",
        "for t, m in zip([x[n] for n in range(len(x))], means):\n        t.sub_(m)\n",
        "for t, m in zip(x, [means[n] for n in range(len(means))]):\n        t.sub_(m)\n",
    ]


@pytest.mark.parametrize("names", [("b",), ("", "z")])
def test_views_and_bases_by_name(names: tuple[str, ...], place) -> None:
    program = place(f"{HEAD}a, b = z.chunk(2)\n    z += 1\n    y = «a * b»\n    c, d = x.chunk(2)\n")
    (fix,) = single_views.propose_for(program.span, *names)
    assert program.applied(fix) == program.text.replace("z.chunk", "z.tensor_split")
    assert len(list(single_views.propose_for(program.span))) == 2
