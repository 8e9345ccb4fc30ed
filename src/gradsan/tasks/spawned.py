"""Children that are started by ``spawn`` or ``forkserver``: they inherit nothing, so each of them records for itself.

# NOTE [What a spawned child gets] The process object is pickled into a pipe.  While it is, one more attribute stands on
it: what unpickles it in the child starts a watch there, before the process runs, and leaves None.  Findings go to the
file that forked children write to.  A child that has not loaded the framework by then is left alone, and so is one that
another interpreter runs, or that would not find this package.
Source: Lib/multiprocessing/popen_spawn_posix.py and reduction.py, CPython 3.10 to 3.14.
"""

from __future__ import annotations

import functools
import importlib.machinery
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import context, process, reduction, spawn
from typing import Any

from gradsan.record.session import Options, Session
from gradsan.tasks.children import ChildFindings

_ATTRIBUTE = "_gradsan"


class Beginning:
    """What starts a watch where it is unpickled."""

    def __init__(self, children: ChildFindings, session: Session) -> None:
        self.children = children
        self.session = session

    def __reduce__(self) -> tuple[Any, ...]:
        """Hand on the files for findings and for writes to shared memory; only while a process is being started."""
        shared = self.session.file_for_children
        files = [reduction.DupFd(self.children.file_number())]
        files += [] if shared is None else [reduction.DupFd(shared)]
        return begin, (files, self.session.options)


def record_spawned(children: ChildFindings, session: Session) -> Callable[[], None]:
    """See to it that children which are spawned from now on record; return what undoes this.

    Effect: replaces the function that pickles a process.
    """
    original, beginning = reduction.dump, Beginning(children, session)

    @functools.wraps(original)
    def dump(value: Any, *args: Any, **kwargs: Any) -> None:
        if not isinstance(value, process.BaseProcess) or not _can_record():
            original(value, *args, **kwargs)
            return
        with suppress(AttributeError):
            setattr(value, _ATTRIBUTE, beginning)
        try:
            original(value, *args, **kwargs)
        finally:
            with suppress(AttributeError):
                delattr(value, _ATTRIBUTE)

    def put_back() -> None:
        if reduction.dump is dump:
            vars(reduction)["dump"] = original

    vars(reduction)["dump"] = dump
    return put_back


def _can_record() -> bool:
    if os.name != "posix" or context.get_spawning_popen() is None:
        return False
    is_same = os.fsdecode(spawn.get_executable() or "") == sys.executable
    return is_same and importlib.machinery.PathFinder.find_spec("gradsan", sys.path) is not None


def begin(files: list[Any], options: Options) -> None:
    """Record this process, and send what is found to its parent.

    Effect: starts a watch that ends with the process.
    """
    with suppress(Exception):  # a child must not fail for our sake
        findings, *shared = [each.detach() for each in files]
        if "torch" not in sys.modules:
            for number in (findings, *shared):
                os.close(number)
            return
        from gradsan.tasks.watch import Watch

        children = ChildFindings.sending_to(findings)
        watch = Watch(command="run", options=options, children=children, file_of_parent=next(iter(shared), None))
        watch.start()
        _living.append(watch)


_living: list[object] = []
