"""Memory that was handed out: to NumPy, to DLPack, to a pointer, as a storage, to a child process.

# NOTE [Writes of children] A forked child inherits the wrappers.  It writes the places that write to shared memory to a
file that its parent opened before; the parent reads it when shared memory differs.  Addresses of memory that was mapped
before the fork are the same in both; a spawned child is given the file, and says which file is mapped at the address in
place of it.  What no wrapper sees there, an array or a pointer, is found by the line after
which what is watched differs, as in the parent.

# NOTE [Only who asks] The recorder itself asks for storages all the time.  The methods that hand them out are wrapped
once a file of the program that calls one is met.
"""

from __future__ import annotations

import functools
import json
import linecache
import os
import re
import sys
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.regions import REFUSALS
from gradsan.frameworks.torch.storages import release
from gradsan.model.span import Span
from gradsan.record.frames import Site, current_site

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

_HANDING_OUT = ("numpy", "__array__", "__dlpack__", "data_ptr")
_STORAGES = ("untyped_storage", "storage", "_typed_storage")
_ASKS_FOR_STORAGE = re.compile(r"\b(?:untyped_storage|storage|_typed_storage)\(")
_living: weakref.WeakSet[Exposure] = weakref.WeakSet()


class Exposure:
    """Which storages were handed out, and what children wrote to shared ones."""

    def __init__(self, recorder: Recorder, exposed: Callable[[int], None], file_of_parent: int | None = None) -> None:
        self.keys: dict[int, Any] = {}
        """Weak references to the storages, by key."""
        self.guards = recorder.guards
        self._user_code = recorder.user_code
        self._exposed = exposed
        self._patches = Patches()
        self._file: Any = None
        self._file_of_parent = file_of_parent
        self._seen: set[tuple[int, Span]] = set()
        self._before: Callable[[str], None] = lambda _filename: None
        self.is_child = False

    def start(self) -> int:
        """Begin; return the number of the file that children write to.

        Effect: wraps what hands out memory; opens a file without a name, or takes that of the parent.
        """
        for name in _HANDING_OUT:
            self._patches.set(torch.Tensor, name, self._handing_out(getattr(torch.Tensor, name), name))
        dlpack: Any = torch.utils.dlpack
        for owner in (dlpack, torch):
            self._patches.set(owner, "to_dlpack", self._handing_out(owner.to_dlpack, "to_dlpack"))
        self._before, self._user_code.on_new_file = self._user_code.on_new_file, self._look_into
        if self._file_of_parent is None:
            self._file = tempfile.TemporaryFile("a+b", buffering=0)  # noqa: SIM115 - closed in `stop`
        else:
            self._file = os.fdopen(self._file_of_parent, "a+b", buffering=0)
            self.become_child()
        _living.add(self)
        return int(self._file.fileno())

    def stop(self) -> None:
        """Undo `start`."""
        if self._user_code.on_new_file == self._look_into:
            self._user_code.on_new_file = self._before
        self._patches.restore()
        _living.discard(self)
        self._file.close()
        while self.keys:
            release(self.keys.popitem()[1])

    def become_child(self) -> None:
        """Be the one that writes to the file."""
        self.is_child = True
        self.guards.append(self.note_write_of_child)

    def note_write_of_child(self, tensor: Any, _operation: str) -> None:
        """Tell the parent that this child is about to write to shared memory; a guard of the recorder."""
        with suppress(*REFUSALS):
            if tensor.untyped_storage().is_shared():
                self.tell_parent(tensor, current_site(self._user_code))

    def tell_parent(self, tensor: Any, site: Site | None) -> None:
        """Write the place that wrote to shared memory where the parent will read it."""
        try:
            storage = tensor.untyped_storage()
            if site is None or not (storage.is_shared() or is_shared(tensor)):  # an array over a mapping is not known
                return
            span = site.span()
            place = storage.data_ptr(), span
            if place not in self._seen:
                self._seen.add(place)
                memory = place[0] if self._file_of_parent is None else _file_at(place[0])
                row = [memory, span.path, span.line, span.column, span.end_line, span.end_column, span.function]
                self._file.write(json.dumps(row).encode() + b"\n")
        except (*REFUSALS, OSError, ValueError):
            pass  # a child must not fail for our sake

    def writes_of_children(self, tensor: Any) -> list[Span]:
        """Return the places in child processes that wrote to a tensor's storage, each once."""
        try:
            address = tensor.untyped_storage().data_ptr()
        except REFUSALS:
            return []
        self._file.seek(0)
        rows = [json.loads(line) for line in self._file.read().splitlines()]
        names = (address, _file_at(address)) if rows else ()
        spans = list(dict.fromkeys(Span(*row[1:]) for row in rows if row[0] in names and row[0]))
        exact = {(each.path, each.line) for each in spans if each.end_column > each.column}
        return [each for each in spans if each.end_column > each.column or (each.path, each.line) not in exact]

    def _look_into(self, filename: str) -> None:
        """See NOTE [Only who asks]."""
        self._before(filename)
        if _ASKS_FOR_STORAGE.search("".join(linecache.getlines(filename))) is None:
            return
        for name in _STORAGES:
            if not hasattr(vars(torch.Tensor).get(name), "__wrapped__"):
                self._patches.set(torch.Tensor, name, self._handing_out(getattr(torch.Tensor, name), name))

    def _handing_out(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        is_asked_by_all = name in ("data_ptr", *_STORAGES)
        users = self._user_code.users

        @functools.wraps(original)
        def hand_out(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(tensor, *args, **kwargs)
            # The framework's own code, and ours, ask for pointers and storages to compare them.
            if not is_asked_by_all or sys._getframe(1).f_code.co_filename in users:
                self.expose(tensor)
            return result

        return hand_out

    def expose(self, tensor: Any) -> None:
        """Note that a tensor's memory can be written to by others from now on."""
        try:
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key not in self.keys:
                self.keys[key] = storage._weak_ref()
        except REFUSALS:
            return
        self._exposed(key)


def _file_at(address: int) -> str:
    """Return device and number of the file that is mapped at an address; empty for none, and where nobody tells."""
    device, number = _mapping_at(address)[1:]
    return f"{device} {number}" if number not in ("", "0") else ""


def is_shared(tensor: Any) -> bool:
    """Return whether other processes may see, and write, the memory of a tensor; False where nobody tells."""
    try:
        return _mapping_at(tensor.untyped_storage().data_ptr())[0].endswith("s")
    except REFUSALS:
        return False


def _mapping_at(address: int) -> tuple[str, str, str]:
    """Return permissions, device and number of the file of the mapping at an address."""
    with suppress(OSError, ValueError), open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            stretch, permissions, _, device, number, *_ = line.split()
            start, end = (int(each, 16) for each in stretch.split("-"))
            if start <= address < end:
                return permissions, device, number
    return "", "", ""


def _in_child() -> None:
    for exposure in list(_living):
        exposure.become_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
