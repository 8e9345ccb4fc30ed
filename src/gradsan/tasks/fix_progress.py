"""Whether a cure helped: what is found after it, beside what was found before."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Role
from gradsan.model.event import Saved
from gradsan.model.rewrite import Edit, Fix, Remedy
from gradsan.model.span import Span
from gradsan.tasks.source_edits import column_after, line_after, lines_made


def is_same(before: Diagnostic, after: Diagnostic, fix: Fix) -> bool:
    """Whether a finding is still there after a fix: the same rule, written and saved on the same lines.

    Or written by the copy that the fix makes: `x[0] = x[0].clone()` writes into `x` if that is a tensor.
    Not where the fix copies what was saved and something else of that line saves it too: `x.exp() + x.sin()`.
    """
    if before.code != after.code or before.primary is None or after.primary is None:
        return before.code == after.code and before.message == after.message
    made = lines_made([edit for edit in fix.edits if edit.path == after.primary.path])
    if fix.remedy is Remedy.COPY_BEFORE_WRITE and after.primary.line in made:
        return True
    if _places(before, fix.edits) != _places(after, ()):
        return False
    return fix.remedy is not Remedy.COPY_AT_SAVE or _saver(before, fix.edits) == _saver(after, ())


def place_of(finding: Diagnostic) -> tuple[str, int]:
    """Return the file and the line of a finding."""
    return ("", 0) if finding.primary is None else (finding.primary.path, finding.primary.line)


def _places(finding: Diagnostic, edits: tuple[Edit, ...]) -> list[tuple[str, int, int]]:
    """Return where a finding is written and saved; of modules that one line runs, each is known by where it is made."""
    spans = [label.span for label in (*finding.labels_of(Role.WRITE)[:1], *finding.labels_of(Role.SAVE)[:1])]
    made = [label.span for label in finding.labels_of(Role.CREATE)[:1]]
    named = [*((span, 0) for span in spans), *((span, span.column) for span in made)]
    return [(s.path, line_after(s.line, [e for e in edits if e.path == s.path]), column) for s, column in named]


def _saver(finding: Diagnostic, edits: tuple[Edit, ...]) -> tuple[str, str, int]:
    """Return what saved, as what, and from which column on it stands in its line once edits are applied."""
    saved = None if finding.history is None else finding.history.first(Saved)
    if saved is None:
        return ("", "", 0)
    return (saved.operation, saved.operand, 0 if saved.span is None else _column(saved.span, edits))


def _column(span: Span, edits: tuple[Edit, ...]) -> int:
    return column_after(span.line, span.column, [edit for edit in edits if edit.path == span.path])
