"""The command line: one file a verb in `verbs`, each with `HELP`, `configure` and `execute`."""

from __future__ import annotations

import argparse
import pkgutil
import sys
from collections.abc import Sequence
from importlib import import_module

from gradsan import __version__
from gradsan.model.errors import GradsanError
from gradsan.surfaces.cli import verbs

DESCRIPTION = "Finds, explains and repairs in-place tensor writes that break gradients."


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    parser = argparse.ArgumentParser(prog="gradsan", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"gradsan {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for module_info in pkgutil.iter_modules(verbs.__path__):
        verb = import_module(f"{verbs.__name__}.{module_info.name}")
        subparser = subparsers.add_parser(module_info.name, help=verb.HELP, description=verb.HELP)
        verb.configure(subparser)
        subparser.set_defaults(execute=verb.execute)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit status.

    Effect: whatever the verb does; an error of ours becomes one line on stderr and exit status 2.
    """
    arguments = build_parser().parse_args(argv)
    try:
        return int(arguments.execute(arguments))
    except GradsanError as error:
        print(f"gradsan: error: {error}", file=sys.stderr)
        return 2
