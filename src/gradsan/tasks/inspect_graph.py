"""Look at a graph before backward: every saved tensor that has already been overwritten, all at once."""

from __future__ import annotations

from gradsan import frameworks, rules
from gradsan.model.diagnostic import Diagnostic
from gradsan.model.report import merge_equal
from gradsan.tasks.precision import make_precise


def conflicts(*roots: object, framework: str = "torch") -> tuple[Diagnostic, ...]:
    """Return a finding for each saved tensor of the graph that backward would refuse.

    Raises:
        FrameworkMissing: the framework is not installed.
    """
    histories = frameworks.load(framework).inspect(*roots)
    findings = (rules.judge(make_precise(history)) for history in histories)
    return merge_equal(tuple(finding for finding in findings if finding is not None))
