"""``gradsan run``: run a program and explain what broke its gradients."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from gradsan.surfaces.cli.output import add_output_options, check_output, emit
from gradsan.tasks.rule_pages import rule_pages
from gradsan.tasks.run import Options, Program, run

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
    add_output_options(parser)
    parser.add_argument("script", metavar="SCRIPT", help="the program to run")
    parser.add_argument(
        "arguments", metavar="ARGS", nargs=argparse.REMAINDER, help="its own arguments, passed on as is"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Run the program; return its own exit status, or 1 when it ended well and something was found.

    Effect: the program's own; then the report, on stderr unless ``--output`` is given.
    """
    check_output(arguments)
    program = Program(arguments.script, tuple(arguments.arguments), is_module=arguments.module)
    outcome = run(program, options=Options(trace_full=arguments.trace == "full"))
    sys.stdout.flush()
    if outcome.report.findings or arguments.output is not None or arguments.output_format != "text":
        emit(outcome.report, arguments, stream=sys.stderr, rules=rule_pages())
    if outcome.interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return outcome.status or (1 if outcome.report.findings else 0)
