"""What child processes of a program find is told by their parent, or it is said that nobody looked."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

pytestmark = pytest.mark.torch

needs_fork = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")

LOADER = """\
import torch
from torch.utils.data import DataLoader, Dataset


class Rows(Dataset):
    weight = torch.ones(3, 3, requires_grad=True)

    def __len__(self):
        return 1

    def __getitem__(self, index):
        rows = self.weight * 2
        for row in rows:
            row.sub_(0.5)
        return rows.detach()


if __name__ == "__main__":
    context = torch.multiprocessing.get_context("fork")
    list(DataLoader(Rows(), num_workers=1, multiprocessing_context=context))
"""
WRITING = LOADER.splitlines().index("            row.sub_(0.5)") + 1

RANKS = """\
import sys

import torch


def work(rank):
    h = torch.sigmoid(torch.ones(3, requires_grad=True))
    h += rank
    h.sum().backward()


if __name__ == "__main__":
    torch.multiprocessing.start_processes(work, nprocs=2, start_method=sys.argv[1])
"""
STEPPED = RANKS.splitlines().index("    h += rank") + 1


SHARED = """\
import sys

import torch


def work(rank, weight):
    with torch.no_grad():
        weight.add_(0.5)


if __name__ == "__main__":
    weight = torch.ones(3).share_memory_()
    x = torch.ones(3, requires_grad=True)
    loss = (x * weight).sum()
    torch.multiprocessing.start_processes(work, args=(weight,), nprocs=1, start_method=sys.argv[1])
    loss.backward()
"""
ADDED = SHARED.splitlines().index("        weight.add_(0.5)") + 1


ARRAY = """\
import multiprocessing

import numpy as np
import torch


def work(frame):
    np.frombuffer(frame)[:] = 2.0


if __name__ == "__main__":
    frame = multiprocessing.RawArray("d", 3)
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    loss = (x * torch.from_numpy(np.frombuffer(frame))).sum()
    worker = multiprocessing.get_context("fork").Process(target=work, args=(frame,))
    worker.start()
    worker.join()
    loss.backward()
"""
FILLED = ARRAY.splitlines().index("    np.frombuffer(frame)[:] = 2.0") + 1


def report_of(folder: Path, source: str, *arguments: str, audit: bool = False) -> dict[str, Any]:
    (folder / "program.py").write_text(source)
    command = [sys.executable, "-m", "gradsan", "run", "--output-format=json", "--output=report.json"]
    command += ["--audit"] if audit else []
    done = subprocess.run([*command, "program.py", *arguments], cwd=folder, capture_output=True, timeout=120)
    assert done.returncode == 1
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


@needs_fork
def test_a_loading_worker_names_its_own_line(tmp_path: Path) -> None:
    report = report_of(tmp_path, LOADER)
    [finding] = report["findings"]
    [write] = [span for span in finding["spans"] if span["role"] == "write"]
    assert (finding["code"], write["line"]) == ("GS203", WRITING)
    assert report["not_covered"] == []


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_ranks_are_recorded(method: str, tmp_path: Path) -> None:
    report = report_of(tmp_path, RANKS, method)
    [finding] = report["findings"]
    assert [span["line"] for span in finding["spans"]] == [STEPPED - 1, STEPPED, STEPPED + 1]
    assert report["not_covered"] == []


def test_it_is_said_that_another_interpreter_is_not(tmp_path: Path) -> None:
    other = "import multiprocessing, os, sys\nos.symlink(sys.executable, 'other')\nmultiprocessing.set_executable('./other')\n"
    program = RANKS.replace(
        'if __name__ == "__main__":\n', f'if __name__ == "__main__":\n{textwrap.indent(other, "    ")}'
    )
    report = report_of(tmp_path, program, "spawn")
    assert report["findings"] == []
    [sentence] = report["not_covered"]
    assert "in a child process" in sentence


@pytest.mark.skipif(sys.platform != "linux", reason="what is mapped where is read from /proc")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_that_writes_to_shared_memory_names_its_own_line(method: str, tmp_path: Path) -> None:
    [finding] = report_of(tmp_path, SHARED, method, audit=True)["findings"]
    [write] = [span for span in finding["spans"] if span["role"] == "write"]
    assert (finding["code"], write["line"]) == ("GS350", ADDED)


@needs_fork
@pytest.mark.skipif(sys.platform != "linux", reason="what is mapped where is read from /proc")
def test_a_process_that_writes_to_an_array_in_a_mapping_names_its_own_line(tmp_path: Path) -> None:
    [finding] = report_of(tmp_path, ARRAY, audit=True)["findings"]
    [write] = [span for span in finding["spans"] if span["role"] == "write"]
    assert (finding["code"], write["line"]) == ("GS350", FILLED)
