"""Training on two ranks: data parallel, fully sharded; and a step that a sharded graph does not see."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

HERE = Path(__file__).parent

pytestmark = [
    pytest.mark.torch,
    pytest.mark.slow,
    pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without distributed"),
]

HONEST = (
    "replicated",
    "two_forwards_of_one_replica",
    "sharded",
    "stepped_while_gathered",
    "statistics_summed_on_the_tape",
)


@pytest.fixture(scope="module")
def said() -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "ranks.py"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in re.findall(r"@@\d+ (\{.*\})", done.stdout)]


@pytest.mark.parametrize("verb", ["watch", "audit"])
@pytest.mark.parametrize("script", HONEST)
def test_nothing_is_found_on_either_rank(script: str, verb: str, said: list[dict[str, Any]]) -> None:
    assert len(said) == 2
    for of_rank in said:
        assert of_rank[f"{verb} {script}"] == {"codes": [], "same": True, "not_covered": []}


@pytest.mark.parametrize("verb", ["watch", "audit"])
def test_step_before_the_shards_are_gathered_again_is_found(verb: str, said: list[dict[str, Any]]) -> None:
    for of_rank in said:
        assert of_rank[f"{verb} sharded_and_stepped_before_backward"]["codes"] == ["GS302"]


@pytest.mark.parametrize("verb", ["watch", "audit"])
def test_value_of_the_graph_that_a_collective_writes_is_found(verb: str, said: list[dict[str, Any]]) -> None:
    for of_rank in said:
        assert of_rank[f"{verb} statistics_summed_over_ranks"]["codes"] == ["GS303"]
