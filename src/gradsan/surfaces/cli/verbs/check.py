"""``gradsan check``: the same judgement without running anything."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gradsan.surfaces.cli.output import add_output_options, check_output, emit
from gradsan.tasks.check import check

HELP = "check source files without running them"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("paths", nargs="+", metavar="PATH")
    add_output_options(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Check and report."""
    check_output(arguments)
    report = check([Path(p) for p in arguments.paths])
    emit(report, arguments, stream=sys.stdout)
    return 1 if report.findings else 0
