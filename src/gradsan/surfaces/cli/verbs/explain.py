"""``gradsan explain``: a rule's page, or the meaning of an error text."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from gradsan import __version__
from gradsan.model.errors import OutputError
from gradsan.model.report import SCHEMA
from gradsan.report.page import wrap_page
from gradsan.tasks import explain

HELP = "explain a rule, or an error text that is piped in"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "what",
        nargs="?",
        metavar="CODE|NAME|-",
        help="a rule's code or name (GS101, saved-tensor-overwritten); - reads an error text or a whole traceback from"
        " standard input; without it, the rules are listed",
    )
    parser.add_argument("--output-format", choices=["text", "json"], default="text", help="default: text")
    parser.add_argument("--output", metavar="FILE", default=None, help="write to FILE instead of the terminal")


def execute(arguments: argparse.Namespace) -> int:
    """Print the page or the meaning; an unknown rule or text is a usage error.

    Effect: reads standard input for ``-``; writes to standard output or to a file.
    """
    as_json = arguments.output_format == "json"
    if arguments.what == "-":
        reading = explain.read_error(sys.stdin.read())
        text = _json(explain.reading_fields(reading)) if as_json else _page(explain.page_of_reading(reading))
    elif arguments.what is not None:
        rule = explain.rule_of(arguments.what)
        text = _json({"rules": [explain.rule_fields(rule)]}) if as_json else _page(explain.page_of(rule))
    else:
        text = _json({"rules": explain.fields_of_rules()}) if as_json else _page(explain.list_of_rules())
    _write(text, arguments.output)
    return 0


def _page(markdown: str) -> str:
    return wrap_page(markdown, shutil.get_terminal_size((80, 24)).columns)


def _json(fields: dict[str, object]) -> str:
    header: dict[str, object] = {"schema": SCHEMA, "gradsan": __version__, "command": "explain"}
    return json.dumps({**header, **fields}, indent=2, ensure_ascii=False) + "\n"


def _write(text: str, output: str | None) -> None:
    if output is None or output == "-":
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"can't write to {output!r}: {error.strerror}; name a file in a folder you can write to"
        ) from error
