"""What a check found, kept by content: a file is looked at again when it, or a file that it was read with, differs."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import gradsan
from gradsan.model.errors import SourceError
from gradsan.source.digests import blake2b, digest_of, presence
from gradsan.source.discover import SUFFIXES
from gradsan.source.read import read_source

if TYPE_CHECKING:
    from gradsan.model.diagnostic import Diagnostic
    from gradsan.source.suppressions import Suppression


def cache_folder() -> Path:
    """Return where results are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(home) / "gradsan"


def fingerprint() -> str:
    """Return what identifies this gradsan: its version, its files and the Python that runs it."""
    package = os.path.dirname(gradsan.__file__)
    digest = blake2b(f"{gradsan.__version__} {sys.version_info[:2]}".encode(), digest_size=8)
    for room in ("model", "knowledge", "rules", "source", "tasks"):
        for file in _files(os.path.join(package, room)):
            status = file.stat()
            digest.update(f"{file.name} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def _files(folder: str) -> Iterator[os.DirEntry[str]]:
    """Yield what gradsan is made of in one of its folders and those below it, in order of name."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.endswith((".py", ".jsonl")):
            yield entry
        elif entry.name != "__pycache__" and entry.is_dir():
            yield from _files(entry.path)


@dataclass(frozen=True, slots=True)
class FileResult:
    """What was found in one file; ``errors`` say why it could not be looked at.

    ``doubts`` are findings that are kept pickled: what is no error is seldom asked for, and takes long to load.
    """

    findings: tuple[Diagnostic, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    errors: tuple[str, ...] = ()
    not_covered: tuple[str, ...] = ()
    doubts: bytes = b""

    def all_findings(self) -> tuple[Diagnostic, ...]:
        """Return every finding, those included that are kept pickled."""
        return (*self.findings, *(pickle.loads(self.doubts) if self.doubts else ()))

    def folded(self) -> FileResult:
        """Return the same with its errors at hand only."""
        errors = tuple(finding for finding in self.findings if finding.severity.value == "error")
        others = tuple(finding for finding in self.findings if finding.severity.value != "error")
        return replace(self, findings=errors, doubts=_pickled(others) if others else b"")


@dataclass(slots=True)
class Cache:
    """The results of one gradsan, one file each; a broken or foreign entry counts as none."""

    folder: Path
    _digests: dict[str, str] = field(default_factory=dict)

    def get(self, path: Path) -> FileResult | None:
        """Return what was found in a file, if nothing that it depends on has changed since.

        Effect: reads the entry, the file, and the files that it was read with.
        """
        try:
            with self._entry(path).open("rb") as entry:
                reads, result = pickle.load(entry)
            if isinstance(result, FileResult) and all(self._digest(at) == digest for at, digest in reads.items()):
                return result
        except Exception:
            return None
        return None

    def put(self, path: Path, reads: dict[str, str], result: FileResult) -> None:
        """Keep what was found in a file.

        Effect: writes the entry; a folder that can't be written to is no error.
        """
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            target = self._entry(path)
            beside = target.with_suffix(f".{os.getpid()}")
            beside.write_bytes(_pickled((reads, result.folded())))
            beside.replace(target)

    def _entry(self, path: Path) -> Path:
        return self.folder / blake2b(str(path).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

    def _digest(self, read: str) -> str:
        known = self._digests.get(read)
        if known is None:
            known = self._digests[read] = _digest_now(read)
        return known


def _pickled(what: object) -> bytes:
    return pickle.dumps(what, protocol=pickle.HIGHEST_PROTOCOL)


def _digest_now(read: str) -> str:
    path = Path(read)
    if path.suffix not in SUFFIXES:
        return presence(path)
    try:
        return digest_of(read_source(path))
    except SourceError:
        return presence(path)
