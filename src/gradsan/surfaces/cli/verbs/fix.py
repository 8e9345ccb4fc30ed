"""``gradsan fix``: repair a program, and prove the repair."""

from __future__ import annotations

import argparse
import sys

from gradsan.model.repair import Outcome
from gradsan.surfaces.cli.output import add_output_options, check_output, emit
from gradsan.tasks.fix import TIMEOUT_S, Wishes, fix
from gradsan.tasks.rule_pages import rule_pages
from gradsan.tasks.run import Program

HELP = "repair a program's source and prove that it computes the same, with the true gradient"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.usage = "gradsan fix [OPTIONS] SCRIPT [ARGS ...]\n       gradsan fix [OPTIONS] -m MODULE [ARGS ...]"
    parser.add_argument("-m", dest="module", action="store_true", help="SCRIPT is a module's name, as with `python -m`")
    parser.add_argument("--write", action="store_true", help="apply the repair; without it, the diff is shown")
    parser.add_argument("--unproven", action="store_true", help="with --write: apply a repair that could not be proven")
    parser.add_argument(
        "--allow-dirty", action="store_true", help="with --write: also write files with changes git has not committed"
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=TIMEOUT_S,
        metavar="SECONDS",
        help=f"how long each run of the program may take (default: {TIMEOUT_S:g})",
    )
    add_output_options(parser)
    parser.add_argument("script", metavar="SCRIPT", help="the program to repair; it is run several times")
    parser.add_argument(
        "arguments", metavar="ARGS", nargs=argparse.REMAINDER, help="its own arguments, passed on as is"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Repair the program; return 0 when nothing is left to repair.

    Effect: runs the program; with ``--write``, replaces files; then the report, on stdout unless ``--output`` is given.
    """
    check_output(arguments)
    program = Program(arguments.script, tuple(arguments.arguments), is_module=arguments.module)
    wishes = Wishes(
        write=arguments.write,
        unproven=arguments.unproven,
        allow_dirty=arguments.allow_dirty,
        timeout_s=arguments.timeout,
    )
    report = fix(program, wishes=wishes)
    emit(report, arguments, stream=sys.stdout, rules=rule_pages)
    is_done = report.repair is not None and report.repair.outcome in (Outcome.NOTHING, Outcome.REPAIRED)
    return 0 if is_done else 1


def _seconds(text: str) -> float:
    seconds = float(text)
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text}: give a number of seconds above 0")
    return seconds
