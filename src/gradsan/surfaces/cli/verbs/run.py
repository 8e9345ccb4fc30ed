"""``gradsan run``: run a program and explain what broke its gradients."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from gradsan.model.errors import UsageError
from gradsan.model.report import Report
from gradsan.surfaces.cli.output import add_output_options, check_output, emit
from gradsan.tasks.ranks import Ranks
from gradsan.tasks.rule_pages import rule_pages
from gradsan.tasks.run import Options, Outcome, Program, run

if TYPE_CHECKING:
    from gradsan.tasks.again import Again

HELP = "run an unmodified program and explain each in-place gradient error"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.usage = "gradsan run [OPTIONS] SCRIPT [ARGS ...]\n       gradsan run [OPTIONS] -m MODULE [ARGS ...]"
    parser.add_argument("-m", dest="module", action="store_true", help="SCRIPT is a module's name, as with `python -m`")
    parser.add_argument(
        "--trace",
        choices=["writes", "full"],
        default="writes",
        help="what to follow: the operations that write, or (slower) every operation",
    )
    # "--audit=full" is an option of its own: an optional value would swallow SCRIPT.
    help_ = "compare what saved tensors contain too: finds writes that nothing else sees; large ones by sample"
    parser.add_argument("--audit", action="store_const", const="sampled", default="", help=help_)
    parser.add_argument("--audit=full", dest="audit", action="store_const", const="full", help="... or wholly")
    help_ = "after an audit that could not name a line that wrote, run the program once more to name it"
    parser.add_argument("--replay", action="store_true", help=help_)
    help_ = "after a run that found something, run the program twice more: how wrong are the gradients?"
    parser.add_argument("--measure", action="store_true", help=help_)
    parser.add_argument("--protect", action="store_true", help="copy saved tensors before they are overwritten")
    add_output_options(parser)
    parser.add_argument("script", metavar="SCRIPT", help="the program to run")
    parser.add_argument(
        "arguments", metavar="ARGS", nargs=argparse.REMAINDER, help="its own arguments, passed on as is"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Run the program; return its own exit status, or 1 when it ended well and something was found.

    Effect: the program's own; then the report, on stderr unless ``--output`` is given.
    """
    ranks = Ranks.from_environment()
    if ranks is not None and arguments.output not in (None, "-"):
        arguments.output = ranks.file_of_rank(arguments.output)
    check_output(arguments)
    if arguments.replay and not arguments.audit:
        raise UsageError("--replay was given without --audit: it looks for lines that an audit could not name")
    if arguments.output not in (None, "-"):
        arguments.output = os.path.abspath(arguments.output)  # the program may go to another folder
    program = Program(arguments.script, tuple(arguments.arguments), is_module=arguments.module)
    options = Options(trace_full=arguments.trace == "full", audit=arguments.audit, protect=arguments.protect)
    again = _again(program) if arguments.measure or arguments.replay else None
    outcome = run(program, options=options)
    with suppress(OSError, ValueError):  # the program may have closed it
        sys.stdout.flush()
    report = outcome.report if outcome.interrupted else _completed(outcome, arguments, again)
    _tell(report, arguments, ranks)
    for copied in outcome.copies:
        place = "" if copied.span is None else f"{outcome.report.shown_path(copied.span.path)}:{copied.span.line}: "
        print(f"gradsan: {place}{copied.describe()}", file=sys.stderr)
    if outcome.interrupted:
        # The interpreter ends as it does for any Ctrl-C: it calls the exit functions, then dies by the signal.
        sys.excepthook = _was_shown
        raise KeyboardInterrupt
    return outcome.status or (1 if outcome.report.findings else 0)


def _again(program: Program) -> Again:
    from gradsan.tasks.again import Again  # only who asks for it loads what trials need

    return Again(program)


def _completed(outcome: Outcome, arguments: argparse.Namespace, again: Again | None) -> Report:
    """Return the report with what further runs of the program tell, where they were asked for."""
    if arguments.audit and outcome.report.findings:
        from gradsan.tasks.replay import replayed

        report = replayed(outcome.report, again if arguments.replay else None, arguments.audit)
        outcome = replace(outcome, report=report)
    if arguments.measure and again is not None:
        from gradsan.tasks.measure import measured

        return measured(outcome, again)
    return outcome.report


def _was_shown(*_error: object) -> None:
    pass


def _tell(report: Report, arguments: argparse.Namespace, ranks: Ranks | None) -> None:
    """Write the report; among several ranks, each finding on the terminal once and a file for each rank."""
    if ranks is None:
        emit(report, arguments, stream=sys.stderr, rules=rule_pages)
        return
    own = ranks.own_part(report)
    emit(report if arguments.output is not None else own, arguments, stream=sys.stderr, rules=rule_pages)
    ranks.leave()
