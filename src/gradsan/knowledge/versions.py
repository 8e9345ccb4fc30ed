"""Which versions of a framework there are operation tables for."""

from __future__ import annotations

from functools import cache
from pathlib import Path

TABLES = Path(__file__).parent / "tables"
"""The folder of the table files."""


@cache
def versions(framework: str) -> tuple[str, ...]:
    """Return the versions of a framework that there is a table for, oldest first.

    Effect: lists a folder, once.
    """
    stems = [path.name.removesuffix(".jsonl") for path in TABLES.glob(f"{framework}-*.jsonl")]
    return tuple(sorted((stem.partition("-")[2] for stem in stems), key=numbers))


def numbers(version: str) -> tuple[int, ...]:
    """Return the first three numbers of a version."""
    digits = "".join(c if c.isdecimal() else " " for c in version.partition("+")[0])
    return tuple(map(int, digits.split()[:3]))
