from __future__ import annotations

import gc
from pathlib import Path

from gradsan.source.flow.machine import Frame, Machine
from gradsan.source.index import FunctionInfo
from gradsan.tasks.check import CheckOptions, check

SOURCE = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first = nn.Linear(width, width)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        def twice(y):
            return self.act(self.first(y)) if x is not None else twice(y)
        return twice(x)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(4) for _ in range(3)])
        self.unused = Block(8)

    def forward(self, x):
        for block in self.blocks:
            x = block(x).add_(1)
        return x

def f(x):
    y = torch.exp(x)
    g = lambda z: z.mul_(2)
    g(y)
    return y
"""


def test_nothing_stays_of_what_was_checked(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SOURCE)
    gc.collect()
    before = analysis_objects()  # other tests of this process may hold some
    gc.disable()
    try:
        outcome = check([tmp_path], CheckOptions(n_jobs=1, use_cache=False))
        after = analysis_objects()
    finally:
        gc.enable()
    assert outcome.report.findings
    known = {id(each) for each in before}
    assert [each for each in after if id(each) not in known] == []


def analysis_objects() -> list[object]:
    return [each for each in gc.get_objects() if isinstance(each, (Machine, Frame, FunctionInfo))]
