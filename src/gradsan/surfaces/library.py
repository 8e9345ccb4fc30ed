"""The door for Python programs: `gradsan.enable()`, `gradsan.watch()`, `gradsan.inspect_graph(loss)`."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from gradsan.model.copied import Copied
from gradsan.model.diagnostic import Diagnostic
from gradsan.model.report import Report
from gradsan.model.verification import Verification
from gradsan.report.text import render
from gradsan.tasks.inspect_graph import conflicts
from gradsan.tasks.protect import Protect
from gradsan.tasks.run import Options
from gradsan.tasks.verify import verify as verify_function
from gradsan.tasks.watch import Watch

if TYPE_CHECKING:
    from gradsan.model.printer import Printer

_enabled: _Enabled | None = None


class WatchSession:
    """What `watch` yields: the findings, live while the block runs and final after it."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        """What was found so far, equal findings told once; the first explains the first failure."""
        return self._watch.findings

    @property
    def not_covered(self) -> tuple[str, ...]:
        """What could not be looked at, and why."""
        return self._watch.report.not_covered

    @property
    def report(self) -> Report:
        """The findings and what was not covered, for the formats of `gradsan.report`."""
        return self._watch.report

    def __str__(self) -> str:
        return render(self._watch.report)

    def _repr_pretty_(self, printer: Printer, _is_cycle: bool) -> None:
        printer.text(str(self))


class ProtectSession:
    """What `protect` yields: what it copied, and from which line."""

    def __init__(self, protect: Protect) -> None:
        self._protect = protect

    @property
    def copies(self) -> tuple[Copied, ...]:
        """What was copied so far, by the line that was about to write, the largest first."""
        return self._protect.copies

    @property
    def n_bytes(self) -> int:
        """How many bytes were copied so far."""
        return sum(copied.n_bytes for copied in self.copies)

    @property
    def not_covered(self) -> tuple[str, ...]:
        """What could not be protected, and why."""
        return self._protect.not_covered


def enable(*, strict: bool = False) -> None:
    """Explain every in-place gradient error of this process from now on, as `faulthandler.enable` does for crashes.

    The exception keeps its type and message; the explanation rides on it as a note.  A second call changes nothing.

    Args:
        strict: Raise `gradsan.model.errors.SilentCorruption` before a backward that would use a silently overwritten
            value, instead of letting it compute a wrong gradient.

    Example:
        >>> import gradsan
        >>> gradsan.enable()

    Raises:
        FrameworkMissing: torch is not installed.
    """
    global _enabled
    if _enabled is None:
        watch = Watch(command="enable", explain=_note, strict=strict)
        watch.start()
        _enabled = _Enabled(watch, sys.excepthook)
        sys.excepthook = _enabled.excepthook
        atexit.register(disable)  # destructors of the program still run while the interpreter takes our modules down


def disable() -> None:
    """Undo `enable`; without it, do nothing."""
    global _enabled
    if _enabled is not None:
        _enabled.watch.stop()
        if sys.excepthook == _enabled.excepthook:
            sys.excepthook = _enabled.before
        _enabled = None
        atexit.unregister(disable)


@dataclass(frozen=True)
class _Enabled:
    watch: Watch
    before: Callable[[type[BaseException], BaseException, TracebackType | None], object]

    def excepthook(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        """Explain what no wrapper has seen, then show the exception as before.

        Effect: before Python 3.11, which does not show notes, prints them.
        """
        self.watch.see(error)
        self.before(kind, error, traceback)
        if sys.version_info < (3, 11):
            print(*getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)


@contextmanager
def watch() -> Iterator[WatchSession]:
    """Watch a stretch of a program.

    An exception passes through with the explanation as a note; one that the program catches is still a finding.

    Example:
        >>> with gradsan.watch() as session:
        ...     loss.backward()
        >>> session.findings

    Raises:
        FrameworkMissing: torch is not installed.
    """
    with _watching(Watch(command="watch", explain=_note)) as session:
        yield session


@contextmanager
def audit(*, full: bool = False) -> Iterator[WatchSession]:
    """Watch a stretch of a program, and compare what saved tensors contain.

    Finds writes that go past the framework: NumPy, pointers, kernels, other processes.

    Args:
        full: Compare large tensors wholly, not by sample.

    Example:
        >>> with gradsan.audit() as session:
        ...     loss.backward()
        >>> session.findings

    Raises:
        FrameworkMissing: torch is not installed.
    """
    options = Options(audit="full" if full else "sampled")
    with _watching(Watch(command="audit", options=options, explain=_note)) as session:
        yield session


@contextmanager
def protect() -> Iterator[ProtectSession]:
    """Give backward what was saved, whatever the program writes in between.

    Forward values are those of the program; gradients are the true ones of what was computed.  A saved tensor is copied
    just before a write that overlaps it, and only then.  Forward and backward both run inside.

    Example:
        >>> with gradsan.protect() as protection:
        ...     loss = training_step()
        ...     loss.backward()
        >>> protection.copies

    Raises:
        FrameworkMissing: torch is not installed.
    """
    protected = Protect()
    protected.start()
    try:
        yield ProtectSession(protected)
    finally:
        protected.stop()


def verify(fn: object, *inputs: object) -> Verification:
    """Tell whether a function's gradient is the true one: for tests of losses, layers and custom Functions.

    The function is differentiated by the inputs that require a gradient (all floating-point ones, where none does) and
    by the parameters of a module.  Witnesses are finite differences in float64, functionalization and `protect`; the
    strongest that applies decides.

    Example:
        >>> result = gradsan.verify(my_loss, prediction, target)
        >>> assert result.is_true, result

    Raises:
        UsageError: nothing to call, or nothing to differentiate.
        FrameworkMissing: torch is not installed.
    """
    return verify_function(fn, *inputs)


def inspect_graph(*roots: object) -> tuple[Diagnostic, ...]:
    """Return every saved tensor of a graph that has already been overwritten, before backward is run.

    Under `enable` or `watch` each finding names the lines; without, what the graph itself knows.

    Args:
        roots: Tensors with a ``grad_fn`` (a loss, outputs) or gradient edges.

    Example:
        >>> gradsan.inspect_graph(loss)

    Raises:
        FrameworkMissing: torch is not installed.
    """
    return conflicts(*roots)


@contextmanager
def _watching(watched: Watch) -> Iterator[WatchSession]:
    watched.start()
    try:
        yield WatchSession(watched)
    except BaseException as error:
        watched.see(error)
        raise
    finally:
        watched.stop()


def _note(finding: Diagnostic) -> str:
    report = Report(command="enable", directory=Path.cwd(), findings=(finding,))
    return "\n" + render(report).rstrip()
