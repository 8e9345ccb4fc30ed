"""What a trial does to files, and how it is undone: each run of a program is to find what the first one found.

# NOTE [Trials leave no files] A program that makes a folder fails when it is there, one that resumes from a checkpoint
computes something else, and nobody wants a checkpoint from a trial.  So the interpreter's audit events tell, before it
happens, which file is opened for writing, made, renamed or removed; what was there is copied first, and put back when
the trial has ended.  What a program makes after it has connected to another machine stays: it may be a download.
Not seen: what other processes and native libraries write.

Source: `sys.addaudithook` and its table of events, checked on Python 3.11.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import local
from typing import Any

LARGEST_BYTES = 1 << 30
"""Of a file that is copied before it is written."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_JOURNAL = "footprint"
_COPIES = "copies"


class Footprint:
    """Keeps what stood at every path before the program of this process touches it.

    Args:
        folder: Where copies and the journal go.
        roots: Below which folders files are put back.
    """

    def __init__(self, folder: Path, roots: tuple[Path, ...]) -> None:
        self._own = os.path.realpath(folder)
        self._copies = folder / _COPIES
        self._copies.mkdir()
        self._roots = tuple(os.path.realpath(root) for root in roots)
        self._journal = os.open(folder / _JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._known: set[str] = set()
        self._is_connected = False
        self._inside = local()
        self._events: dict[str, Callable[..., None]] = {
            "open": self._opened,
            "os.mkdir": lambda path, _mode, at=-1: self._touch(path, at),
            "os.remove": lambda path, at=-1: self._touch(path, at),
            "os.rmdir": lambda path, at=-1: self._touch(path, at),
            "os.truncate": lambda path, *_: self._touch(path),
            "os.rename": lambda source, target, at=-1, to=-1: self._renamed((source, at), (target, to)),
            "os.link": lambda _source, target, _at=-1, to=-1: self._touch(target, to),
            "os.symlink": lambda _source, target, to=-1: self._touch(target, to),
            "sqlite3.connect": lambda path: self._opened(path, "w", 0),
            "socket.connect": self._connected,
        }

    def start(self) -> None:
        """Begin; there is no end before that of the process.

        Effect: adds an audit hook.
        """
        events, inside = self._events, self._inside

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            note = events.get(event)
            if note is None or getattr(inside, "is_busy", False):
                return
            inside.is_busy = True
            try:
                note(*arguments)
            except Exception as error:  # an event of another shape, a file that can't be read
                with suppress(OSError):
                    self._write("problem", f"{event}: {error}")
            finally:
                inside.is_busy = False

        sys.addaudithook(hook)

    def _opened(self, path: Any, mode: Any, flags: int) -> None:
        is_writing = any(letter in mode for letter in "wax+") if isinstance(mode, str) else bool(flags & _WRITING)
        if is_writing and not isinstance(path, int):
            self._touch(os.path.realpath(path))

    def _connected(self, _socket: Any, address: Any) -> None:
        self._is_connected = self._is_connected or isinstance(address, tuple)

    def _renamed(self, source: tuple[Any, int], target: tuple[Any, int]) -> None:
        old, new = self._resolved(*source), self._resolved(*target)
        if old is None or new is None:
            return
        if os.path.isdir(old) and not os.path.islink(old):
            for folder, _, names in os.walk(old):
                self._keep(folder)
                self._keep(new + folder[len(old) :])
                for name in names:
                    self._keep(os.path.join(folder, name))
                    self._keep(os.path.join(new + folder[len(old) :], name))
            return
        self._keep(old)
        self._keep(new)

    def _touch(self, path: Any, at: int = -1) -> None:
        resolved = self._resolved(path, at)
        if resolved is not None:
            self._keep(resolved)

    def _resolved(self, path: Any, at: int) -> str | None:
        """Return the absolute path; None for a descriptor, a device, and what lies outside the roots."""
        if isinstance(path, int) or path is None:
            return None
        text = os.fsdecode(path)
        if at >= 0 and not os.path.isabs(text):
            text = os.path.join(os.readlink(f"/proc/self/fd/{at}"), text)
        text = os.path.abspath(text)
        folder = os.path.realpath(os.path.dirname(text))
        if _is_below(folder, self._own) or "__pycache__" in text:
            return None
        is_ours = any(_is_below(folder, root) for root in self._roots)
        return os.path.join(folder, os.path.basename(text)) if is_ours else None

    def _keep(self, path: str) -> None:
        if path in self._known:
            return
        self._known.add(path)
        if os.path.islink(path):
            self._write("link", path, os.readlink(path))
        elif os.path.isdir(path):
            self._write("folder", path)
        elif not os.path.exists(path):
            if not self._is_connected:
                self._write("nothing", path)
        elif os.path.isfile(path):
            if os.path.getsize(path) > LARGEST_BYTES:
                self._write("problem", f"{path} is too large to be copied: each run writes it")
                return
            copy = str(self._copies / str(len(self._known)))
            shutil.copy2(path, copy)
            self._write("file", path, copy)

    def _write(self, kind: str, *what: str) -> None:
        os.write(self._journal, json.dumps([kind, *what]).encode() + b"\n")


def _is_below(folder: str, root: str) -> bool:
    return folder == root or folder.startswith(root.rstrip(os.sep) + os.sep)


def restore(folder: Path) -> tuple[str, ...]:
    """Put back what a journal tells; return what could not be.

    Effect: removes, makes and writes files.
    """
    journal = folder / _JOURNAL
    if not journal.exists():
        return ()
    entries = [json.loads(line) for line in journal.read_bytes().splitlines()]
    problems = [what[0] for kind, *what in entries if kind == "problem"]
    steps = sorted(((_ORDER[kind], what) for kind, *what in entries if kind != "problem"), key=_step_key)
    for (_, undo), what in steps:
        try:
            undo(*what)
        except OSError as error:
            problems.append(f"{what[0]} could not be put back: {error.strerror or error}")
    return tuple(problems)


def _step_key(step: tuple[tuple[int, Callable[..., None]], list[str]]) -> tuple[int, int]:
    # What was made is removed first, the deepest path first.
    (order, _), what = step
    return order, -len(what[0])


def _make_folder(path: str) -> None:
    os.makedirs(path, exist_ok=True)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        os.rmdir(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _put_back(path: str, copy: str) -> None:
    before, now = Path(copy), Path(path)
    os.makedirs(now.parent, exist_ok=True)
    if not now.is_file() or now.read_bytes() != before.read_bytes():
        shutil.copy2(copy, path)


def _link_back(path: str, target: str) -> None:
    if not os.path.islink(path) or os.readlink(path) != target:
        _remove(path)
        os.symlink(target, path)


_ORDER: dict[str, tuple[int, Callable[..., None]]] = {
    "nothing": (0, _remove),
    "folder": (1, _make_folder),
    "file": (2, _put_back),
    "link": (3, _link_back),
}
