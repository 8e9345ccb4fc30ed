"""One trial: the program, as it is or edited, run in a process of its own, and what was seen of it.

# NOTE [Trials are repeatable] Every trial starts with the same seeds (0 for `random`, NumPy and the framework) and the
same hash seed, and computes on one thread: two trials of one program compute the same numbers, unless it asks a clock
or another machine.

# NOTE [Fork] Importing a framework takes seconds, a fork milliseconds.  Where there is `os.fork` the framework is
imported once, before any thread exists, and each trial is a fork; elsewhere each is a fresh interpreter.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from importlib import import_module
from pathlib import Path

from gradsan import frameworks, knowledge, rules
from gradsan.model.diagnostic import Diagnostic, Severity
from gradsan.model.errors import GradsanError
from gradsan.model.span import Span
from gradsan.record.observations import Observations
from gradsan.record.session import Options
from gradsan.tasks import footprint
from gradsan.tasks import run as running
from gradsan.tasks.overlay import overlaid
from gradsan.tasks.protect import Protect

SEED = 0
_FRAMEWORK = ("torch", "numpy")
POLL_S = 0.01
ERROR_LINES = 3
_CHILD = "import sys; from gradsan.tasks.trial import answer_request; answer_request(sys.argv[1])"


class Mode(Enum):
    """What is done to the program while it runs."""

    PLAIN = "plain"
    PROTECTED = "values"
    """Saved tensors are protected; refused writes are performed, seen by every alias, without a gradient."""
    REPLACED = "replaced"
    """Saved tensors are protected; refused writes are performed out of place, with their gradient."""
    RESULT = "result"
    """As `REPLACED`, but what an activation makes of a leaf in place is its result: the leaf stays one.  A gradient is
    written through a view made under `no_grad`."""
    RECORDED = "recorded"
    """Saved tensors are protected; writes off the tape are recorded where a gradient flows."""
    JOINED = "joined"
    """Saved tensors are protected; what goes into a leaf whole keeps its history."""
    KEPT = "kept"
    """Saved tensors are protected; optimizers keep copies of gradients, and shared gradients stay shared."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What to run."""

    program: running.Program
    sources: dict[str, bytes] = field(default_factory=dict)
    mode: Mode = Mode.PLAIN
    audit: str = ""
    """As in `Options`; where protection stands in for it, what is saved is copied at once: the audit is there for
    writes that nothing sees."""
    roots: tuple[Path, ...] = ()
    """The folders in which what the program does to files is undone; see NOTE [Trials leave no files]."""
    files: tuple[str, ...] = ()
    """The source files of the project that the program had loaded at its end."""
    copies_at_once: bool = False
    """Whether protection copies what is saved when it is saved, for writes that it does not know."""
    is_apart: bool = False
    """Whether operations under transforms, where nothing can be kept, compute on copies."""
    is_interpreted: bool = False
    """Whether functions that the program compiles run as the Python that they were; the recorder sees their lines."""
    closely: tuple[Span, ...] = ()
    """As in `Options`."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen.

    ``problem`` says why nothing could be seen: the program took too long, or ended its process.
    """

    findings: tuple[Diagnostic, ...] = ()
    """What is surely wrong."""
    warnings: tuple[Diagnostic, ...] = ()
    """What may be meant: told, never repaired."""
    not_covered: tuple[str, ...] = ()
    observations: Observations = field(default_factory=Observations)
    status: int = 0
    error: str = ""
    """The last lines that the program wrote to its standard error."""
    files: frozenset[str] = frozenset()
    """The source files that the program had loaded at its end."""
    modules: tuple[str, ...] = ()
    """The framework's modules that were loaded, in order."""
    problem: str = ""
    usage: str = ""
    """Our own complaint about the request: there is no such script."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a program was started: working directory and environment."""

    directory: Path
    environment: dict[str, str]


def hold(trial: Trial, *, timeout_s: float, origin: Origin | None = None) -> Seen:
    """Run a trial to its end; with ``origin`` in a fresh interpreter, as this one has run the program before.

    Effect: starts a process; what the program does to files below ``trial.roots`` is undone, its effects on other
    machines are real.
    """
    with tempfile.TemporaryDirectory(prefix="gradsan-") as folder:
        request, answer = Path(folder) / "request", Path(folder) / "answer"
        request.write_bytes(pickle.dumps(trial))
        try:
            if origin is None and hasattr(os, "fork"):
                problem = _in_a_fork(request, timeout_s)
            else:
                problem = _in_an_interpreter(request, timeout_s, origin)
        finally:
            left = footprint.restore(Path(folder))
        if not answer.exists():
            return Seen(problem=problem or "the program ended its process at once (os._exit, or a crash)")
        seen: Seen = pickle.loads(answer.read_bytes())
        return replace(seen, not_covered=(*seen.not_covered, *left)) if left else seen


