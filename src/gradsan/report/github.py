"""The report as workflow commands, which GitHub Actions shows as annotations beside the changed lines."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Severity
from gradsan.model.report import Report
from gradsan.model.span import Span

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render(report: Report) -> str:
    """Return one workflow command a finding, each on a line of its own.

    Source: docs.github.com, "Workflow commands for GitHub Actions"; escapes as in actions/toolkit, command.ts.
    """
    return "".join(_command(finding, report) + "\n" for finding in report.findings)


def _command(finding: Diagnostic, report: Report) -> str:
    span = finding.primary
    properties = {} if span is None else _place(span, report)
    properties["title"] = f"{finding.code} {finding.name}"
    listed = ",".join(f"{key}={_escape_property(value)}" for key, value in properties.items())
    return f"::{_COMMANDS[finding.severity]} {listed}::{_escape(_message(finding, report))}"


def _place(span: Span, report: Report) -> dict[str, str]:
    place = {"file": report.shown_path(span.path), "line": str(span.line), "endLine": str(span.end_line)}
    # GitHub refuses columns on an annotation of several lines.
    if span.line == span.end_line and span.end_column > span.column:
        place |= {"col": str(span.column), "endColumn": str(span.end_column)}
    return place


def _message(finding: Diagnostic, report: Report) -> str:
    lines = [finding.message]
    for label in finding.labels:
        lines.append(f"{report.shown_path(label.span.path)}:{label.span.line}: {label.text}")
    lines += [f"note: {note}" for note in finding.notes]
    for help_ in finding.helps:
        lines.append(f"help: {help_.text}")
        lines += [f"    {line}" for line in help_.code.splitlines()]
    return "\n".join(lines)


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
