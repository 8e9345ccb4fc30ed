"""`gradsan check --fix`: the repairs that are right without running anything, and no others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gradsan.model.diagnostic import Diagnostic, Severity
from gradsan.model.errors import UsageError
from gradsan.model.rewrite import Applicability, Edit
from gradsan.tasks.fix_files import why_not_to_write, write_all
from gradsan.tasks.source_edits import apply_edits


@dataclass(frozen=True, slots=True)
class Applied:
    """What was repaired: the findings, and the files that were written."""

    n_findings: int
    paths: tuple[str, ...]


def apply_safe(findings: Iterable[Diagnostic], *, allow_dirty: bool = False) -> Applied:
    """Apply the first safe fix of each error; one that meets an earlier one waits for the next time.

    Effect: replaces files.

    Raises:
        UsageError: a file can't be written, or has changes that are not committed.
    """
    edits: dict[str, list[Edit]] = {}
    n_findings = 0
    for finding in findings:
        chosen = _safe_edits(finding)
        if chosen and not any(_meet(edit, other) for edit in chosen for other in edits.get(edit.path, ())):
            n_findings += 1
            for edit in chosen:
                edits.setdefault(edit.path, []).append(edit)
    if edits:
        why_not = why_not_to_write(sorted(edits), allow_dirty=allow_dirty)
        if why_not:
            raise UsageError(f"{why_not}; nothing was written")
        originals = {path: Path(path).read_bytes() for path in edits}
        write_all({path: apply_edits(originals[path], edits[path]) for path in edits}, originals)
    return Applied(n_findings, tuple(sorted(edits)))


def _safe_edits(finding: Diagnostic) -> tuple[Edit, ...]:
    if finding.severity is not Severity.ERROR:
        return ()
    fix = next((fix for fix in finding.fixes if fix.applicability is Applicability.SAFE), None)
    is_source = fix is not None and all(Path(edit.path).suffix in (".py", ".pyi") for edit in fix.edits)
    return fix.edits if fix is not None and is_source else ()


def _meet(one: Edit, other: Edit) -> bool:
    """Whether two edits touch the same lines."""
    return one.line <= other.end_line and other.line <= one.end_line
