"""`gradsan run --audit --replay` as people run it."""

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

PREFIX = """
    import ctypes
    import torch

    def kernel(tensor):
        address = torch._C.TensorBase.data_ptr(tensor)  # as an extension gets it, which nobody sees
        ctypes.memset(address, 0, 16)
"""

SAVED = """
    model = torch.nn.Linear(4, 8)
    for step in range({n_steps}):
        hidden = torch.tanh(model(torch.randn(5, 4)))
        loss = hidden.pow(2).mean()
        if step == {n_steps} - 2:
            kernel(hidden)
            step += 0
        model.zero_grad()
        loss.backward()
"""

ON_CONTEXT = """
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, gradient):
            return gradient * ctx.factor, None

    x, factor = torch.ones(4, requires_grad=True), torch.full((4,), 2.0)
    loss = Scale.apply(x, factor).sum()
    kernel(factor)
    loss.backward()
"""


def audited(folder: Path, program: str, *options: str) -> Any:
    (folder / "train.py").write_text(textwrap.dedent(PREFIX) + textwrap.dedent(program), encoding="utf-8")
    command = [sys.executable, "-m", "gradsan", "run", *options, "--output-format", "json", "train.py"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stderr)


def written(told: Any) -> list[list[int]]:
    """The lines of the writes of each finding."""
    return [[span["line"] for span in finding["spans"] if span["role"] == "write"] for finding in told["findings"]]


LINE = 7
"""Of the write itself, in ``kernel``."""


def test_a_line_that_is_not_known_is_named_by_a_second_run(tmp_path: Path) -> None:
    """The comparisons at the beginning of a program are used up by then."""
    program = SAVED.format(n_steps=700)
    told = audited(tmp_path, program, "--audit")
    assert not any(written(told))
    assert told["not_covered"] == [
        "the line that overwrote a saved tensor is not known: "
        "`gradsan run --audit --replay` runs the program again to name it"
    ]
    replayed = audited(tmp_path, program, "--audit", "--replay")
    assert written(replayed) == [[LINE]] * len(told["findings"])
    assert not replayed["not_covered"]
    assert all("running the program again" in finding["notes"][-1] for finding in replayed["findings"])


def test_so_is_what_a_function_keeps_on_its_context(tmp_path: Path) -> None:
    assert written(audited(tmp_path, ON_CONTEXT, "--audit")) == [[]]
    assert written(audited(tmp_path, ON_CONTEXT, "--audit", "--replay")) == [[LINE]]


def test_a_program_whose_lines_are_known_is_run_once(tmp_path: Path) -> None:
    program = "    open('runs', 'a').write('.')\n" + SAVED.format(n_steps=3)
    told = audited(tmp_path, program, "--audit", "--replay")
    assert all(lines == [LINE] for lines in written(told))
    assert (tmp_path / "runs").read_text() == "."


def test_what_the_second_run_does_not_come_by_is_said(tmp_path: Path) -> None:
    program = "    import os\n    if os.path.exists('done'): raise SystemExit\n    open('done', 'w').close()\n"
    told = audited(tmp_path, program + SAVED.format(n_steps=700), "--audit", "--replay")
    assert told["not_covered"] == [
        "the line that overwrote a saved tensor is not known: the second run did not come by it"
    ]


def test_it_is_asked_of_an_audit(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gradsan", "run", "--replay", "train.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "gradsan: error: --replay was given without --audit: it looks for lines that an audit could not name\n"
    )