def roots_of(program: running.Program) -> tuple[Path, ...]:
    """Return the folders whose files are the project's: the working directory, and the program's own."""
    roots = [Path.cwd().resolve()]
    if not program.is_module:
        roots.append(Path(os.path.realpath(program.target)).parent)
        return tuple(roots)
    with_cwd = sys.path
    sys.path = [os.getcwd(), *with_cwd]
    try:
        spec = importlib.util.find_spec(program.target.partition(".")[0])
    except (ImportError, ValueError):
        spec = None
    finally:
        sys.path = with_cwd
    if spec is not None and spec.origin:
        roots.append(Path(os.path.realpath(spec.origin)).parent)
    return tuple(roots)


def prepare() -> None:
    """Load what every trial needs; see NOTE [Fork].

    Effect: imports the framework.
    """
    frameworks.load("torch")
    knowledge.load("torch").operations()
    rules.all_rules()


def preload(modules: tuple[str, ...]) -> None:
    """Load more of the framework, what a trial had to load on its own; the next fork has it.

    Effect: imports.
    """
    if not hasattr(os, "fork"):
        return
    for name in modules:
        if name not in sys.modules:
            with suppress(Exception):
                import_module(name)


def _in_a_fork(request: Path, timeout_s: float) -> str:
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        try:
            answer_request(str(request))
        finally:
            os._exit(0)
    try:
        return _await(child, timeout_s)
    except BaseException:
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        raise


def _await(child: int, timeout_s: float) -> str:
    ends = time.monotonic() + timeout_s
    while True:
        done, _ = os.waitpid(child, os.WNOHANG)
        if done:
            return ""
        if time.monotonic() > ends:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return f"the program did not end within {timeout_s:g} s"
        time.sleep(POLL_S)


def _in_an_interpreter(request: Path, timeout_s: float, origin: Origin | None) -> str:
    origin = origin or Origin(Path.cwd(), dict(os.environ))
    environment = {**origin.environment, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _CHILD, str(request)]
    try:
        subprocess.run(command, cwd=origin.directory, env=environment, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return f"the program did not end within {timeout_s:g} s"
    return ""


def answer_request(path: str) -> None:
    """Hold the trial that a file asks for, and write what was seen beside it.

    Effect: becomes the program; its standard streams go to files.
    """
    request = Path(path)
    trial: Trial = pickle.loads(request.read_bytes())
    errors = request.with_name("stderr")
    _redirect(errors)
    footprint.Footprint(request.parent, trial.roots).start()
    try:
        answer = pickle.dumps(_perform(trial, errors))
    except GradsanError as error:
        answer = pickle.dumps(Seen(usage=str(error)))
    except BaseException:
        answer = pickle.dumps(Seen(problem=f"an internal error of ours: {traceback.format_exc(limit=-3).strip()}"))
    beside = request.with_name("answer.part")
    beside.write_bytes(answer)
    beside.rename(request.with_name("answer"))


def _perform(trial: Trial, errors: Path) -> Seen:
    _make_repeatable()
    adapter = frameworks.load("torch")
    is_plain = trial.mode is Mode.PLAIN
    witness = adapter.witness(
        "" if is_plain else trial.mode.value,
        files=trial.files,
        is_interpreted=trial.is_interpreted,
        is_apart=trial.is_apart and not is_plain,
    )
    protect = None if is_plain else Protect(at_once=bool(trial.audit) or trial.copies_at_once)
    with overlaid(trial.sources, folder=errors.parent):
        if protect is not None:
            protect.start()
        witness.start()
        audit = trial.audit if is_plain else ""
        outcome = running.run(trial.program, options=Options(audit=audit, closely=trial.closely))
        witness.stop()
        if protect is not None:
            protect.stop()
    sys.stderr.flush()
    lines = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    found = outcome.report.findings
    return Seen(
        findings=tuple(each for each in found if each.severity is Severity.ERROR),
        warnings=tuple(each for each in found if each.severity is Severity.WARNING),
        not_covered=(*outcome.report.not_covered, *(protect.not_covered if protect is not None else ())),
        observations=witness.observations,
        status=outcome.status,
        error="\n".join(lines[-ERROR_LINES:]),
        files=frozenset(_loaded_files()),
        modules=tuple(name for name in list(sys.modules) if name.partition(".")[0] in _FRAMEWORK),
    )


def _make_repeatable() -> None:
    """See NOTE [Trials are repeatable]."""
    random.seed(SEED)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(SEED)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(SEED)
        torch.set_num_threads(1)


def _loaded_files() -> list[str]:
    paths = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return [os.path.abspath(path) for path in paths if isinstance(path, str) and path.endswith(".py")]


def _redirect(errors: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    told = os.open(errors, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    for stream in (0, 1):
        os.dup2(nothing, stream)
    os.dup2(told, 2)
