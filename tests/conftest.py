"""What all tests share: goldens, and what is skipped where a framework is missing."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import pytest

# Several threads in each test process would fight over few cores; no result depends on them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent
WRITE_GOLDENS = "GRADSAN_WRITE_GOLDENS"


class Golden(Protocol):
    def __call__(self, text: str, path: Path) -> None: ...


@pytest.fixture
def golden() -> Golden:
    """Compare a text with the file that holds what it should be; `make goldens` rewrites the file."""

    def compare(text: str, path: Path) -> None:
        if os.environ.get(WRITE_GOLDENS):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    has_torch = find_spec("torch") is not None
    for item in items:
        if HERE / "frameworks" / "torch" in item.path.parents:
            item.add_marker("torch")
        if not has_torch and "torch" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="torch is not installed"))
