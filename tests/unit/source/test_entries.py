"""Which functions are open: whoever calls them may find more than running them alone did."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradsan import knowledge
from gradsan.source.entries import Analyst
from gradsan.source.project import Project


def is_open(folder: Path, statement: str) -> bool:
    path = folder / "module.py"
    path.write_text(f"import torch\n\nclass A:\n    def update(self, x):\n        {statement}\n")
    analyst = Analyst(Project(), knowledge.load("torch"), frozenset({path}))
    return analyst.is_open(analyst.project.load_parsed(path).classes["A"].methods["update"])


@pytest.mark.parametrize("statement", ["self.held += x", "self.held &= x", "x += 1", "self.held[x] = 1"])
def test_what_may_be_of_a_tensor_opens_a_method(tmp_path: Path, statement: str) -> None:
    assert is_open(tmp_path, statement)


@pytest.mark.parametrize("statement", ["self.held &= isinstance(x, str)", "self.held |= x is None and not x", "y = x"])
def test_what_is_of_a_truth_value_opens_none(tmp_path: Path, statement: str) -> None:
    assert not is_open(tmp_path, statement)
