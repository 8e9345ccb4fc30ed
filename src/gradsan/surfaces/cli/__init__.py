"""The command line: one file a verb in `verbs`, each with `HELP`, `configure` and `execute`."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from gradsan import __version__
from gradsan.model.errors import GradsanError
from gradsan.surfaces.cli import verbs

DESCRIPTION = "Finds, explains and repairs in-place tensor writes that break gradients."


def build_parser(wanted: str | None = None) -> argparse.ArgumentParser:
    """Return the parser; with ``wanted``, only that verb's module is imported, since `run` needs nothing of `check`."""
    parser = argparse.ArgumentParser(prog="gradsan", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"gradsan {__version__}")
    # Told the program's name, it formats no usage to find it, for which it would load much.
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True, prog=parser.prog)
    for name in [wanted] if wanted is not None and _is_verb(wanted) else _names():
        verb = import_module(f"{verbs.__name__}.{name}")
        subparser = subparsers.add_parser(str(name), help=verb.HELP, description=verb.HELP)
        verb.configure(subparser)
        subparser.set_defaults(execute=verb.execute)
    return parser


def _is_verb(name: str) -> bool:
    """Return whether there is a file of a verb's name: asking for that one loads less than listing them."""
    return (
        name.isidentifier()
        and not name.startswith("_")
        and any(os.path.isfile(os.path.join(at, f"{name}.py")) for at in verbs.__path__)
    )


def _names() -> list[str]:
    import pkgutil

    return [module_info.name for module_info in pkgutil.iter_modules(verbs.__path__)]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit status.

    Effect: whatever the verb does; an error of ours becomes one line on stderr and exit status 2.
    """
    given = sys.argv[1:] if argv is None else argv
    arguments = build_parser(given[0] if given else None).parse_args(given)
    try:
        return int(arguments.execute(arguments))
    except GradsanError as error:
        print(f"gradsan: error: {error}", file=sys.stderr)
        return 2


def program() -> NoReturn:
    """Be the program ``gradsan``.

    Effect: whatever the verb does, and ends the process; after a check at once, because freeing all that was parsed
    takes longer.  Who profiles or traces it has tidying up to do.
    """
    is_check = sys.argv[1:2] == ["check"]  # to be asked before a program is run, which has arguments of its own
    if is_check:
        gc.disable()  # what is loaded stays, and a check collects by hand
    status = main()
    if is_check and sys.gettrace() is None and sys.getprofile() is None:
        with suppress(AttributeError, OSError, ValueError):  # a closed stream is the interpreter's to tell
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    raise SystemExit(status)
