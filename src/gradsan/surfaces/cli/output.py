"""Where a report goes and in which format: the options that `run`, `check`, `fix` and `dryrun` share."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeAlias

from gradsan.model.errors import OutputError

if TYPE_CHECKING:
    from gradsan.model.report import Report
    from gradsan.report.rule_page import RulePage

FORMATS = ("text", "json", "sarif", "github")
"""The formats of the contract; ``svg``, a picture of the text, is understood as well."""

RulePages: TypeAlias = "Callable[[], Sequence[RulePage]]"
"""Asked only by the formats that list all rules: these are many files."""

_WIDTH = 80
"""Columns of text that does not go to a terminal, so that logs and files are the same everywhere."""
_WIDEST = 120


def add_output_options(parser: argparse.ArgumentParser, formats: Sequence[str] = FORMATS) -> None:
    """Add ``--output-format``, ``--output`` and ``--color`` to a verb.

    Effect: mutates the parser.
    """
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output-format",
        choices=[*formats, *(["svg"] if "svg" not in formats else [])],
        metavar="|".join(formats),
        default="text",
        help="format of the report (default: text)",
    )
    group.add_argument(
        "--output", metavar="FILE", default=None, help="write the report to FILE instead of the terminal; - is stdout"
    )
    group.add_argument(
        "--color",
        choices=["auto", "always", "never"],
        default="auto",
        help="colour the text (default: on a terminal, unless NO_COLOR is set)",
    )


def check_output(arguments: argparse.Namespace) -> None:
    """Make sure, before any work is done, that the report can be written.

    Effect: creates and removes a file beside the one asked for.

    Raises:
        OutputError: the file or its folder can't be written.
    """
    if arguments.output in (None, "-"):
        return
    path = Path(arguments.output)
    try:
        if path.is_dir():
            raise IsADirectoryError
        if _is_replaceable(path):
            _trial(path)
        else:
            with path.open("a", encoding="utf-8"):
                pass
    except (OSError, ValueError) as error:
        raise _unwritable(arguments.output, error) from error


def emit(
    report: Report,
    arguments: argparse.Namespace,
    *,
    stream: TextIO | None,
    rules: RulePages = tuple,
) -> None:
    """Write a report to ``--output``, or to ``stream`` in whichever format was asked for; ``rules`` tells of all rules.

    Effect: writes; a file is replaced whole or not at all.  A reader that went away early is no error.

    Raises:
        OutputError: the file can't be written.
    """
    if arguments.output == "-":
        stream = sys.stdout
    elif arguments.output is not None:
        text = _render(report, arguments, rules, encoding="utf-8", width=_WIDTH, color=arguments.color == "always")
        try:
            write_whole(Path(arguments.output), text)
        except (OSError, ValueError) as error:
            raise _unwritable(arguments.output, error) from error
        return
    if stream is None:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = _render(
        report, arguments, rules, encoding=encoding, width=_width(stream), color=wants_color(arguments.color, stream)
    )
    _write(stream, text, encoding)


def wants_color(choice: str, stream: TextIO) -> bool:
    """Whether text on a stream is coloured: the option first, then NO_COLOR, FORCE_COLOR, then the terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return _is_terminal(stream) and os.environ.get("TERM") != "dumb" and _understands_escapes()


def write_whole(path: Path, text: str) -> None:
    """Replace a file's content at once: a reader sees the old content or the new one, never a part.

    Effect: writes a file beside it and renames that; devices, pipes and files in a read-only folder are written to.
    """
    if not _is_replaceable(path):
        path.write_text(text, encoding="utf-8", newline="\n")
        return
    target = Path(os.path.realpath(path))
    beside = _beside(target)
    try:
        with beside.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        if target.exists():
            beside.chmod(stat.S_IMODE(target.stat().st_mode))
        beside.replace(target)
    finally:
        with suppress(OSError):
            beside.unlink()


def _render(
    report: Report, arguments: argparse.Namespace, rules: RulePages, *, encoding: str, width: int, color: bool
) -> str:
    # Imported here: a run that finds nothing to say loads no format.
    match arguments.output_format:
        case "json":
            from gradsan.report import json

            return json.render(report)
        case "sarif":
            from gradsan.report import sarif

            return sarif.render(report, rules=rules())
        case "github":
            from gradsan.report import github

            return github.render(report)
        case "svg":
            from gradsan.report import svg

            return svg.render(report)
        case _:
            if report.is_silent:
                return ""
            from gradsan.report import text

            return text.render(report, width=width, color=color, encoding=encoding)


def _write(stream: TextIO, text: str, encoding: str) -> None:
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at exit and would complain there.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except LookupError:
        stream.write(text)
    except ValueError:  # the program has closed it: there is nobody to tell
        pass


def _width(stream: TextIO) -> int:
    if not _is_terminal(stream):
        return _WIDTH
    import shutil  # loads what unpacks archives

    return min(shutil.get_terminal_size((_WIDTH, 24)).columns, _WIDEST)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def _understands_escapes() -> bool:
    if os.name != "nt":
        return True
    return any(name in os.environ for name in ("WT_SESSION", "ANSICON", "ConEmuANSI", "TERM_PROGRAM", "TERM"))


def _is_replaceable(path: Path) -> bool:
    """Whether a file can be replaced by a rename: a regular file, or none yet, in a folder we may write to."""
    target = Path(os.path.realpath(path))
    if not target.exists():
        return True
    return target.is_file() and os.access(target, os.W_OK) and os.access(target.parent, os.W_OK)


def _trial(path: Path) -> None:
    target = Path(os.path.realpath(path))
    with suppress(FileNotFoundError):
        target.stat()
    beside = _beside(target)
    beside.open("x").close()
    beside.unlink()


def _beside(target: Path) -> Path:
    return target.parent / f".gradsan-{os.getpid()}-{os.urandom(4).hex()}"


def _unwritable(path: str, error: Exception) -> OutputError:
    match error:
        case IsADirectoryError():
            reason = "it is a folder"
        case FileNotFoundError():
            reason = "its folder does not exist"
        case OSError():
            reason = error.strerror or type(error).__name__
        case _:
            reason = str(error)
    return OutputError(f"can't write the report to {path!r}: {reason}; name a file in a folder you can write to")
