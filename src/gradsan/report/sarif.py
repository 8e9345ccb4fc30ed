"""The report as SARIF 2.1.0, for code-scanning services and editors.

Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", sections cited where they decide.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from gradsan import __version__
from gradsan.model.diagnostic import Diagnostic, Label, Severity
from gradsan.model.report import Report
from gradsan.model.rewrite import Edit, Fix
from gradsan.model.span import Span
from gradsan.report.rule_page import RulePage
from gradsan.report.source_lines import LinesOf, read_lines

SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
_ROOT = "%SRCROOT%"
"""The name that code-scanning services know for the folder that relative paths start from."""


def render(report: Report, *, rules: Sequence[RulePage] = (), lines_of: LinesOf = read_lines) -> str:
    """Return the report as one SARIF log, in ASCII, that ends with a newline.

    Args:
        report: What to tell.
        rules: Pages of the rules; of those without findings too, so that a service can list them.
        lines_of: Where source lines come from, for fingerprints that outlive moved lines.
    """
    return json.dumps(document(report, rules=rules, lines_of=lines_of), indent=2) + "\n"


def document(report: Report, *, rules: Sequence[RulePage] = (), lines_of: LinesOf = read_lines) -> dict[str, Any]:
    """Return the report as plain data."""
    descriptors = _descriptors(report, rules)
    index = {descriptor["id"]: at for at, descriptor in enumerate(descriptors)}
    told = [(finding, False) for finding in report.findings] + [(finding, True) for finding in report.suppressed]
    return {
        "$schema": SCHEMA_URI,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "gradsan", "version": __version__, "rules": descriptors}},
                "invocations": [_invocation(report)],
                "originalUriBaseIds": {_ROOT: {"uri": report.directory.as_uri().rstrip("/") + "/"}}
                if report.directory.is_absolute()
                else {},
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(finding, report, index[finding.code], lines_of, is_suppressed=is_suppressed)
                    for finding, is_suppressed in told
                ],
            }
        ],
    }


def _descriptors(report: Report, rules: Sequence[RulePage]) -> list[dict[str, Any]]:
    descriptors: dict[str, dict[str, Any]] = {
        rule.code: {
            "id": rule.code,
            "name": rule.name,
            "shortDescription": {"text": rule.summary},
            "fullDescription": {"text": rule.summary},
            "help": {"text": rule.explanation, "markdown": rule.explanation},
            "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        }
        for rule in rules
    }
    for finding in (*report.findings, *report.suppressed):
        descriptors.setdefault(finding.code, {"id": finding.code, "name": finding.name})
    return list(descriptors.values())


def _invocation(report: Report) -> dict[str, Any]:
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if report.not_covered:
        invocation["toolExecutionNotifications"] = [
            {"level": "note", "message": {"text": f"not covered: {sentence}"}} for sentence in report.not_covered
        ]
    return invocation


def _result(
    finding: Diagnostic, report: Report, rule_index: int, lines_of: LinesOf, *, is_suppressed: bool
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": rule_index,
        "level": _LEVELS[finding.severity],
        "message": {"text": _message(finding)},
        "locations": [_location(finding.primary, report)] if finding.primary is not None else [],
        "occurrenceCount": finding.count,
        "partialFingerprints": {"gradsan/v1": _fingerprint(finding, report, lines_of)},
        "properties": _properties(finding),
    }
    related = [label for label in finding.labels if label.span != finding.primary]
    if related:
        result["relatedLocations"] = [
            {"id": number, **_location(label.span, report), "message": {"text": label.text}}
            for number, label in enumerate(related, 1)
        ]
    if len(finding.labels) > 1:
        result["codeFlows"] = [{"threadFlows": [{"locations": [_step(label, report) for label in finding.labels]}]}]
    fixes = [fix for fix in finding.fixes if fix.edits]
    if fixes:
        result["fixes"] = [_fix(fix, report) for fix in fixes]
    if is_suppressed:
        result["suppressions"] = [{"kind": "inSource"}]
    return result


def _properties(finding: Diagnostic) -> dict[str, Any]:
    properties: dict[str, Any] = {"certainty": finding.certainty.value, "ranks": list(finding.ranks)}
    if finding.gradient_errors:
        properties["gradientErrors"] = [
            {"leaf": each.leaf, "relativeError": each.relative_error, "backward": each.backward}
            for each in finding.gradient_errors
        ]
    return properties


def _message(finding: Diagnostic) -> str:
    lines = [finding.message, *finding.notes]
    for help_ in finding.helps:
        lines.append(f"help: {help_.text}" + (f"\n{help_.code}" if help_.code else ""))
    return "\n".join(lines)


def _step(label: Label, report: Report) -> dict[str, Any]:
    return {
        "location": {**_location(label.span, report), "message": {"text": label.text}},
        "kinds": [label.role.value],
        "importance": "essential",
    }


def _location(span: Span, report: Report) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": _artifact(span.path, report),
            "region": _region(span.line, span.column, span.end_line, span.end_column),
        }
    }
    if span.function not in ("", "<module>"):
        location["logicalLocations"] = [{"fullyQualifiedName": span.function, "kind": "function"}]
    return location


def _region(line: int, column: int, end_line: int, end_column: int) -> dict[str, int]:
    return {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}


def _artifact(path: str, report: Report) -> dict[str, str]:
    shown = report.shown_path(path)
    if not PurePosixPath(shown).is_absolute() and not Path(shown).is_absolute():
        return {"uri": quote(shown), "uriBaseId": _ROOT} if report.directory.is_absolute() else {"uri": quote(shown)}
    return {"uri": Path(shown).as_uri()}


def _fix(fix: Fix, report: Report) -> dict[str, Any]:
    paths = dict.fromkeys(edit.path for edit in fix.edits)
    return {
        "description": {"text": f"{fix.title} ({fix.applicability.value})"},
        "artifactChanges": [
            {
                "artifactLocation": _artifact(path, report),
                "replacements": [_replacement(edit) for edit in fix.edits if edit.path == path],
            }
            for path in paths
        ],
    }


def _replacement(edit: Edit) -> dict[str, Any]:
    return {
        "deletedRegion": _region(edit.line, edit.column, edit.end_line, edit.end_column),
        "insertedContent": {"text": edit.replacement},
    }


def _fingerprint(finding: Diagnostic, report: Report, lines_of: LinesOf) -> str:
    """Return a hash of the rule and of the text at each place, not of line numbers, which move (section 3.27.17)."""
    parts = [finding.code]
    for label in finding.labels:
        lines = lines_of(label.span.path)
        source = lines[label.span.line - 1].strip() if 1 <= label.span.line <= len(lines) else str(label.span.line)
        parts += [label.role.value, report.shown_path(label.span.path), label.span.function, source]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
