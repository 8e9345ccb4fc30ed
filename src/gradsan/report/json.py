"""The report as JSON: the contract that tools depend on (schema ``gradsan/1``)."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gradsan import __version__
from gradsan.model.report import SCHEMA

if TYPE_CHECKING:
    from gradsan.model.diagnostic import Diagnostic, Help, Label
    from gradsan.model.repair import Repair
    from gradsan.model.report import Report
    from gradsan.model.rewrite import Edit, Fix


def render(report: Report) -> str:
    """Return the report as one JSON document, in ASCII, that ends with a newline."""
    return json.dumps(document(report), indent=2) + "\n"


def document(report: Report) -> dict[str, Any]:
    """Return the report as plain data, keys in the order of the contract."""
    framework = report.framework
    return {
        "schema": SCHEMA,
        "gradsan": __version__,
        "command": report.command,
        "framework": None if framework is None else {"name": framework.name, "version": framework.version},
        "findings": [_finding(finding, report) for finding in report.findings],
        "not_covered": list(report.not_covered),
        "suppressed": len(report.suppressed),
        **({} if report.repair is None else {"repair": _repair(report.repair)}),
    }


def _repair(repair: Repair) -> dict[str, Any]:
    return {
        "outcome": repair.outcome.value,
        "written": repair.is_written,
        "diff": repair.diff,
        "edits": list(repair.titles),
        "proof": list(repair.proof),
        "remains": list(repair.remains),
    }


def _finding(finding: Diagnostic, report: Report) -> dict[str, Any]:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "certainty": finding.certainty.value,
        "message": finding.message,
        "spans": [_span(label, report) for label in finding.labels],
        "notes": list(finding.notes),
        "help": [_help(help_) for help_ in finding.helps],
        "count": finding.count,
        "ranks": list(finding.ranks),
        "fixes": [_fix(fix, report) for fix in finding.fixes],
        **({"gradient_errors": [asdict(each) for each in finding.gradient_errors]} if finding.gradient_errors else {}),
    }


def _span(label: Label, report: Report) -> dict[str, Any]:
    span = label.span
    return {
        "role": label.role.value,
        "path": report.shown_path(span.path),
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
        "function": span.function,
        "label": label.text,
    }


def _help(help_: Help) -> dict[str, str]:
    return {"text": help_.text, "code": help_.code}


def _fix(fix: Fix, report: Report) -> dict[str, Any]:
    return {
        "title": fix.title,
        "applicability": fix.applicability.value,
        "edits": [_edit(edit, report) for edit in fix.edits],
    }


def _edit(edit: Edit, report: Report) -> dict[str, Any]:
    return {
        "path": report.shown_path(edit.path),
        "line": edit.line,
        "column": edit.column,
        "end_line": edit.end_line,
        "end_column": edit.end_column,
        "replacement": edit.replacement,
    }
