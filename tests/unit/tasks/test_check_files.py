"""Checking in several processes: as many as pay, and the same findings in the same order however they are started."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gradsan.tasks import check_files
from gradsan.tasks.check import CheckOptions, check

USES = """import torch
from shared import squashed

def loss(x):
    h = squashed(x)
    h.mul_(2)
    return h.sum()
"""
SHARED = """import torch

def squashed(x):
    return x.sigmoid()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shared.py").write_text(SHARED)
    for at in range(30):
        (tmp_path / f"net_{at:02}.py").write_text(USES if at % 7 else "def broken(:\n")
    return tmp_path


@pytest.mark.parametrize("n_threads", [0, 1])
def test_processes_find_what_one_finds(folder: Path, n_threads: int) -> None:
    one = check([folder], CheckOptions(n_jobs=1, use_cache=False))
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(n_threads)]  # beside others nothing is forked
    for thread in threads:
        thread.start()
    try:
        several = check([folder], CheckOptions(n_jobs=3, use_cache=False))
    finally:
        stop.set()
    assert len(one.report.findings) == 25
    assert len(one.errors) == 5
    assert several == one


def test_little_source_is_checked_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_files, "_check_apart", None)
    assert check([folder], CheckOptions(use_cache=False)).n_files == 31


@pytest.mark.parametrize(("n_bytes", "n_processes"), [(1_499_999, 1), (1_500_000, 2), (3_000_000, 3), (90_000_000, 8)])
def test_more_source_takes_more_processes(
    n_bytes: int, n_processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    path = tmp_path / "long.py"
    with path.open("wb") as file:
        file.truncate(n_bytes)
    assert check_files._n_paying([path]) == n_processes
