"""What may not stand in a tracked file: paths of one machine, drawers, stray result files."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Spelt in two halves so that this file passes its own test.
MACHINE_PATHS = re.compile(
    "|".join([r"/ro" r"ot/", r"/wo" r"rk/", r"/ho" r"me/\w", r"/Us" r"ers/\w", r"C:\\\\Us" r"ers"])
)
NEIGHBOURS = re.compile(r"\.\./sha" r"red")
DRAWERS = re.compile(r"(^|/)(utils?|common|helpers?|misc)(\.py|/)")
STRAY = re.compile(r"(^|/)(RESULTS|TODO|ROADMAP|NOTES)(\.\w+)?$", re.IGNORECASE)
TODO = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")
TEXT = {".py", ".md", ".toml", ".txt", ".sh", ".json", ".yaml", ".yml", ".cfg", ".svg", ""}


def tracked() -> list[str]:
    try:
        done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: the tracked files are unknown")
    return [path for path in done.stdout.splitlines() if (ROOT / path).is_file()]


def lines_with(pattern: re.Pattern[str], *, suffixes: set[str] = TEXT) -> list[str]:
    found = []
    for path in tracked():
        if Path(path).suffix not in suffixes or Path(path).name == Path(__file__).name:
            continue
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path}:{number}: {line.strip()[:100]}")
    return found


def test_no_paths_of_one_machine() -> None:
    assert not lines_with(MACHINE_PATHS)


def test_nothing_beside_the_checkout_is_named() -> None:
    assert not lines_with(NEIGHBOURS)


def test_a_todo_names_its_issue() -> None:
    assert not lines_with(TODO, suffixes={".py"})


def test_no_drawers_and_no_stray_pages() -> None:
    assert not [path for path in tracked() if DRAWERS.search(path) or STRAY.search(path)]
