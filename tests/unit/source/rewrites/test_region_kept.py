from __future__ import annotations

import pytest

from gradsan.source.rewrites import region_kept

HEAD = "import torch\nfrom torch.utils.checkpoint import checkpoint, checkpoint_sequential\n\n\n"


def told(program) -> list[str]:
    return [program.applied(fix).removeprefix(HEAD).rstrip("\n") for fix in region_kept.propose([str(program.path)])]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("checkpoint(block, x, use_reentrant=True)", "block(x)"),
        ("checkpoint(block, x, mask=m, preserve_rng_state=False)", "block(x, mask=m)"),
        ("checkpoint(lambda x: x.sin(), x)", "(lambda x: x.sin())(x)"),
        ("checkpoint_sequential(net, 2, x, use_reentrant=False)", "net(x)"),
        ("checkpoint_sequential(net, segments=2, input=x)", "net(input=x)"),
    ],
)
def test_without_checkpointing(before: str, after: str, place) -> None:
    assert told(place(f"{HEAD}y = «{before}»\n"))[-1] == f"y = {after}"


@pytest.mark.parametrize("before", ["checkpoint(block, x, **options)", "checkpoint(*given)", "torch.sin(x)"])
def test_what_is_not_understood(before: str, place) -> None:
    assert [each for each in told(place(f"{HEAD}y = «{before}»\n")) if "copy" not in each] == []


def test_a_copy_of_the_module_comes_first(place) -> None:
    first, *_ = region_kept.propose([str((program := place(f"{HEAD}y = «checkpoint(self.block, x)»\n")).path)])
    assert program.applied(first) == f"import copy\n{HEAD}y = checkpoint(copy.copy(self.block), x)\n"
    assert first.title == "checkpoint a shallow copy of `self.block`"


def test_a_copy_of_a_function_reads_what_the_function_reads(place) -> None:
    text = f"{HEAD}def block(x):\n    return x * scale\n\n\ny = «checkpoint(block, x)»\n"
    assert [fix.title for fix in region_kept.propose([str(place(text).path)])] == [
        "call `block` without checkpointing it"
    ]


def test_a_name_that_is_taken(place) -> None:
    program = place(f"{HEAD}copy = 1\ny = «checkpoint(block, x)»\n")
    first, *_ = region_kept.propose([str(program.path)])
    assert program.applied(first).startswith("import copy as copy_module\n")
