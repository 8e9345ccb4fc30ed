"""`gradsan run --measure` as people run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(find_spec("torch") is None, reason="there is nothing to run without torch"),
]

GATE = """
    import torch

    model = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 2.0]]))
    x = torch.tensor([[3.0, 4.0]])
    gate = torch.full((1, 1), 2.0)
    loss = (model(x) * gate).sum()
    {line}
    loss.backward()
    open("done", "x").close()
"""


def measured(folder: Path, line: str, *, format_: str = "json") -> Any:
    (folder / "train.py").write_text(textwrap.dedent(GATE).format(line=line), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "gradsan", "run", "--measure", "--output-format", format_, "train.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stderr)


def test_a_program_that_cannot_run_twice_is_not_measured(tmp_path: Path) -> None:
    told = measured(tmp_path, "gate.data.mul_(4)")
    # Its file is there from the run itself.
    assert "run again, the program fails: FileExistsError" in told["not_covered"][0]


def test_what_the_program_leaves_is_no_obstacle(tmp_path: Path) -> None:
    line = "gate.data.mul_(4); import os; os.path.exists('done') and os.remove('done')"
    (finding,) = measured(tmp_path, line)["findings"]
    assert finding["gradient_errors"] == [{"leaf": "model.weight", "relative_error": 0.75, "backward": 1}]
    assert finding["notes"][-1] == (
        "the gradient of `model.weight` is off by 75 % (relative error, against a run with protected saved tensors)"
    )
    assert (tmp_path / "done").exists()


def test_a_program_without_findings_is_run_once(tmp_path: Path) -> None:
    told = measured(tmp_path, "open('runs', 'a').write('.')")
    assert (told["findings"], told["not_covered"]) == ([], [])
    assert (tmp_path / "runs").read_text() == "."


def test_what_no_protected_run_knows_is_said(tmp_path: Path) -> None:
    told = measured(tmp_path, "h = model(x); h.data.mul_(2); loss = h.sum()")
    assert [finding["code"] for finding in told["findings"]] == ["GS303"]
    assert "gradient_errors" not in told["findings"][0]
    assert told["not_covered"] == [
        "how wrong the gradients are was not measured: no protected run gives the true ones for GS303"
    ]


def test_code_scanning_gets_it_as_a_property(tmp_path: Path) -> None:
    line = "gate.data.mul_(4); import os; os.path.exists('done') and os.remove('done')"
    (result,) = measured(tmp_path, line, format_="sarif")["runs"][0]["results"]
    assert result["properties"]["gradientErrors"] == [{"leaf": "model.weight", "relativeError": 0.75, "backward": 1}]
