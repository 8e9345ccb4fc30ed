"""Run an unmodified program under the recorder.

The program sees what it would see under plain ``python``: ``sys.argv``, ``sys.path[0]``, ``__main__``, its streams and
its exit status.
"""

from __future__ import annotations

import builtins
import importlib.machinery
import importlib.util
import io
import os
import pkgutil
import runpy
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import CodeType, ModuleType, TracebackType
from typing import Any

from gradsan.model.copied import Copied
from gradsan.model.errors import SourceError, UsageError
from gradsan.model.report import Report
from gradsan.record.frames import is_ours
from gradsan.record.session import Options as Options
from gradsan.tasks.watch import Watch


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: a script's path, or a module's name with ``is_module``."""

    target: str
    arguments: tuple[str, ...] = ()
    is_module: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    ``status`` is the program's own exit status; ``interrupted`` says that Ctrl-C ended it.
    """

    report: Report
    status: int
    interrupted: bool = False
    copies: tuple[Copied, ...] = ()
    """What ``protect`` copied, the largest first."""


def run(program: Program, *, options: Options | None = None) -> Outcome:
    """Run a program and report what broke its gradients.

    Effect: runs the program in this process, as ``__main__``.

    Raises:
        UsageError: there is no such script or module.
        SourceError: the script can't be parsed.
        FrameworkMissing: torch is not installed.
    """
    prepared = _prepare_module(program) if program.is_module else _prepare_script(program)
    watch = Watch(command="run", options=options)
    watch.start()
    try:
        status, interrupted = _execute(prepared, watch)
    finally:
        watch.stop()
    return Outcome(watch.report, status, interrupted, watch.copies)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A program that is there and can be parsed, as far as can be told before anything of it runs."""

    start: Callable[[], object]
    main: ModuleType
    argv: tuple[str, ...]
    path0: str


def _prepare_script(program: Program) -> _Prepared:
    path = program.target
    if pkgutil.get_importer(path) is not None:
        return _prepare_package(program)
    try:
        with io.open_code(os.path.abspath(path)) as file:
            source = file.read()
    except FileNotFoundError:
        raise UsageError(f"can't open script {path!r}: no such file; give the path of a Python script") from None
    except OSError as error:
        raise UsageError(f"can't read script {path!r}: {error.strerror}") from None
    absolute = os.path.abspath(path)
    code = _compile(source, absolute)
    main = _main_module()
    main.__file__, main.__loader__ = absolute, importlib.machinery.SourceFileLoader("__main__", absolute)
    main.__dict__["__cached__"] = None
    folder = os.path.dirname(os.path.realpath(path))
    return _Prepared(lambda: exec(code, main.__dict__), main, (path, *program.arguments), folder)


def _prepare_package(program: Program) -> _Prepared:
    """Prepare a folder or a zip file with a ``__main__`` inside."""
    path = program.target
    if importlib.machinery.PathFinder.find_spec("__main__", [path]) is None:
        raise UsageError(f"can't run {path!r}: it has no __main__.py; give a Python script")
    argv, path0 = (path, *program.arguments), os.path.abspath(path)
    return _Prepared(lambda: _run_as_main("__main__", False), _main_module(), argv, path0)


def _prepare_module(program: Program) -> _Prepared:
    name, folder = program.target, os.getcwd()
    sys.path.insert(0, folder)
    try:
        is_there = importlib.util.find_spec(name.partition(".")[0]) is not None
    except (ImportError, ValueError):
        is_there = False
    finally:
        del sys.path[0]
    if not is_there:
        raise UsageError(f"no module named {name!r}; is it on sys.path?")
    return _Prepared(lambda: _run_as_main(name), _main_module(), ("-m", *program.arguments), folder)


def _run_as_main(name: str, *alter_argv: bool) -> None:
    """Run a module by the function that ``python -m`` runs: it is in the program's tracebacks.

    Effect: the program's own.

    Raises:
        UsageError: there is no such module, or it can't be run.
        SourceError: it can't be parsed.
    """
    run_as_main: Any = runpy._run_module_as_main  # type: ignore[attr-defined]
    try:
        run_as_main(name, *alter_argv)
    except SystemExit as error:
        if isinstance(error.__context__, runpy._Error):  # type: ignore[attr-defined]
            raise UsageError(f"can't run module {name!r}: {error.__context__}") from None
        raise
    except SyntaxError as error:
        if any(entry.tb_frame.f_code.co_name == "_run_code" for entry in _entries(error.__traceback__)):
            raise
        raise SourceError(f"{error.filename}:{error.lineno or 1}: the module can't be parsed: {error.msg}") from None


def _compile(source: bytes, path: str) -> CodeType:
    try:
        return builtins.compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise SourceError(f"{path}:{error.lineno or 1}: the script can't be parsed: {error.msg}") from None
    except ValueError as error:  # null bytes
        raise SourceError(f"{path}: the script can't be parsed: {error}") from None


def _main_module() -> ModuleType:
    main = ModuleType("__main__")
    main.__builtins__ = builtins  # type: ignore[attr-defined]
    main.__dict__.setdefault("__annotations__", {})
    return main


def _execute(prepared: _Prepared, watch: Watch) -> tuple[int, bool]:
    """Execute as ``python`` would, from ``__main__`` to the last non-daemon thread.

    Effect: the program's own.
    """
    sys.argv[:] = prepared.argv
    if sys.path and not getattr(sys.flags, "safe_path", False):
        sys.path[0] = prepared.path0
    sys.modules["__main__"] = prepared.main
    status, interrupted = _call(prepared.start, watch)
    _end_threads()
    return status, interrupted


def _end_threads() -> None:
    """Wait for the program's threads, as the interpreter does once ``__main__`` has ended.

    Joining them would not do: an executor's workers end only when `threading` calls what the executor registered.

    Effect: ends `threading`; the interpreter's own call of the same function finds nothing left to do.
    """
    try:
        threading._shutdown()  # type: ignore[attr-defined]
    except BaseException as error:
        _strip(error, set())
        arguments: Any = sys.UnraisableHookArgs
        sys.unraisablehook(arguments((type(error), error, error.__traceback__, None, threading)))


def _call(program: Callable[[], object], watch: Watch) -> tuple[int, bool]:
    try:
        program()
    except SystemExit as error:
        return _exit_status(error), False
    except KeyboardInterrupt as error:
        _show(error)
        return 128 + signal.SIGINT, True
    except BaseException as error:
        if _entries(error.__traceback__)[-1].tb_frame.f_code is _run_as_main.__code__:
            raise
        watch.see(error)
        _show(error)
        return 1, False
    return 0, False


def _exit_status(error: SystemExit) -> int:
    """Return the exit status of a ``SystemExit``, as the interpreter defines it.

    Effect: prints a message that was given instead of a status.
    """
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    print(error.code, file=sys.stderr)
    return 1


def _show(error: BaseException) -> None:
    """Show an exception that the program did not catch, through its own ``sys.excepthook``, without our frames."""
    _strip(error, set())
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    sys.excepthook(type(error), error, error.__traceback__)


def _strip(error: BaseException | None, seen: set[int]) -> None:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = _without_our_frames(error.__traceback__)
    for other in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        _strip(other, seen)


def _without_our_frames(traceback: TracebackType | None) -> TracebackType | None:
    entries: Sequence[TracebackType] = _entries(traceback)
    kept = [entry for entry in entries if not is_ours(entry.tb_frame.f_code.co_filename)]
    chain: TracebackType | None = None
    for entry in reversed(kept):
        chain = TracebackType(chain, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return chain


def _entries(traceback: TracebackType | None) -> list[TracebackType]:
    entries = []
    while traceback is not None:
        entries.append(traceback)
        traceback = traceback.tb_next
    return entries
