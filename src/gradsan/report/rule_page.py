"""What a format may show of a rule; the rules themselves fit it."""

from __future__ import annotations

from typing import Protocol

from gradsan.model.diagnostic import Severity


class RulePage(Protocol):
    """A rule's page: its code, name, and texts."""

    @property
    def code(self) -> str:
        """``GS101``."""

    @property
    def name(self) -> str:
        """``saved-tensor-overwritten``."""

    @property
    def severity(self) -> Severity:
        """How grave a finding is by default."""

    @property
    def summary(self) -> str:
        """One sentence, what it catches."""

    @property
    def explanation(self) -> str:
        """Why the gradient breaks, in Markdown."""
