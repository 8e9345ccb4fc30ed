"""Finding the files to check."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from gradsan.model.errors import UsageError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

Spec: TypeAlias = "GitIgnoreSpec"
Specs: TypeAlias = "tuple[tuple[Path, Spec], ...]"

SUFFIXES = (".py", ".ipynb")
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "env", ".venv"})


def find_files(paths: Iterable[Path], *, exclude: tuple[str, ...] = ()) -> list[Path]:
    """Return the files that paths name: files as they are, folders by what they hold and git doesn't ignore.

    Effect: reads folders and their ``.gitignore`` files.

    Raises:
        UsageError: There is no such path.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            unwanted = _spec(exclude) if exclude else None
            for file in _walk(path.resolve(), _ignored_above(path.resolve())):
                if unwanted is None or not unwanted.match_file(_relative(file)):
                    found[file] = None
        elif path.is_file():
            found[path.resolve()] = None
        else:
            raise UsageError(f"no such file or folder: `{path}`")
    return list(found)


def _relative(file: Path) -> str:
    try:
        return file.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return file.as_posix()


def _ignored_above(folder: Path) -> Specs:
    """Return the rules of the ``.gitignore`` files between a repository's root and a folder in it.

    A folder that is itself ignored was named on purpose: then none of them holds.
    """
    above: list[Path] = []
    for parent in (folder, *folder.parents):
        above.insert(0, parent)
        if (parent / ".git").exists():
            specs = tuple(spec for one in above[:-1] if (spec := _read_ignored(one)) is not None)
            is_ignored = any(_is_ignored(each, specs) for each in above[1:])
            return () if is_ignored else specs
    return ()


def _is_ignored(folder: Path, specs: Specs) -> bool:
    return any(
        spec.match_file(_below(folder.parent, home, f"{folder.name}/"))
        for home, spec in specs
        if home in folder.parents
    )


def _read_ignored(folder: Path) -> tuple[Path, Spec] | None:
    try:
        lines = (folder / ".gitignore").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return folder, _spec(lines)


def _spec(lines: Iterable[str]) -> Spec:
    import pathspec  # loading it takes a while, and most folders ignore nothing

    return pathspec.GitIgnoreSpec.from_lines(lines)


def _walk(folder: Path, specs: Specs) -> Iterator[Path]:
    own = _read_ignored(folder)
    if own is not None:
        specs = (*specs, own)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        name = entry.name
        if name.startswith(".") or name in _SKIPPED:
            continue
        path = folder / name
        is_dir = entry.is_dir(follow_symlinks=False)
        if not is_dir and not (name.endswith(SUFFIXES) and entry.is_file()):
            continue
        shown = name + ("/" if is_dir else "")
        if any(spec.match_file(_below(path.parent, home, shown)) for home, spec in specs):
            continue
        if is_dir:
            yield from _walk(path, specs)
        else:
            yield path


def _below(folder: Path, home: Path, name: str) -> str:
    inner = folder.relative_to(home).as_posix()
    return name if inner == "." else f"{inner}/{name}"
