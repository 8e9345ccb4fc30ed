"""Functions that make no nodes: the line clock hears of their returns only.

# NOTE [Idle functions] A line event costs ten times what a line of plain Python costs: a tokenizer or an environment
written in Python would run eight times slower.  A function is idle that has run many lines without making a node, and
has then returned twice with nothing of the framework's in reach: not in its locals, not in what these hold, not among
the globals that it names, not in what it returned.  Should a node have been made when it returns, by it or before it
on its caller's line, that node passes for its caller's line, and the function is followed again to see which it was.

# NOTE [Idle with values in reach] Nine of ten lines of a library that wraps tensors in classes of its own ask for
# shapes and hand on arguments.  A function that has values of the framework's in reach is idle too once it has returned
# many times, while nodes were being recorded, without making one.  It may still come to a branch that does: of nodes
# that were made when it returns, or when what it calls begins, the line is then not known, and it is followed again.
"""

from __future__ import annotations

import inspect
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

LINES_TO_SAMPLE = 1024
"""Of so many lines that made no node, the clock names the last one's function a candidate."""
CLEAN_RETURNS = 2
CLEAN_RETURNS_IN_REACH = 64
MAX_DOUBTS = 3
"""So often is an idle function followed again: then it is idle for good or, with values in reach, followed for good."""
DEPTH = 3
"""Containers in containers that are looked into."""
MAX_ITEMS = 6
"""Of one container; it mostly holds things of one kind."""
MAX_VALUES = 256
_LEAVES = frozenset({int, float, str, bool, bytes, complex, type(None), ModuleType, FunctionType})
_SUSPENDED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class IdleCode:
    """Judges functions by their frames; code objects are kept by identity, see `UserCode`."""

    def __init__(self, belongs: Callable[[Any], bool], is_recording: Callable[[], bool]) -> None:
        self._belongs = belongs
        """Whether a value is the framework's: a tensor, a module, one of its functions."""
        self._is_recording = is_recording
        """Whether operations make nodes now, on the calling thread."""
        self.in_reach: set[int] = set()
        """Those that have, or had, values of the framework's in reach, idle or not."""
        self.ids: set[int] = set()
        """The idle functions, for hot paths to read."""
        self.candidates: set[int] = set()
        """The functions whose next return is to be judged, for hot paths to read."""
        self._n_clean: dict[int, int] = {}
        self._n_doubts: dict[int, int] = {}
        self._active: set[int] = set()
        """The functions that are followed for good."""
        self._known: dict[int, weakref.ref[CodeType]] = {}

    def nominate(self, code: CodeType) -> None:
        """Have the next returns of a function judged, unless it is known to be followed for good."""
        key = id(code)
        if not code.co_flags & inspect.CO_OPTIMIZED or code.co_flags & _SUSPENDED:
            return
        if key not in self._known:
            self._known[key] = weakref.ref(code, lambda _: self._forget(key))
        if key not in self.ids and key not in self._active:
            self.candidates.add(key)

    def judge(self, frame: FrameType, returned: object, made_nodes: Callable[[CodeType], bool]) -> bool:
        """Judge a candidate that returns; return whether it is idle from now on."""
        code = frame.f_code
        key = id(code)
        if key in self.in_reach and not self._is_recording():
            return False
        if made_nodes(code):
            self.candidates.discard(key)
            self.in_reach.discard(key)
            self._active.add(key)
            return False
        if key not in self.in_reach and self._reaches_framework(frame, returned):
            self.in_reach.add(key)
            self._n_clean.pop(key, None)
        self._n_clean[key] = self._n_clean.get(key, 0) + 1
        if self._n_clean[key] < (CLEAN_RETURNS_IN_REACH if key in self.in_reach else CLEAN_RETURNS):
            return False
        self.candidates.discard(key)
        self.ids.add(key)
        return True

    def may_make_nodes(self, code: CodeType) -> bool:
        """Return whether a function is idle with values in reach, see the note."""
        return id(code) in self.ids and id(code) in self.in_reach

    def doubt(self, code: CodeType) -> bool:
        """Note that a node was made in an idle function, or before it on its caller's line.

        Returns:
            Whether the function is idle no more.
        """
        key = id(code)
        self._n_doubts[key] = self._n_doubts.get(key, 0) + 1
        if self._n_doubts[key] > MAX_DOUBTS:
            return False
        if key in self.in_reach and self._n_doubts[key] == MAX_DOUBTS:
            self._active.add(key)
        self.ids.discard(key)
        self._n_clean.pop(key, None)
        return True

    def _forget(self, key: int) -> None:
        for keys in (self.ids, self.in_reach, self.candidates, self._active):
            keys.discard(key)
        for counts in (self._n_clean, self._n_doubts, self._known):
            counts.pop(key, None)

    def _reaches_framework(self, frame: FrameType, returned: object) -> bool:
        named = (frame.f_globals.get(name) for name in frame.f_code.co_names)
        try:
            layer = [returned, *frame.f_locals.values(), *named]
            for _ in range(DEPTH):
                if len(layer) > MAX_VALUES or any(map(self._belongs, layer)):
                    return True
                layer = [each for value in layer for each in _held_by(value)]
        except Exception:  # a container that another thread writes, or that is not what it says
            return True
        return any(map(self._belongs, layer))


def _held_by(value: Any) -> Iterable[Any]:
    """Return some of what a value holds, without running code of the program's."""
    kind = type(value)
    if kind in _LEAVES or issubclass(kind, type):
        return ()
    if issubclass(kind, dict):
        return list(islice(dict.values(value), MAX_ITEMS))
    for sequence in (list, tuple, deque, set, frozenset):
        if issubclass(kind, sequence):
            return list(islice(sequence.__iter__(value), MAX_ITEMS))
    try:
        return tuple(object.__getattribute__(value, "__dict__").values())
    except AttributeError:
        return ()
