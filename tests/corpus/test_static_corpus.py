"""Every file that is installed here gives findings or nothing, never a traceback."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradsan import knowledge
from gradsan.model.errors import SourceError
from gradsan.rules import judge
from gradsan.source.entries import Analyst, analyse
from gradsan.source.project import Project

INSTALLED = Path(sysconfig.get_paths()["purelib"])
STANDARD = Path(sysconfig.get_paths()["stdlib"])


def files_of(folder: Path, *, every: int) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if path.is_file()][::every]


def look_at(paths: list[Path]) -> Iterator[str]:
    analyst = Analyst(Project(), knowledge.load("torch"))
    for path in paths:
        try:
            module = analyst.project.load(path)
        except SourceError:
            continue
        for inference in analyse(analyst, module):
            judge(inference.history)
        if analyst.project.is_full():
            analyst.forget()
    yield from analyst.problems


def test_a_sample_of_what_is_installed() -> None:
    assert list(look_at(files_of(INSTALLED, every=400))) == []


def test_a_sample_of_the_standard_library() -> None:
    assert list(look_at(files_of(STANDARD, every=300))) == []


@pytest.mark.slow
def test_everything_that_is_installed() -> None:
    assert list(look_at(files_of(INSTALLED, every=1))) == []
