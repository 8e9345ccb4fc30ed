"""What a program did to files is undone; the program is a process of its own, as in a trial."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradsan.tasks import footprint

HEAD = """
import os, shutil, sqlite3, sys
from pathlib import Path
from gradsan.tasks.footprint import Footprint
Footprint(Path(sys.argv[1]), (Path.cwd(),)).start()
"""


def contents(folder: Path) -> dict[str, bytes | str | None]:
    return {
        path.relative_to(folder).as_posix(): os.readlink(path)
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    project, kept = tmp_path / "project", tmp_path / "kept"
    (project / "tree" / "sub").mkdir(parents=True)
    kept.mkdir()
    for name in ("log.txt", "best.pt", "tree/sub/leaf", "tree/note"):
        (project / name).write_text(f"{name} as it was\n")
    (project / "latest").symlink_to("log.txt")
    return project, kept


@pytest.mark.parametrize(
    "program",
    [
        "open('log.txt', 'a').write('more')",
        "open('best.pt', 'wb').write(b'other')",
        "os.makedirs('runs/1'); open('runs/1/metrics', 'w').write('1')",
        "os.remove('log.txt')",
        "os.rename('log.txt', 'old.txt'); open('log.txt', 'w').write('new')",
        "open('best.tmp', 'w').write('x'); os.replace('best.tmp', 'best.pt')",
        "shutil.rmtree('tree')",
        "shutil.rmtree('tree'); os.mkdir('tree'); open('tree/note', 'w')",
        "os.rename('tree', 'wood'); open('wood/note', 'a').write('!')",
        "os.remove('latest'); os.symlink('best.pt', 'latest')",
        "Path('latest').write_text('through the link')",
        "os.truncate('best.pt', 2)",
        "db = sqlite3.connect('study.db'); db.execute('create table t (a)'); db.commit()",
    ],
)
def test_everything_is_as_it_was(program: str, folders: tuple[Path, Path]) -> None:
    project, kept = folders
    before = contents(project)
    subprocess.run([sys.executable, "-c", HEAD + program, str(kept)], cwd=project, check=True)
    assert contents(project) != before
    assert footprint.restore(kept) == ()
    assert contents(project) == before


def test_what_may_be_a_download_stays(folders: tuple[Path, Path]) -> None:
    project, kept = folders
    program = """
open('made', 'w')
sys.audit('socket.connect', None, ('127.0.0.1', 9))
open('data', 'w'); open('log.txt', 'w')
"""
    subprocess.run([sys.executable, "-c", HEAD + program, str(kept)], cwd=project, check=True)
    assert footprint.restore(kept) == ()
    assert not (project / "made").exists()
    assert (project / "data").exists()
    assert (project / "log.txt").read_text() == "log.txt as it was\n"


def test_files_elsewhere_are_left_alone(folders: tuple[Path, Path], tmp_path: Path) -> None:
    project, kept = folders
    program = "open('../cache', 'w').write('1')"
    subprocess.run([sys.executable, "-c", HEAD + program, str(kept)], cwd=project, check=True)
    assert footprint.restore(kept) == ()
    assert (tmp_path / "cache").read_text() == "1"


def test_a_file_too_large_is_told(folders: tuple[Path, Path]) -> None:
    project, kept = folders
    program = "from gradsan.tasks import footprint; footprint.LARGEST_BYTES = 3; open('log.txt', 'w')"
    subprocess.run([sys.executable, "-c", HEAD + program, str(kept)], cwd=project, check=True)
    (problem,) = footprint.restore(kept)
    assert problem.endswith("log.txt is too large to be copied: each run writes it")
