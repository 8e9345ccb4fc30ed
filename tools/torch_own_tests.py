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
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Run:
    """Outcome and failure text of each test, the closing line, and whether the recorder gave up."""

    tests: dict[str, tuple[str, str]]
    closing: str
    gave_up: tuple[str, ...]

    def outcome_of(self, test: str) -> str:
        """Return how a test ended; ``missing`` where the process died before."""
        return self.tests.get(test, ("missing", ""))[0]


def run(file: Path, expression: str, *, under: bool) -> Run:
    """Run the file in its own process."""
    with tempfile.TemporaryDirectory() as room:
        written = Path(room) / "outcomes.jsonl"
        written.touch()
        environment = {**os.environ, OUTCOMES: str(written), "PYTHONPATH": str(Path(__file__).parent)}
        if under:
            environment[UNDER] = "1"
        plugins = ["-p", Path(__file__).stem, "-p", "no:cacheprovider", "--override-ini=addopts="]
        chosen = ["-k", expression] if expression else []
        command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-W", "ignore", *plugins, *chosen, file.name]
        done = subprocess.run(command, cwd=file.parent, env=environment, capture_output=True, text=True, check=False)
        lines = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
    gave_up = [line for line in (done.stderr + done.stdout).splitlines() if "gradsan switched itself off" in line]
    closing = done.stdout.strip().splitlines()[-1:] or [done.stderr[-500:]]
    return Run({line["test"]: (line["outcome"], line["text"]) for line in lines}, closing[0], tuple(gave_up))


def compare(file: Path, expression: str) -> tuple[list[str], Run, Run]:
    """Return the tests that end differently.

    Effect: prints both closing lines and whether the recorder gave up.
    """
    bare, under = (run(file, expression, under=which) for which in (False, True))
    print(f"bare:          {bare.closing}\nunder gradsan: {under.closing}", *under.gave_up, sep="\n", flush=True)
    return [test for test in bare.tests if bare.outcome_of(test) != under.outcome_of(test)], bare, under


def main() -> int:
    """Effect: prints the differences; exit status 1 where there are any, or where the recorder gave up."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("-k", dest="expression", default="", help="as pytest's -k")
    chosen = parser.parse_args()
    file = chosen.file.resolve()
    different, bare, under = compare(file, chosen.expression)
    n_tests, gave_up = len(bare.tests), bool(under.gave_up)
    if different:
        # Some tests depend on load or on chance: what differs again, alone, is a difference.
        print(f"{len(different)} tests ended differently; they are run again alone")
        names = " or ".join(sorted({test.rpartition("::")[2].partition("[")[0] for test in different}))
        different, bare, under = compare(file, names)
    for test in different:
        print(f"\n{test}\n  bare {bare.outcome_of(test)}, under gradsan {under.outcome_of(test)}")
        print(under.tests.get(test, ("", ""))[1] or bare.tests[test][1])
    print(f"\n{n_tests} tests, {len(different)} ended differently under gradsan")
    return 1 if different or gave_up else 0


if __name__ == "__main__":
    raise SystemExit(main())
