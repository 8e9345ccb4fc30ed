"""`gradsan check --fix`: the repairs that are right without running anything, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradsan.model.diagnostic import Diagnostic, Severity
from gradsan.model.errors import UsageError
from gradsan.model.rewrite import Applicability, Edit
from gradsan.tasks.fix_files import why_not_to_write, write_all
from gradsan.tasks.source_edits import apply_edits

MAX_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Applied:
    """What was repaired: the findings, and the files that were written."""

    n_findings: int
    paths: tuple[str, ...]


def apply_all(
    findings: Iterable[Diagnostic], look_again: Callable[[], Iterable[Diagnostic]], *, allow_dirty: bool = False
) -> Applied:
    """Apply safe fixes, look again, and apply what is safe then: one line may take several.

    Args:
        findings: What was found.
        look_again: Returns what is found by then.
        allow_dirty: Whether files with changes that are not committed may be written; ours may.

    Effect: replaces files.

    Raises:
        UsageError: a file can't be written, or has changes that are not committed.
    """
    done = Applied(0, ())
    for _ in range(MAX_ROUNDS):
        applied = apply_safe(findings, allow_dirty=allow_dirty, ours=done.paths)
        if not applied.paths:
            break
        done = Applied(done.n_findings + applied.n_findings, tuple(sorted({*done.paths, *applied.paths})))
        findings = look_again()
    return done


def apply_safe(findings: Iterable[Diagnostic], *, allow_dirty: bool = False, ours: Sequence[str] = ()) -> Applied:
    """Apply the first safe fix of each error; one that meets an earlier one waits for the next time.

    Args:
        findings: What was found.
        allow_dirty: Whether files with changes that are not committed may be written.
        ours: Files whose changes are ours.

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
        why_not = why_not_to_write(sorted(set(edits).difference(ours)), allow_dirty=allow_dirty)
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
