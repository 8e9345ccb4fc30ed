"""The rules: one file each, found by looking into this folder; there is no list to keep."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

from gradsan.model.diagnostic import Diagnostic
from gradsan.model.history import History
from gradsan.rules.base import Rule

__all__ = ["Rule", "all_rules", "find_rule", "judge"]


@cache
def all_rules() -> tuple[Rule, ...]:
    """Return one instance of each rule, by code."""
    rules = []
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if file.stem in ("__init__", "base"):
            continue
        module = import_module(f"{__name__}.{file.stem}")
        rules += [
            value()
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Rule) and value.__module__ == module.__name__
        ]
    return tuple(sorted(rules, key=lambda rule: rule.code))


def find_rule(code_or_name: str) -> Rule | None:
    """Return the rule of a code (``GS101``, in any case) or a name; None when there is none."""
    wanted = code_or_name.strip().lower()
    return next((rule for rule in all_rules() if wanted in (rule.code.lower(), rule.name)), None)


def judge(history: History) -> Diagnostic | None:
    """Return what the most special rule that speaks about this history says; None when none does."""
    history = history.at_lines_of_program()
    for rule in sorted(all_rules(), key=lambda rule: (-rule.precedence, rule.code)):
        finding = rule.judge(history)
        if finding is not None:
            return finding
    return None
