"""What the formats may know of the rules."""

from __future__ import annotations

from gradsan import rules
from gradsan.rules.base import Rule


def rule_pages() -> tuple[Rule, ...]:
    """Return every rule; each carries its own page."""
    return rules.all_rules()
