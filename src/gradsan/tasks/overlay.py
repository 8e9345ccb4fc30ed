"""Edited sources that are run in place of those on disk, which stay as they are."""

from __future__ import annotations

import _io
import importlib.machinery
import io
import linecache
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_Loader = importlib.machinery.SourceFileLoader


@contextmanager
def overlaid(sources: Mapping[str, bytes]) -> Iterator[None]:
    """Let this interpreter find other sources at some paths.

    Args:
        sources: Absolute path -> the content to find there.

    Effect: within the block, imports, scripts and tracebacks read ``sources``; no bytecode is cached of them.
    """
    undo = [_showing(sources)]
    if sources:
        undo += [
            _replacing(_Loader, "get_data", lambda read: _get_data(sources, read)),
            _replacing(_Loader, "path_stats", lambda stats: _path_stats(sources, stats)),
            _replacing(io, "open_code", lambda opened: _open_code(sources, opened)),
            _replacing(_io, "open_code", lambda opened: _open_code(sources, opened)),
        ]
    try:
        yield
    finally:
        for step in reversed(undo):
            step()


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
