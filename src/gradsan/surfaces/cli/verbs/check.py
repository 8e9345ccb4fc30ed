"""``gradsan check``: the same judgement without running anything."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gradsan.surfaces.cli.output import add_output_options, check_output, emit
from gradsan.tasks.check import CheckOptions, CheckOutcome, check

if TYPE_CHECKING:
    from gradsan.report.rule_page import RulePage

HELP = "check source files without running them"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="files, notebooks, folders (what git ignores is left out); - is stdin"
    )
    parser.add_argument(
        "--select",
        metavar="RULES",
        default="",
        help="codes or names, with commas: show these only, what merely looks risky included; `all` shows everything",
    )
    parser.add_argument("--ignore", metavar="RULES", default="", help="codes or names, with commas: do not show these")
    parser.add_argument("--statistics", action="store_true", help="count the findings of each rule, on stderr")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: one for each core)")
    parser.add_argument("--no-cache", action="store_true", help="look at every file again")
    parser.add_argument("--no-progress", action="store_true", help="draw no progress bar")
    parser.add_argument("--fix", action="store_true", help="apply the repairs that are right without running anything")
    parser.add_argument("--allow-dirty", action="store_true", help="with --fix: also files with uncommitted changes")
    add_output_options(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Check and report; return 1 where something was found, 2 where a file could not be looked at.

    Effect: reads standard input for ``-``; writes the report to standard output or a file, the rest to stderr; with
    ``--fix``, replaces files, and reports what remains.
    """
    check_output(arguments)
    names = [name for name in arguments.paths if name != "-"]
    options = CheckOptions(
        select=_names(arguments.select),
        ignore=_names(arguments.ignore),
        n_jobs=max(arguments.jobs, 0),
        use_cache=not arguments.no_cache,
        counts_all=arguments.statistics,
        standard_input=sys.stdin.buffer.read() if len(names) < len(arguments.paths) else None,
    )
    draws = not arguments.no_progress and sys.stderr.isatty()
    outcome = check([Path(name) for name in names], options, progress=_draw if draws else None)
    if draws:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    if arguments.fix:
        outcome = _repair(outcome, lambda: check([Path(name) for name in names], options), arguments)
    emit(outcome.report, arguments, stream=sys.stdout, rules=_rules)
    for line in outcome.errors:
        print(f"gradsan: error: {line}", file=sys.stderr)
    if arguments.statistics:
        _tell_statistics(outcome)
    if outcome.errors:
        return 2
    return 1 if outcome.report.findings else 0


def _rules() -> Sequence[RulePage]:
    from gradsan.tasks.rule_pages import rule_pages  # loads every rule

    return rule_pages()


def _repair(
    outcome: CheckOutcome, look_again: Callable[[], CheckOutcome], arguments: argparse.Namespace
) -> CheckOutcome:
    """Apply what is safe, and return what remains."""
    from gradsan.tasks.check_fix import apply_all  # starts processes: git is asked

    applied = apply_all(
        outcome.report.findings, lambda: look_again().report.findings, allow_dirty=arguments.allow_dirty
    )
    if not applied.paths:
        return outcome
    print(f"gradsan: repaired {applied.n_findings} in {', '.join(applied.paths)}", file=sys.stderr)
    return look_again()


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _draw(n_done: int, n_files: int) -> None:
    width = 30
    full = width * n_done // max(n_files, 1)
    bar = "█" * full + "░" * (width - full) if _draws_blocks() else "#" * full + "." * (width - full)
    print(f"\rchecking {bar} {n_done}/{n_files}", end="", file=sys.stderr, flush=True)


def _draws_blocks() -> bool:
    return (sys.stderr.encoding or "").lower().startswith("utf")


def _tell_statistics(outcome: CheckOutcome) -> None:
    print(f"{outcome.n_files} files checked", file=sys.stderr)
    shown = {(f.code, f.severity.value) for f in outcome.report.findings}
    for (code, name, severity), count in sorted(outcome.counts.items()):
        hidden = "" if (code, severity) in shown else " (not shown)"
        print(f"{count:6d}  {code} {name}: {severity}{hidden}", file=sys.stderr)
    if outcome.report.suppressed:
        print(f"{len(outcome.report.suppressed):6d}  suppressed in the source", file=sys.stderr)
