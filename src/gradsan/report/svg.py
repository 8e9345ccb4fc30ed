"""The report as a picture of a terminal, for documents."""

from __future__ import annotations

import io

from gradsan.model.report import Report
from gradsan.report.source_lines import LinesOf, read_lines
from gradsan.report.styled import Line, Style, trimmed
from gradsan.report.text import styled_lines

_RICH_STYLES = {
    Style.PLAIN: "",
    Style.STRONG: "bold",
    Style.ERROR: "bold bright_red",
    Style.WARNING: "bold yellow",
    Style.NOTE: "bold cyan",
    Style.HELP: "bold green",
    Style.GUTTER: "bold bright_blue",
}


def render(report: Report, *, title: str = "", width: int = 80, lines_of: LinesOf = read_lines) -> str:
    """Return the report's text as an SVG terminal window; the same report gives the same bytes.

    Args:
        report: What to tell.
        title: What stands in the window's bar, ``gradsan run train.py``; by default the verb.
        width: Columns.
        lines_of: Where source lines come from.
    """
    lines = styled_lines(report, width=width, lines_of=lines_of)
    return draw(lines, title=title or f"gradsan {report.command}", width=width)


def draw(lines: list[Line], *, title: str, width: int = 80) -> str:
    """Return styled lines as an SVG terminal window."""
    # Imported here: rich is only needed for the picture.
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines:
        text = Text(no_wrap=True, overflow="ignore")
        for segment in trimmed(line):
            text.append(segment.text, _RICH_STYLES[segment.style])
        console.print(text, soft_wrap=True)
    return console.export_svg(title=title, unique_id="gradsan")
