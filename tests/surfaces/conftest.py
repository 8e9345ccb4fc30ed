"""`gradsan fix` on a program that is given as text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

WARM = Path(__file__).with_name("warm_process.py")


@pytest.fixture(scope="session")
def fixing() -> Iterator[subprocess.Popen[str]]:
    """A process that has torch loaded, and repairs programs in forks of itself."""
    pipe, environment = subprocess.PIPE, {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    with subprocess.Popen([sys.executable, WARM], stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def repair(fixing: subprocess.Popen[str], tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """What `fix` reports of a program, and its exit status."""

    def repaired(text: str) -> dict[str, Any]:
        (tmp_path / "train.py").write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        streams = tmp_path / "streams"
        streams.mkdir()
        for name in ("stdin", "stdout", "stderr"):
            (streams / name).touch()
        request = {
            "arguments": ["fix", "--output-format", "json", "train.py"],
            "folder": str(tmp_path),
            "streams": str(streams),
            "environment": {},
        }
        assert fixing.stdin is not None
        assert fixing.stdout is not None
        fixing.stdin.write(json.dumps(request) + "\n")
        fixing.stdin.flush()
        status = int(fixing.stdout.readline())
        assert status in (0, 1), (streams / "stderr").read_text()
        return {**json.loads((streams / "stdout").read_text())["repair"], "status": status}

    return repaired


@pytest.fixture
def added(repair: Callable[[str], dict[str, Any]]) -> Callable[[str], list[str]]:
    """The lines that a proven repair of a program adds, without their indentation."""

    def lines(text: str) -> list[str]:
        told = repair(text)
        assert told["outcome"] == "repaired", told["remains"]
        found = [line[1:].strip() for line in told["diff"].splitlines() if line[0] == "+" and line[:3] != "+++"]
        return [line for line in found if line]

    return lines
