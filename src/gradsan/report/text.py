"""The report as text: rustc's shape, in plain terminals and in CI logs."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from gradsan.model.diagnostic import Diagnostic, Help, Label, Role, Severity
from gradsan.model.repair import Outcome
from gradsan.model.report import Report
from gradsan.model.rewrite import Applicability, Fix
from gradsan.model.span import Span
from gradsan.report.cells import printable
from gradsan.report.excerpt import Mark, Paper, draw_excerpt
from gradsan.report.repair_text import repair_lines
from gradsan.report.source_lines import LinesOf, cell_name, read_lines
from gradsan.report.styled import Line, Segment, Style, ansi, plain
from gradsan.report.suggestion import draw_suggestion

SEVERITY_STYLES = {Severity.ERROR: Style.ERROR, Severity.WARNING: Style.WARNING, Severity.NOTE: Style.NOTE}


def render(
    report: Report, *, width: int = 80, color: bool = False, encoding: str = "utf-8", lines_of: LinesOf = read_lines
) -> str:
    """Return the report as text; empty where a program ran and there is nothing to say.

    Args:
        report: What to tell.
        width: Columns to keep to; source is cropped, prose is wrapped.
        color: Whether to add terminal escapes.
        encoding: What the text will be written in; signs that it lacks are replaced.
        lines_of: Where source lines come from.
    """
    lines = styled_lines(report, width=width, encoding=encoding, lines_of=lines_of)
    put = ansi if color else plain
    return "".join(put(line) + "\n" for line in lines)


def render_finding(
    finding: Diagnostic,
    report: Report,
    *,
    width: int = 80,
    color: bool = False,
    encoding: str = "utf-8",
    lines_of: LinesOf = read_lines,
) -> str:
    """Return one finding as text, without a summary; ``report`` says how paths are shown."""
    put = ansi if color else plain
    return "".join(
        put(line) + "\n" for line in _finding(finding, report, width=width, encoding=encoding, lines_of=lines_of)
    )


def styled_lines(
    report: Report, *, width: int = 80, encoding: str = "utf-8", lines_of: LinesOf = read_lines
) -> list[Line]:
    """Return the whole report as styled lines."""
    if report.is_silent:
        return []
    if report.repair is not None and report.repair.outcome in (Outcome.REPAIRED, Outcome.UNPROVEN):
        return repair_lines(report.repair)
    out: list[Line] = []
    for finding in report.findings:
        out += _finding(finding, report, width=width, encoding=encoding, lines_of=lines_of)
        out.append(())
    if report.repair is not None:
        return [*out, *repair_lines(report.repair)]
    for sentence in report.not_covered:
        out += _prose("not covered: ", sentence, Style.NOTE, width, encoding)
    out += _summary(report, width, encoding)
    return out


def _finding(finding: Diagnostic, report: Report, *, width: int, encoding: str, lines_of: LinesOf) -> Iterator[Line]:
    paper = Paper(gutter=_gutter(finding), width=width, encoding=encoding)
    yield from _prose(
        f"{finding.severity.value}[{finding.code}]: ",
        finding.message,
        SEVERITY_STYLES[finding.severity],
        width,
        encoding,
        body=Style.STRONG,
        hanging=False,
    )
    if finding.primary is not None:
        yield _arrow("--> ", finding.primary, report, paper)
        yield from _stories(finding, report, paper, lines_of)
    if finding.notes or finding.helps or finding.fixes or finding.count > 1 or finding.ranks != (0,):
        yield _bar(paper)
    for note in (*finding.notes, *_times(finding)):
        yield from _prose(f"{'':{paper.gutter}} = note: ", note, Style.STRONG, width, encoding)
    yield from _proposals(finding, paper, lines_of)


def _stories(finding: Diagnostic, report: Report, paper: Paper, lines_of: LinesOf) -> Iterator[Line]:
    """Draw the labels, a group for each stretch of the story that stays in one file."""
    for number, (path, group) in enumerate(groupby(_story(finding), key=lambda label: label.span.path)):
        labels = list(group)
        lines = lines_of(path)
        yield _bar(paper)
        if any(not 1 <= label.span.line <= len(lines) for label in labels):
            yield from _without_source(labels, report, paper)
            continue
        if number or finding.primary is None or path != finding.primary.path:
            yield _arrow("::: ", labels[0].span, report, paper)
            yield _bar(paper)
        yield from draw_excerpt(lines, _marks(labels, finding, lines), paper)


def _story(finding: Diagnostic) -> list[Label]:
    """Return the labels in order of events; what wrote was constructed before anything happened."""
    return sorted(finding.labels, key=lambda label: label.role is not Role.CREATE)


def _marks(labels: Sequence[Label], finding: Diagnostic, lines: Sequence[str]) -> list[Mark]:
    events = [label for label in labels if label.role is not Role.CREATE]
    if not any(a.span.line > b.span.line for a, b in pairwise(events)):
        return [_mark(label, label.text, finding, lines) for label in labels]
    # Lines stand in the file's order: numbers tell the order in time.
    numbers = {id(label): f"({number}) " for number, label in enumerate(events, 1)}
    return [_mark(label, numbers.get(id(label), "") + label.text, finding, lines) for label in labels]


def _mark(label: Label, text: str, finding: Diagnostic, lines: Sequence[str]) -> Mark:
    span = label.span
    start, end_line, end = span.column - 1, span.end_line, span.end_column - 1
    if (span.end_line, span.end_column) <= (span.line, span.column) or span.end_line > len(lines):
        source = lines[span.line - 1].rstrip()
        start, end_line, end = len(source) - len(source.lstrip()), span.line, len(source)
    is_primary = span == finding.primary and (label.role is Role.WRITE or not finding.labels_of(Role.WRITE))
    style = SEVERITY_STYLES[finding.severity] if is_primary else Style.GUTTER
    sign = "^" if is_primary else "-"
    return Mark(line=span.line, start=start, end_line=end_line, end=end, text=text, style=style, sign=sign)


def _without_source(labels: Sequence[Label], report: Report, paper: Paper) -> Iterator[Line]:
    for label in labels:
        yield from _prose(
            f"{'':{paper.gutter}} | ",
            f"{place(label.span, report)}: {label.text}",
            Style.GUTTER,
            paper.width,
            paper.encoding,
        )


def _proposals(finding: Diagnostic, paper: Paper, lines_of: LinesOf) -> Iterator[Line]:
    proposals = [(help_.text, help_.code, _fix_of(help_, finding.fixes)) for help_ in finding.helps]
    if not proposals:
        proposals = [(_title(fix), "", fix) for fix in finding.fixes]
    for index, (text, code, fix) in enumerate(proposals):
        suggestion = [] if fix is None else draw_suggestion(fix, lines_of, paper)
        yield from _prose(f"{'':{paper.gutter}} = help: ", text, Style.HELP, paper.width, paper.encoding)
        block = suggestion or [
            paper.numbered(None, (Segment("    " + printable(line, paper.encoding)),)) for line in code.splitlines()
        ]
        if block:
            yield _bar(paper)
            yield from block
        if block and index + 1 < len(proposals):
            yield _bar(paper)


def _fix_of(help_: Help, fixes: Sequence[Fix]) -> Fix | None:
    """Return the first fix that does what a proposal says."""
    does = (fix for fix in fixes if fix.title == help_.text or (fix.remedy is not None and fix.remedy is help_.remedy))
    return next(does, None)


def _title(fix: Fix) -> str:
    return fix.title + (" (may change the result)" if fix.applicability is Applicability.UNSAFE else "")


def _times(finding: Diagnostic) -> Iterator[str]:
    if finding.count > 1:
        yield f"seen {finding.count} times"
    if finding.ranks != (0,):
        ranks = ", ".join(map(str, finding.ranks))
        yield f"on rank {ranks}" if len(finding.ranks) == 1 else f"on ranks {ranks}"


def _summary(report: Report, width: int, encoding: str) -> Iterator[Line]:
    parts = []
    for severity in Severity:
        n = sum(finding.severity is severity for finding in report.findings)
        if n:
            parts.append(f"{n} {severity.value}{'s' if n > 1 else ''}")
    codes = list(Counter(finding.code for finding in report.findings))
    text = ", ".join(parts) + (f" ({', '.join(codes)})" if codes else "nothing found")
    if report.suppressed:
        text += f", {len(report.suppressed)} suppressed"
    if codes:
        text += f"; run `gradsan explain {codes[0]}`"
    yield from _prose("gradsan: ", text, Style.STRONG, width, encoding)


def place(span: Span, report: Report) -> str:
    """Return ``path:line:column``, without the column where it is not known."""
    path = cell_name(span.path) or report.shown_path(span.path)
    is_whole_line = (span.end_line, span.end_column) <= (span.line, span.column)
    return f"{path}:{span.line}" if is_whole_line else f"{path}:{span.line}:{span.column}"


def _arrow(sign: str, span: Span, report: Report, paper: Paper) -> Line:
    function = "" if span.function in ("", "<module>") else f" in `{span.function}`"
    where = printable(place(span, report), paper.encoding)
    return (Segment(" " * paper.gutter + sign, Style.GUTTER), Segment(where + printable(function, paper.encoding)))


def _bar(paper: Paper) -> Line:
    return (Segment(" " * paper.gutter + " |", Style.GUTTER),)


def _gutter(finding: Diagnostic) -> int:
    numbers = [label.span.end_line for label in finding.labels] + [
        edit.end_line for fix in finding.fixes for edit in fix.edits
    ]
    return len(str(max(numbers, default=1)))


def _prose(
    lead: str, text: str, style: Style, width: int, encoding: str, *, body: Style = Style.PLAIN, hanging: bool = True
) -> Iterator[Line]:
    """Wrap a sentence behind its lead; the following lines stand below the first where ``hanging``."""
    indent = " " * (len(lead) if hanging else 4)
    room = max(width, len(lead) + 20)
    # A quoted name or command stays on one line: its blanks are not places to break.
    unbroken = re.sub(
        r"`[^`]*`", lambda quoted: quoted[0].replace(" ", "\N{NO-BREAK SPACE}"), printable(text, encoding)
    )
    wrapped = textwrap.wrap(
        unbroken,
        room,
        initial_indent=" " * len(lead),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [" " * len(lead)]
    wrapped = [line.replace("\N{NO-BREAK SPACE}", " ") for line in wrapped]
    gutter = len(lead) - len(lead.lstrip(" =|"))
    yield (
        Segment(lead[:gutter], Style.GUTTER),
        Segment(lead[gutter:], style),
        Segment(wrapped[0][len(lead) :], body),
    )
    for line in wrapped[1:]:
        yield (Segment(line, body),)
