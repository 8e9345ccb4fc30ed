"""Run a test file of PyTorch's own, bare and under `gradsan.enable()`, and list the tests that end differently.

PyTorch's tests are not in its wheel: take `test/test_autograd.py` from a checkout of the release that is installed.

    python tools/torch_own_tests.py path/to/test_autograd.py [-k EXPRESSION]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

OUTCOMES = "GRADSAN_OUTCOMES"
UNDER = "GRADSAN_UNDER_TEST"


class Recorder:
    """A pytest plugin that writes each test's outcome as it comes, so that a crash loses only the last."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Effect: appends a line for the phase that decides."""
        if report.when == "call" or report.outcome != "passed":
            line = json.dumps({"test": report.nodeid, "outcome": report.outcome, "text": report.longreprtext[-2000:]})
            with self.path.open("a", encoding="utf-8") as out:
                out.write(line + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """Effect: in the inner run, records outcomes, and enables gradsan where that is asked for."""
    if OUTCOMES not in os.environ:
        return
    config.pluginmanager.register(Recorder(Path(os.environ[OUTCOMES])))
    if UNDER in os.environ:
        import gradsan

        gradsan.enable()


def outcomes(file: Path, *, under: bool, arguments: list[str]) -> dict[str, tuple[str, str]]:
    """Run the file in its own process; return outcome and failure text by test."""
    with tempfile.TemporaryDirectory() as room:
        written = Path(room) / "outcomes.jsonl"
        written.touch()
        environment = {**os.environ, OUTCOMES: str(written), "PYTHONPATH": str(Path(__file__).parent)}
        if under:
            environment[UNDER] = "1"
        plugins = ["-p", Path(__file__).stem, "-p", "no:cacheprovider", "--override-ini=addopts="]
        command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-W", "ignore", *plugins, *arguments, file.name]
        done = subprocess.run(command, cwd=file.parent, env=environment, capture_output=True, text=True, check=False)
        lines = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
    if done.returncode not in (0, 1):
        print(done.stdout[-3000:], done.stderr[-3000:], sep="\n", file=sys.stderr)
    said = [line for line in done.stderr.splitlines() if line.startswith("gradsan")]
    print("under gradsan:" if under else "bare:", done.stdout.strip().splitlines()[-1:], *said, sep="\n  ")
    return {line["test"]: (line["outcome"], line["text"]) for line in lines}


def main() -> int:
    """Effect: prints the differences; exit status 1 where there are any."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("-k", dest="expression", default="", help="as pytest's -k")
    chosen = parser.parse_args()
    arguments = ["-k", chosen.expression] if chosen.expression else []
    bare = outcomes(chosen.file.resolve(), under=False, arguments=arguments)
    under = outcomes(chosen.file.resolve(), under=True, arguments=arguments)
    different = [test for test in bare if bare[test][0] != under.get(test, ("missing", ""))[0]]
    for test in different:
        outcome, text = under.get(test, ("missing", ""))
        print(f"\n{test}\n  bare {bare[test][0]}, under gradsan {outcome}\n{text or bare[test][1]}")
    print(f"\n{len(bare)} tests, {len(different)} ended differently under gradsan")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
