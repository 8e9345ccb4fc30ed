from __future__ import annotations

from pathlib import Path

import pytest

from gradsan.model.errors import UsageError
from gradsan.source.discover import find_files


def names(folder: Path, **options: tuple[str, ...]) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in find_files([folder], **options)}


def test_what_git_ignores_is_left_out(tmp_path: Path) -> None:
    for name in ("a.py", "b.ipynb", "c.txt", "build/d.py", "src/e.py", "src/gen_f.py", ".hidden/g.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / ".gitignore").write_text("build/\n")
    (tmp_path / "src" / ".gitignore").write_text("gen_*\n")
    assert names(tmp_path) == {"a.py", "b.ipynb", "src/e.py"}


def test_rules_above_hold_inside_a_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("*_pb2.py\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a_pb2.py").touch()
    (tmp_path / "src" / "b.py").touch()
    assert names(tmp_path / "src") == {"b.py"}


def test_a_named_folder_is_checked_even_if_ignored(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("/versions/*\n*_pb2.py\n")
    inner = tmp_path / "versions" / "3.11" / "lib"
    inner.mkdir(parents=True)
    (inner / "a.py").touch()
    assert names(inner) == {"a.py"}
    assert names(tmp_path) == set()


def test_a_named_file_is_checked_even_if_ignored(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.py\n")
    (tmp_path / "a.py").touch()
    assert find_files([tmp_path / "a.py"]) == [tmp_path / "a.py"]


def test_no_such_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        find_files([tmp_path / "missing.py"])
