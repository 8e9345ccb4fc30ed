"""Which files a repair may touch, and how they are replaced."""

from __future__ import annotations

import difflib
import os
import shutil
import stat
import subprocess
import sysconfig
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from gradsan.model.errors import UsageError
from gradsan.tasks.overlay import encoding_of

_INSTALLED = ("site-packages", "dist-packages")
_GIT_S = 30


def is_in_project(path: str, roots: tuple[Path, ...]) -> bool:
    """Whether a file is the project's own: below one of the roots, and not installed there."""
    real = Path(os.path.realpath(path))
    if not real.is_file() or any(part in _INSTALLED for part in real.parts):
        return False
    libraries = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]
    if any(real.is_relative_to(library) for library in libraries):
        return False
    return any(real.is_relative_to(root) for root in roots)


def why_not_to_write(paths: list[str], *, allow_dirty: bool) -> str:
    """Return why files may not be written; empty where they may.

    Effect: asks git about uncommitted changes.
    """
    for path in paths:
        if not os.access(path, os.W_OK):
            return f"{path} can't be written: permission denied"
    dirty = [] if allow_dirty else [path for path in paths if _is_dirty(path)]
    if dirty:
        return f"{', '.join(dirty)} has changes that are not committed; commit them, or pass --allow-dirty"
    return ""


def write_all(sources: Mapping[str, bytes], originals: Mapping[str, bytes]) -> None:
    """Replace files, each of them whole; mode and links stay.

    Effect: writes.

    Raises:
        UsageError: a file is no longer what it was when the repair began; nothing is written then.
    """
    for path in sources:
        if Path(path).read_bytes() != originals[path]:
            raise UsageError(f"{path} was edited meanwhile; nothing was written, run `gradsan fix` again")
    for path, content in sources.items():
        _replace(Path(os.path.realpath(path)), content)


def diff_of(sources: Mapping[str, bytes], originals: Mapping[str, bytes], directory: Path) -> str:
    """Return the unified diff of all files, paths relative to a directory where they lie below it."""
    parts = []
    for path in sorted(sources):
        before, after = (_lines(content[path]) for content in (originals, sources))
        shown = Path(path).relative_to(directory).as_posix() if Path(path).is_relative_to(directory) else path
        for line in difflib.unified_diff(before, after, f"a/{shown}", f"b/{shown}"):
            parts.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(parts)


def _lines(content: bytes) -> list[str]:
    text = content.decode(encoding_of(content)).replace("\r\n", "\n").replace("\r", "\n")
    return text.splitlines(keepends=True) if "\f" not in text else [f"{line}\n" for line in text.split("\n")]


def _replace(target: Path, content: bytes) -> None:
    beside = target.parent / f".gradsan-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(stat.S_IMODE(target.stat().st_mode))
        beside.replace(target)
    finally:
        with suppress(OSError):
            beside.unlink()


def _is_dirty(path: str) -> bool:
    """Whether git knows of the file's folder, and the file holds what no commit holds."""
    git = shutil.which("git")
    if git is None:
        return False
    real = os.path.realpath(path)
    command = [git, "-C", os.path.dirname(real), "status", "--porcelain", "--", os.path.basename(real)]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.returncode == 0 and bool(said.stdout.strip())
