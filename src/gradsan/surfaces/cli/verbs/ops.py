"""``gradsan ops``: what an operation saves, writes and aliases."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from gradsan import __version__
from gradsan.model.errors import OutputError, UsageError
from gradsan.model.report import SCHEMA
from gradsan.report.page import wrap_page
from gradsan.tasks import ops

HELP = "say what an operation saves, writes and aliases: may I modify its input? its result?"

_FILTERS = {
    "saves_result": "list what saves a result",
    "saves_input": "list what saves an input",
    "saves_nothing": "list what is differentiable and saves nothing",
    "writes": "list what writes an argument",
    "views": "list what returns views",
    "may_return_input": "list what may return its input itself",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "name",
        nargs="*",
        metavar="NAME",
        help="torch.sigmoid, F.gelu, nn.Dropout, Tensor.add_, aten::mul.Tensor, SigmoidBackward0, or a bare sigmoid",
    )
    for option, text in _FILTERS.items():
        parser.add_argument(f"--{option.replace('_', '-')}", action="store_true", help=text)
    parser.add_argument("--output-format", choices=["text", "json"], default="text", help="default: text")
    parser.add_argument("--output", metavar="FILE", default=None, help="write to FILE instead of the terminal")


def execute(arguments: argparse.Namespace) -> int:
    """Print the operations; an unknown name is a usage error.

    Effect: writes to standard output or to a file.
    """
    wanted = ops.Wanted(**{option: getattr(arguments, option) for option in _FILTERS})
    if arguments.name and not wanted.is_empty:
        raise UsageError("a name and a filter were given; give one or the other")
    if not arguments.name and wanted.is_empty:
        raise UsageError("no operation was named; `gradsan ops sigmoid` shows one, `gradsan ops --saves-result` lists")
    named = [ops.find(name) for name in arguments.name]
    chosen = named or list(ops.select(wanted))
    if arguments.output_format == "json":
        header = {"schema": SCHEMA, "gradsan": __version__, "command": "ops"}
        fields = {**header, "operations": [ops.fields(operation) for operation in chosen]}
        text = json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
    else:
        page = "\n".join(ops.page_of(operation) for operation in named) if named else ops.list_page(chosen)
        text = wrap_page(page, shutil.get_terminal_size((80, 24)).columns)
    _write(text, arguments.output)
    return 0


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
