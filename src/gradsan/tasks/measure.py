"""How wrong a gradient is: the program is run twice more, as it is and with its saved tensors protected.

# NOTE [What is compared] Protection gives backward the values that were saved, so the forward values are unchanged and
the gradients are the true ones, for writes to what was saved.  Of a value that was written off the tape, or whose
history was cut, it knows no other gradient: such findings are not measured.  The passes are compared in order, as long
as their losses agree, up to the first whose gradients differ: what comes after was computed with other weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest

from gradsan.model.diagnostic import Diagnostic, GradientError
from gradsan.model.report import Report
from gradsan.record.observations import BackwardPass, Observations, Sample, all_same, same
from gradsan.tasks.again import Again
from gradsan.tasks.run import Outcome
from gradsan.tasks.trial import Mode, Seen

MEASURABLE = frozenset({"GS301", "GS306", "GS307", "GS350"})
MAX_ERRORS = 64
_UNMEASURED = "how wrong the gradients are was not measured"


def measured(outcome: Outcome, again: Again) -> Report:
    """Return the report of a run with the relative errors of the gradients in its findings.

    Effect: runs the program twice where something was found that can be measured.
    """
    report = outcome.report
    measurable = [finding for finding in report.findings if finding.code in MEASURABLE]
    if not measurable:
        codes = sorted({finding.code for finding in report.findings})
        told = f"{_UNMEASURED}: no protected run gives the true ones for {', '.join(codes)}"
        return report.with_not_covered(told) if codes else report
    errors, why_not = ((), "the program failed") if outcome.status else _errors(again)
    if why_not:
        return report.with_not_covered(f"{_UNMEASURED}: {why_not}")
    n_others = len(report.findings) - 1
    findings = [_measured(each, errors, n_others) if each.code in MEASURABLE else each for each in report.findings]
    return replace(report, findings=tuple(findings))


def _errors(again: Again) -> tuple[tuple[GradientError, ...], str]:
    seen = []
    for mode in (Mode.PLAIN, Mode.PROTECTED):
        seen.append(again.run(mode))
        why_not = _why_not(seen[-1])
        if why_not:
            return (), why_not
    return errors_of(seen[0].observations, seen[1].observations)


def errors_of(plain: Observations, protected: Observations) -> tuple[tuple[GradientError, ...], str]:
    """Compare the gradients of two runs; return the errors, the largest first, or why there are none to tell.

    See NOTE [What is compared].
    """
    for number, (got, true) in enumerate(zip_longest(plain.passes, protected.passes), 1):
        if got is None or true is None or not all_same(got.roots, true.roots):
            return (), "run again, the program computes other losses from one time to the next"
        errors = sorted(_of_pass(number, got, true), key=lambda error: -_size(error))
        if errors:
            return tuple(errors[:MAX_ERRORS]), ""
    return (), "run again with its saved tensors protected, the program computes the same gradients"


def _of_pass(number: int, got: BackwardPass, true: BackwardPass) -> Iterator[GradientError]:
    for leaf, other in zip(got.leaves, true.leaves, strict=False):
        if leaf.grad is not None and other.grad is not None and not same(leaf.grad, other.grad):
            name = leaf.name or f"a leaf of shape {leaf.grad.shape}"
            yield GradientError(name, _error(leaf.grad, other.grad), number)
    for n, (one, two) in enumerate(zip(got.returned, true.returned, strict=False)):
        if one is not None and two is not None and not same(one, two):
            yield GradientError(f"input {n} of `grad`", _error(one, two), number)


def _error(got: Sample, true: Sample) -> float | None:
    """Return the norm of the difference by the larger norm of the two; None where one is not finite."""
    norms = (math.hypot(*got.values), math.hypot(*true.values))
    difference = math.hypot(*(a - b for a, b in zip(got.values, true.values, strict=False)))
    if not all(map(math.isfinite, (*norms, difference))) or not max(norms):
        return None
    return difference / max(norms)


def _size(error: GradientError) -> float:
    return math.inf if error.relative_error is None else error.relative_error


def _why_not(seen: Seen) -> str:
    if seen.status:
        last = seen.error.splitlines()[-1] if seen.error else f"exit status {seen.status}"
        return f"run again, the program fails: {last}"
    return seen.usage


def _measured(finding: Diagnostic, errors: tuple[GradientError, ...], n_others: int) -> Diagnostic:
    worst, rest = errors[0], errors[1:]
    by = "is not finite" if worst.relative_error is None else f"is off by {_percent(worst.relative_error)}"
    told = f"the gradient of {_title(worst)} {by} (relative error, against a run with protected saved tensors)"
    notes = [told]
    finite = [error.relative_error for error in rest if error.relative_error is not None]
    if finite:
        others = f"those of {len(rest)} other leaves are" if len(rest) > 1 else "that of another leaf is"
        notes.append(f"{others} off by {'up to ' if len(rest) > 1 else ''}{_percent(max(finite))}")
    if n_others:
        notes.append("all that was found in this program has its part in that")
    return replace(finding, notes=(*finding.notes, *notes), gradient_errors=errors)


def _title(error: GradientError) -> str:
    is_name = " " not in error.leaf
    return f"`{error.leaf}`" if is_name else error.leaf


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.0f} %" if ratio >= 0.1 else f"{100 * ratio:.2g} %"
