from __future__ import annotations

import importlib
import io
import linecache
import sys
from pathlib import Path

import pytest

from gradsan.tasks.overlay import overlaid


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "overlaid_module.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield str(tmp_path / "overlaid_module.py")
    sys.modules.pop("overlaid_module", None)


def imported() -> int:
    sys.modules.pop("overlaid_module", None)
    importlib.invalidate_caches()
    return importlib.import_module("overlaid_module").x


def test_the_source_is_another_within_the_block_only(module: str) -> None:
    assert imported() == 1
    with overlaid({module: b"# coding: latin-1\nx = 2  # \xe9\n"}):
        assert imported() == 2
        assert linecache.getline(module, 2) == "x = 2  # é\n"
        linecache.checkcache(module)
        assert linecache.getline(module, 2) == "x = 2  # é\n"
        with io.open_code(module) as file:
            assert file.read().endswith(b"\xe9\n")
    assert imported() == 1
    assert linecache.getline(module, 1) == "x = 1\n"


def test_no_bytecode_is_kept_of_it(module: str) -> None:
    with overlaid({module: b"x = 2\n"}):
        imported()
    assert imported() == 1


def test_other_files_are_read_as_they_are(module: str) -> None:
    with overlaid({"/nowhere/else.py": b""}):
        assert imported() == 1


def test_who_opens_the_file_reads_the_copy(module: str, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    with overlaid({module: b"x = 2\n"}, folder=copies):
        assert Path(module).read_text() == "x = 2\n"
        with open(module, "rb") as file:
            assert file.read() == b"x = 2\n"
        with open(module, "a") as file:
            file.write("y = 1\n")
    assert Path(module).read_text() == "x = 1\ny = 1\n"
