"""What a task hands to a format: the findings, and what could not be looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradsan.model.diagnostic import Diagnostic
    from gradsan.model.repair import Repair

SCHEMA = "gradsan/1"


@dataclass(frozen=True, slots=True)
class Framework:
    """The framework a report speaks about."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of one task.

    ``directory`` is the working directory: paths below it are shown relative to it.
    """

    command: str
    directory: Path
    framework: Framework | None = None
    findings: tuple[Diagnostic, ...] = ()
    not_covered: tuple[str, ...] = ()
    """What was not looked at, and why, one sentence each."""
    suppressed: tuple[Diagnostic, ...] = ()
    """Findings that a comment in the source allows."""
    repair: Repair | None = None
    """What `fix` did; its findings are those that were repaired, each with the fix that was chosen."""

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing to tell a person: a run that found nothing and could look at everything."""
        return self.command == "run" and not (self.findings or self.suppressed or self.not_covered or self.repair)

    def with_not_covered(self, sentence: str) -> Report:
        """Return the report with one more sentence about what was not looked at."""
        return replace(self, not_covered=(*self.not_covered, sentence))

    def shown_path(self, path: str) -> str:
        """Return a path as the report shows it: relative to ``directory`` where it lies below it."""
        try:
            return Path(path).relative_to(self.directory).as_posix()
        except ValueError:
            return path


def merge_equal(findings: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """Tell equal findings once, with their count and their ranks; the order of first telling stays."""
    told: dict[object, Diagnostic] = {}
    for finding in findings:
        before = told.get(finding.key)
        if before is None:
            told[finding.key] = finding
        else:
            ranks = tuple(sorted({*before.ranks, *finding.ranks}))
            told[finding.key] = replace(before, count=before.count + finding.count, ranks=ranks)
    return tuple(told.values())
