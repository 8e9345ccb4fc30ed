"""What importing gradsan costs, and what it must not bring along."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

import pytest

HEAVY = ("torch", "tensorflow", "jax", "paddle", "numpy", "libcst", "rich")

PROBE = """
import json, sys, time
before = time.process_time()
{statement}
seconds = time.process_time() - before
print(json.dumps({{"seconds": seconds, "modules": sorted(sys.modules)}}))
"""


def probe(statement: str) -> tuple[float, list[str]]:
    """Run one statement in a fresh interpreter; return its processor seconds and the modules loaded after it."""
    command = [sys.executable, "-c", PROBE.format(statement=statement)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    answer = json.loads(done.stdout)
    return answer["seconds"], answer["modules"]


def test_import_takes_less_than_50_ms() -> None:
    seconds = statistics.median(probe("import gradsan")[0] for _ in range(9))
    assert seconds < 0.050


@pytest.mark.parametrize(
    "statement",
    [
        "import gradsan",
        "import gradsan; dir(gradsan)",
        "import gradsan.rules; gradsan.rules.all_rules()",
        "from gradsan.surfaces.cli import build_parser; build_parser()",
    ],
)
def test_import_loads_no_framework_and_nothing_heavy(statement: str) -> None:
    _, modules = probe(statement)
    loaded = [name for name in HEAVY if name in modules]
    assert not loaded


def test_check_loads_what_judges_only_when_there_is_something_to_judge() -> None:
    _, modules = probe("import gradsan.surfaces.cli.verbs.check, gradsan.report.json")
    late = ("gradsan.rules", "gradsan.model.history", "gradsan.knowledge.table", "gradsan.source.flow", "hashlib")
    assert not [name for name in late if name in modules]
