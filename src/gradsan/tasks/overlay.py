"""Edited sources that are run in place of those on disk, which stay as they are.

# NOTE [Sources that the program reads] A program may read a source by itself, as text, to execute it: a configuration
in Python, a plug-in.  So whoever opens an edited file for reading is given a copy with the edits.
"""

from __future__ import annotations

import _io
import builtins
import importlib.machinery
import io
import linecache
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_Loader = importlib.machinery.SourceFileLoader
_OPENERS: tuple[Any, ...] = (
    builtins,
    io,
    *filter(None, [getattr(pathlib, "_NormalAccessor", None)]),  # Python 3.10
)


@contextmanager
def overlaid(sources: Mapping[str, bytes], *, folder: pathlib.Path | None = None) -> Iterator[None]:
    """Let this interpreter find other sources at some paths.

    Args:
        sources: Path -> the content to find there.
        folder: Where copies are put for those who open a file; None if nobody will.

    Effect: within the block, imports, scripts, tracebacks and whoever opens a file read ``sources``; no bytecode is
    cached of them.
    """
    undo = [_showing(sources)]
    sources = {os.path.abspath(path): content for path, content in sources.items()}
    if sources:
        undo += [
            _replacing(_Loader, "get_data", lambda read: _get_data(sources, read)),
            _replacing(_Loader, "path_stats", lambda stats: _path_stats(sources, stats)),
            _replacing(io, "open_code", lambda opened: _open_code(sources, opened)),
            _replacing(_io, "open_code", lambda opened: _open_code(sources, opened)),
        ]
    if sources and folder is not None:
        copies = _copied(sources, folder)
        undo += [_replacing(owner, "open", lambda opened: _open(copies, opened)) for owner in _OPENERS]
    try:
        yield
    finally:
        for step in reversed(undo):
            step()


def _copied(sources: Mapping[str, bytes], folder: pathlib.Path) -> dict[str, str]:
    """Write each source into a folder; return path -> the path of its copy."""
    copies = {}
    for number, (path, content) in enumerate(sources.items()):
        copy = folder / f"{number}-{os.path.basename(path)}"
        copy.write_bytes(content)
        copies[path] = str(copy)
    return copies


def _showing(sources: Mapping[str, bytes]) -> Callable[[], None]:
    """Put the sources where tracebacks, `inspect` and our own analysis look them up."""
    for path, content in sources.items():
        with io.TextIOWrapper(io.BytesIO(content), encoding=encoding_of(content), newline=None) as text:
            lines = text.readlines()
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        # No modification time: `linecache.checkcache` then leaves the entry alone.
        linecache.cache[path] = (len(content), None, lines, path)

    def undo() -> None:
        for path in sources:
            linecache.cache.pop(path, None)

    return undo


def encoding_of(content: bytes) -> str:
    """Return the encoding that a source declares.

    Raises:
        SyntaxError: it declares one that does not exist.
    """
    import tokenize

    return tokenize.detect_encoding(io.BytesIO(content).readline)[0]


def _replacing(owner: Any, name: str, make: Callable[[Any], Any]) -> Callable[[], None]:
    before = getattr(owner, name)
    is_own = name in vars(owner)
    setattr(owner, name, make(before))

    def undo() -> None:
        if is_own:
            setattr(owner, name, before)
        else:
            delattr(owner, name)

    return undo


def _get_data(sources: Mapping[str, bytes], read: Callable[[Any, str], bytes]) -> Callable[[Any, str], bytes]:
    def get_data(loader: Any, path: str) -> bytes:
        content = sources.get(os.path.abspath(path))
        return read(loader, path) if content is None else content

    return get_data


def _path_stats(sources: Mapping[str, bytes], stats: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def path_stats(loader: Any, path: str) -> Any:
        if os.path.abspath(path) in sources:
            raise OSError("this source has no bytecode")  # the import system then compiles, and caches nothing
        return stats(loader, path)

    return path_stats


def _open_code(sources: Mapping[str, bytes], opened: Callable[[str], Any]) -> Callable[[str], Any]:
    def open_code(path: str) -> Any:
        content = sources.get(os.path.abspath(path))
        return opened(path) if content is None else io.BytesIO(content)

    return open_code


def _open(copies: Mapping[str, str], opened: Callable[..., Any]) -> Callable[..., Any]:
    """See NOTE [Sources that the program reads]."""

    def open_(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if isinstance(file, (str, bytes, os.PathLike)) and mode.strip("bt") == "r":
            file = copies.get(os.path.abspath(os.fsdecode(file)), file)
        return opened(file, mode, *args, **kwargs)

    return staticmethod(open_)  # as a built-in function it binds to no class that holds it
