"""Writes that an audit found without their line are looked for in a second run of the program.

# NOTE [What a replay knows] The first run compared what is needed after each line at its beginning only; which line
saved what was overwritten is known at its end.  The second run compares what that line saves, after every line.
"""

from __future__ import annotations

from dataclasses import replace

from gradsan.model.diagnostic import Diagnostic, Role
from gradsan.model.report import Report
from gradsan.model.span import Span
from gradsan.tasks.again import Again

_UNKNOWN = "the line that overwrote a saved tensor is not known"


def replayed(report: Report, again: Again | None, audit: str) -> Report:
    """Return the report of an audit with the lines that wrote, where they were not known.

    Without ``again`` the report says what a replay would look for.

    Effect: runs the program once more where a finding lacks the line.
    """
    asked = tuple(span for finding in report.findings if _lacks_line(finding) for span in _saved_at(finding))
    if not asked:
        return report
    if again is None:
        return report.with_not_covered(f"{_UNKNOWN}: `gradsan run --audit --replay` runs the program again to name it")
    seen = again.run(audit=audit, closely=asked)
    named = {(each.code, _saved_at(each)): each for each in seen.findings if not _lacks_line(each)}
    findings = tuple(_named(finding, named) for finding in report.findings)
    if not any(map(_lacks_line, findings)):
        return replace(report, findings=findings)
    why_not = seen.usage or "the second run did not come by it"
    return replace(report, findings=findings).with_not_covered(f"{_UNKNOWN}: {why_not}")


def _lacks_line(finding: Diagnostic) -> bool:
    """Return whether a finding names what saved, and not what wrote."""
    return bool(finding.labels_of(Role.SAVE)) and not finding.labels_of(Role.WRITE)


def _saved_at(finding: Diagnostic) -> tuple[Span, ...]:
    return tuple(label.span for label in finding.labels_of(Role.SAVE))


def _named(finding: Diagnostic, named: dict[tuple[str, tuple[Span, ...]], Diagnostic]) -> Diagnostic:
    found = named.get((finding.code, _saved_at(finding))) if _lacks_line(finding) else None
    if found is None:
        return finding
    notes = (*found.notes, "the line that wrote was found by running the program again")
    return replace(found, notes=notes, count=finding.count, ranks=finding.ranks)
