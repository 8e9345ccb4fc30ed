from __future__ import annotations

from gradsan.source.rewrites import flag_handed_down

BLOCK = """
class Block(nn.Sequential):
    def __init__(self, n, inplace=None):
        options = {} if inplace is None else {"inplace": inplace}
        super().__init__(nn.Linear(n, n), «nn.ReLU(**options)»)


class Wide(Block):
    pass


def make():
    return Block(2, inplace=True), Block(3), Wide(4, inplace=True), Other(inplace=True)
"""


def test_where_the_flag_enters(place) -> None:
    program = place(BLOCK)
    after = program.applied(flag_handed_down.propose(program.span))
    assert "return Block(2, inplace=False), Block(3), Wide(4, inplace=False), Other(inplace=True)" in after


def test_in_another_file(place) -> None:
    program = place(BLOCK.replace("Block(2, inplace=True)", "Block(2)"))
    caller = place("«x» = blocks.Block(5, inplace=True)\n")
    fix = flag_handed_down.propose(program.span, paths=[str(caller.path)])
    assert fix is not None
    assert {edit.path for edit in fix.edits} == {str(program.path), str(caller.path)}


def test_a_default(place) -> None:
    program = place("def act(inplace=True):\n    return «nn.ReLU(inplace)»\n")
    assert program.applied(flag_handed_down.propose(program.span)) == (
        "def act(inplace=False):\n    return nn.ReLU(inplace)\n"
    )


def test_no_flag_around(place) -> None:
    assert flag_handed_down.propose(place("def act(options):\n    return «nn.ReLU(**options)»\n").span) is None
