from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from gradsan.model.errors import UsageError
from gradsan.tasks import fix_files

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text("x = 1\n")
    return path


def test_a_folder_without_git_is_fine(file: Path) -> None:
    assert fix_files.why_not_to_write([str(file)], allow_dirty=False) == ""


@needs_git
def test_what_is_not_committed_is_refused(file: Path) -> None:
    git(file.parent, "init", "-q")
    git(file.parent, "add", "train.py")
    git(file.parent, "commit", "-q", "-m", "first")
    assert fix_files.why_not_to_write([str(file)], allow_dirty=False) == ""
    file.write_text("x = 2\n")
    assert "not committed" in fix_files.why_not_to_write([str(file)], allow_dirty=False)
    assert fix_files.why_not_to_write([str(file)], allow_dirty=True) == ""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_file_is_refused(file: Path) -> None:
    file.chmod(0o444)
    assert "permission denied" in fix_files.why_not_to_write([str(file)], allow_dirty=True)


def test_mode_and_links_stay(file: Path, tmp_path: Path) -> None:
    file.chmod(0o750)
    link = tmp_path / "link.py"
    link.symlink_to(file)
    fix_files.write_all({str(link): b"x = 2\n"}, {str(link): b"x = 1\n"})
    assert link.is_symlink()
    assert file.read_bytes() == b"x = 2\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o750
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.py", "train.py"]


def test_a_file_that_was_edited_meanwhile_is_left_alone(file: Path) -> None:
    other = file.with_name("other.py")
    other.write_text("y = 1\n")
    with pytest.raises(UsageError, match="edited meanwhile"):
        fix_files.write_all({str(file): b"a", str(other): b"b"}, {str(file): b"x = 1\n", str(other): b"z"})
    assert file.read_text() == "x = 1\n"


def test_what_belongs_to_the_project(file: Path, tmp_path: Path) -> None:
    installed = tmp_path / "lib" / "site-packages" / "pack.py"
    installed.parent.mkdir(parents=True)
    installed.write_text("")
    roots = (tmp_path.resolve(),)
    assert fix_files.is_in_project(str(file), roots)
    assert not fix_files.is_in_project(str(installed), roots)
    assert not fix_files.is_in_project(str(file), (tmp_path.resolve() / "elsewhere",))
    assert not fix_files.is_in_project(os.__file__, (Path(os.__file__).parent,))
    assert not fix_files.is_in_project("<stdin>", roots)


def test_the_diff(tmp_path: Path) -> None:
    path = str(tmp_path / "train.py")
    diff = fix_files.diff_of({path: b"a\r\nc"}, {path: b"a\r\nb"}, tmp_path)
    assert diff == (
        "--- a/train.py\n+++ b/train.py\n@@ -1,2 +1,2 @@\n a\n"
        "-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n"
    )
