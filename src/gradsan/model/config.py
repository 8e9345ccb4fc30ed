"""``[tool.gradsan]`` in ``pyproject.toml``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradsan.model.errors import UsageError

KEYS = ("select", "ignore", "exclude")


@dataclass(frozen=True, slots=True)
class Config:
    """What a project asks of the check; names are rule codes or names, patterns are as in ``.gitignore``."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def find_config(start: Path) -> Config:
    """Return the settings of the nearest ``pyproject.toml`` above a folder; empty ones where there is none.

    Effect: reads that file.

    Raises:
        UsageError: The file can't be read, or holds settings that we don't know.
    """
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            return read_config(path)
    return Config()


def read_config(path: Path) -> Config:
    """Return the settings of one file.

    Effect: reads it.

    Raises:
        UsageError: The file can't be read, or holds settings that we don't know.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = _parse(text) if "gradsan" in text else {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: can't be read: {error}") from None
    table = document.get("tool", {}).get("gradsan", {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: [tool.gradsan] is no table")
    unknown = sorted(set(table) - set(KEYS))
    if unknown:
        raise UsageError(f"{path}: [tool.gradsan] has no setting `{unknown[0]}`; there are {', '.join(KEYS)}")
    return Config(**{key: _texts(path, key, value) for key, value in table.items()})


def _parse(text: str) -> dict[str, Any]:
    # Loading it takes a while, and most projects have no settings of ours.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    document: dict[str, Any] = tomllib.loads(text)
    return document


def _texts(path: Path, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{path}: [tool.gradsan] `{key}` is a list of texts")
    return tuple(value)
