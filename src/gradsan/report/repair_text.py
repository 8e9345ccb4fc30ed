"""A repair as text: the diff as it is, then what was proven, or what remains."""

from __future__ import annotations

from gradsan.model.repair import Outcome, Repair
from gradsan.report.styled import Line, Segment, Style

_HEADLINES = {
    Outcome.NOTHING: "nothing to repair",
    Outcome.REPAIRED: "repaired",
    Outcome.UNPROVEN: "a repair was found, but not proven",
    Outcome.REMAINS: "not repaired",
}


def repair_lines(repair: Repair) -> list[Line]:
    """Return the styled lines of a repair."""
    lines: list[Line] = [_of_diff(line) for line in repair.diff.splitlines()]
    if lines:
        lines.append(())
    lines.append((Segment(_headline(repair), Style.STRONG),))
    for title in repair.titles:
        lines.append((Segment("  edit: ", Style.HELP), Segment(title)))
    for sentence in repair.proof:
        lines.append((Segment("  proof: ", Style.HELP), Segment(sentence)))
    for sentence in repair.remains:
        lines.append((Segment("  remains: ", Style.NOTE), Segment(sentence)))
    return lines


def _headline(repair: Repair) -> str:
    headline = _HEADLINES[repair.outcome]
    if repair.is_written:
        return f"{headline}, and written"
    if repair.outcome is Outcome.REPAIRED:
        return f"{headline} and proven; nothing was written, pass --write before the script to apply it"
    if repair.outcome is Outcome.UNPROVEN:
        return f"{headline}; nothing was written, pass --write --unproven before the script to apply it"
    return headline


def _of_diff(line: str) -> Line:
    if line.startswith(("+++", "---", "@@")):
        return (Segment(line, Style.STRONG),)
    if line.startswith("+"):
        return (Segment(line, Style.HELP),)
    return (Segment(line, Style.ERROR) if line.startswith("-") else Segment(line),)
