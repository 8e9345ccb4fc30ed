"""Checking files, in this process or in several: what the data flow finds in each.

Apart from `check`, because loading the data flow takes longer than all that a second run on unchanged files does.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from gradsan import knowledge
from gradsan.model.diagnostic import Diagnostic, Severity
from gradsan.model.errors import SourceError
from gradsan.rules import judge
from gradsan.source.cache import Cache, FileResult
from gradsan.source.entries import Analyst, analyse
from gradsan.source.project import Project
from gradsan.source.read import decode
from gradsan.source.suppressions import find_suppressions

BYTES_FOR_PROCESSES = 1_500_000
"""Each so much source is worth another process: starting it, and parsing there what all refer to, costs as much."""
FIRST_SHARE = 12
"""Of so many files one is checked before others are forked.

# NOTE [First share]
Files of a project refer to the same functions and classes, and each process would parse and run these again.  A sample
of the files meets most of them; processes that are forked after it inherit what they came to.
Forking is left alone where there are other threads, whose locks the new processes would inherit as well.
"""


def check_files(files: list[Path], store: Cache | None, *, n_jobs: int) -> Iterator[tuple[Path, FileResult]]:
    """Yield what is found in each file; ``n_jobs`` 0 means as many processes as pay.

    Effect: reads the files and those that they import, writes the cache.
    """
    _analyst.cache_clear()  # what an earlier check of this process learnt may be of other texts
    _analyst().checked = frozenset(files)
    n_processes = min(n_jobs or _n_paying(files), len(files))
    with _collecting_by_hand():
        if n_processes <= 1:
            yield from _check_here(files, store)
        else:
            yield from _check_apart(files, store, n_processes)
        _analyst().forget()


def _n_paying(files: list[Path]) -> int:
    """Return in how many processes it pays to check files."""
    return min(os.cpu_count() or 1, 1 + sum(map(_n_bytes, files)) // BYTES_FOR_PROCESSES)


def _check_apart(files: list[Path], store: Cache | None, n_processes: int) -> Iterator[tuple[Path, FileResult]]:
    """Check files in several processes; see NOTE [First share]."""
    from concurrent.futures import ProcessPoolExecutor  # loading these takes a while, and few files need none
    from multiprocessing import get_all_start_methods, get_context

    method = "fork" if "fork" in get_all_start_methods() and threading.active_count() == 1 else "spawn"
    if method == "fork":
        yield from _check_here(files[::FIRST_SHARE], store)
        files = [path for at, path in enumerate(files) if at % FIRST_SHARE]
    size = max(1, min(64, len(files) // (n_processes * 3)))
    chunks = [files[at : at + size] for at in range(0, len(files), size)]
    context, checked = get_context(method), _analyst().checked
    with ProcessPoolExecutor(n_processes, mp_context=context, initializer=_start, initargs=(checked,)) as pool:
        for chunk in pool.map(_check_chunk, [(chunk, store.folder if store else None) for chunk in chunks]):
            yield from chunk


def _n_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _start(checked: frozenset[Path]) -> None:
    """Prepare another process; what it finds in a file must not hang on which of the others are its own."""
    gc.disable()
    _analyst().checked = checked


def _check_chunk(work: tuple[list[Path], Path | None]) -> list[tuple[Path, FileResult]]:
    files, folder = work
    return list(_check_here(files, Cache(folder) if folder is not None else None))


@cache
def _analyst() -> Analyst:
    """The analyst of this process: what it has parsed serves the next chunk."""
    return Analyst(Project(), knowledge.load("torch"))


def _check_here(files: list[Path], store: Cache | None) -> Iterator[tuple[Path, FileResult]]:
    analyst = _analyst()
    for path in files:
        result = _check_file(analyst, path)
        if store is not None:
            store.put(path, analyst.project.reads(path), result)
        yield path, result
        if analyst.project.is_full():
            analyst.forget()
            gc.collect()


@contextmanager
def _collecting_by_hand() -> Iterator[None]:
    """Let the garbage collector run only when told: syntax trees are large, stay, and are walked by each collection."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _check_file(analyst: Analyst, path: Path, *, text: str | None = None) -> FileResult:
    analyst.problems.clear()
    try:
        module = analyst.project.load_parsed(path, text=text)
    except SourceError as error:
        return FileResult(errors=(str(error),))
    found: dict[object, Diagnostic] = {}
    for inference in analyse(analyst, module):
        diagnostic = judge(inference.history)
        if diagnostic is None:
            continue
        if not inference.is_sure:
            diagnostic = replace(diagnostic, severity=Severity.WARNING)
        known = found.get(diagnostic.key)
        if known is None or (known.severity is Severity.WARNING and diagnostic.severity is Severity.ERROR):
            found[diagnostic.key] = diagnostic
    findings = tuple(_with_cures(finding) for finding in found.values())
    suppressions = find_suppressions(module.text)
    return FileResult(findings, suppressions, not_covered=tuple(analyst.problems))


def _with_cures(finding: Diagnostic) -> Diagnostic:
    """Give an error its fixes: what is shown without being asked for is kept whole."""
    if finding.severity is not Severity.ERROR:
        return finding
    from gradsan.tasks.cures import cures_of  # most files have none
    from gradsan.tasks.proposals import in_own_names

    return replace(in_own_names(finding), fixes=cures_of(finding))


def check_text(data: bytes) -> FileResult:
    """Return what is found in the source on standard input."""
    analyst = Analyst(Project(), knowledge.load("torch"))
    try:
        text = decode(data, "<stdin>")
    except SourceError as error:
        return FileResult(errors=(str(error),))
    return _check_file(analyst, Path("<stdin>"), text=text)
