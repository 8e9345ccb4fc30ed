"""GS901: a comment allows what isn't there."""

from __future__ import annotations

from gradsan.model.diagnostic import Certainty, Diagnostic, Label, Role, Severity
from gradsan.model.history import History
from gradsan.model.span import Span
from gradsan.rules.base import Rule


class UnusedSuppression(Rule):
    """A suppression that suppresses nothing hides the next real finding on its line."""

    code = "GS901"
    name = "unused-suppression"
    severity = Severity.WARNING
    summary = "A `# gradsan: allow[...]` comment allows a finding that isn't reported."
    explanation = """\
A suppression says that a finding was read and is meant.
When the code has been repaired, or the rule's name is misspelt, the comment suppresses nothing today
and hides a real finding on its line tomorrow.
It says nothing about gradients: no program fails because of it."""
    example = """\
import torch

x = torch.ones(3, requires_grad=True)
y = x * 2
y = y + 1  # gradsan: allow[saved-tensor-overwritten] was written in place once
y.sum().backward()
"""
    instead = """\
import torch

x = torch.ones(3, requires_grad=True)
y = x * 2
y = y + 1
y.sum().backward()
"""
    source = "a convention of gradsan; the example checked with torch 2.13.0"

    def judge(self, history: History) -> Diagnostic | None:  # noqa: ARG002
        """Say nothing: no history of a tensor is about a comment."""
        return None

    def unused(self, span: Span, names: tuple[str, ...]) -> Diagnostic:
        """Return the finding about one comment."""
        shown = ", ".join(names) or "nothing"
        return Diagnostic(
            code=self.code,
            name=self.name,
            severity=self.severity,
            certainty=Certainty.OBSERVED,
            message=f"this suppression of `{shown}` suppresses nothing",
            labels=(Label(Role.RELATED, span, "no such finding here"),),
        )
