"""How far the table and the engine agree: the counts, what they mean, and the exceptions."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

SECTIONS = {
    "operations": "operations of torch's OpInfo database that support autograd",
    "modules": "modules of torch's module database, in train and eval mode",
    "own": "callables of our own programs: switches, and what the databases lack",
    "undifferentiable": "operations of the OpInfo database without a gradient: writes and aliases",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A difference between the table and the engine that stands, and why."""

    claims: frozenset[str]
    """What alone may differ: ``saved``, ``refused``, ``written``, ``aliased``."""
    reason: str
    only_empty: bool = False
    """Whether it stands only where an argument has no elements: nothing can be overwritten there."""


_SAVES = frozenset({"saved", "refused"})

EXCEPTIONS: dict[str, Listed] = {
    "kron": Listed(
        frozenset({"refused"}),
        "what is saved is an unsafe view of the argument, whose version counter is its own: backward doesn't see the"
        " write, and the gradient is wrong without an error (two one-element or transposed arguments)",
    ),
    "matmul": Listed(_SAVES, "without elements no side is copied to fold its dimensions, so both are saved", True),
    "__rmatmul__": Listed(_SAVES, "without elements no side is copied to fold its dimensions, so both are saved", True),
    "nn.functional.local_response_norm": Listed(
        frozenset({"aliased"}), "without elements it returns its input; it never does otherwise", True
    ),
}
"""Operation -> how the table and the engine differ."""


@dataclass(slots=True)
class Tally:
    """What came of the calls of one section; every counter is by operation."""

    exact: Counter[str] = field(default_factory=Counter)
    """Calls of which the table was certain, and right."""
    within: Counter[str] = field(default_factory=Counter)
    """Calls of which the table said ``maybe``, and the engine stayed within it."""
    listed: Counter[str] = field(default_factory=Counter)
    """Calls that differ as `EXCEPTIONS` says."""
    wrong: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    skipped: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Calls that can't be judged, by reason."""

    @property
    def judged(self) -> set[str]:
        """The operations of which at least one call was judged."""
        return {*self.exact, *self.within, *self.listed, *self.wrong}

    def counts(self) -> dict[str, Any]:
        """Return what there is to count."""
        differing = {*self.wrong, *self.listed}
        return {
            "judged": len(self.judged),
            "exact": len(self.judged - differing - set(self.within)),
            "within_maybe": len(set(self.within) - differing),
            "listed": len(set(self.listed) - set(self.wrong)),
            "disagree": len(self.wrong),
            "never_judged": len(self.skipped.keys() - self.judged),
            "calls": sum(self.exact.values()) + sum(self.within.values()) + sum(self.listed.values()) + self.n_wrong,
            "calls_exact": sum(self.exact.values()),
            "calls_within_maybe": sum(self.within.values()),
            "calls_listed": sum(self.listed.values()),
            "calls_disagree": self.n_wrong,
            "calls_skipped": sum(sum(why.values()) for why in self.skipped.values()),
        }

    @property
    def n_wrong(self) -> int:
        """The number of calls that disagree."""
        return sum(sum(why.values()) for why in self.wrong.values())


@dataclass(slots=True)
class Outcome:
    """What came of it all."""

    tallies: dict[str, Tally] = field(default_factory=lambda: {section: Tally() for section in SECTIONS})
    n_writes: int = 0
    """Operands that were written between forward and backward."""
    n_refused: int = 0

    @property
    def unexplained(self) -> dict[str, Counter[str]]:
        """The operations that disagree and stand in no list."""
        return {name: why for tally in self.tallies.values() for name, why in tally.wrong.items()}

    def judged(self) -> set[str]:
        """Return the operations of which at least one call was judged."""
        return set().union(*(tally.judged for tally in self.tallies.values()))

    def note(
        self, section: str, title: str, problems: dict[str, str], *, certain: bool, is_empty: bool = False
    ) -> None:
        """Enter one call; ``is_empty``: an argument has no elements."""
        tally, listed = self.tallies[section], EXCEPTIONS.get(title)
        if not problems:
            (tally.exact if certain else tally.within)[title] += 1
        elif listed is not None and problems.keys() <= listed.claims and (is_empty or not listed.only_empty):
            tally.listed[title] += 1
        else:
            tally.wrong[title]["; ".join(problems.values())] += 1

    def counts(self) -> dict[str, Any]:
        """Return the counts, as the table's side file keeps them."""
        sections = [{"title": SECTIONS[section]} | tally.counts() for section, tally in self.tallies.items()]
        never = {
            name: why.most_common(1)[0][0]
            for tally in self.tallies.values()
            for name, why in sorted(tally.skipped.items())
            if name not in tally.judged
        }
        return {
            "sections": sections,
            "writes": self.n_writes,
            "refused": self.n_refused,
            "exceptions": {name: listed.reason for name, listed in EXCEPTIONS.items()},
            "never_judged": never,
        }

    def describe(self) -> str:
        """Return the counts, and what disagrees, for a person."""
        lines: list[str] = []
        for section, tally in self.tallies.items():
            n = tally.counts()
            lines += [
                f"{SECTIONS[section]}: {n['judged']} judged; {n['exact']} agree on every call, {n['within_maybe']}"
                f" stay within a `maybe`, {n['listed']} are listed exceptions, {n['disagree']} disagree",
                f"  calls: {n['calls']} judged, {n['calls_exact']} exact, {n['calls_within_maybe']} within a `maybe`,"
                f" {n['calls_listed']} listed, {n['calls_disagree']} disagree; {n['calls_skipped']} can't be judged",
            ]
        lines.append(f"writes between forward and backward: {self.n_writes}, refused {self.n_refused}")
        for tally in self.tallies.values():
            lines += [f"  disagrees: {name}: {dict(why.most_common(3))}" for name, why in sorted(tally.wrong.items())]
        lines += [f"  never judged: {name}: {why}" for name, why in self.counts()["never_judged"].items()]
        return "\n".join(lines)


def write_agreement(outcome: Outcome, table: Path) -> Path:
    """Write the counts beside the table that they belong to, and return their path.

    Effect: writes one file.
    """
    path = table.with_suffix(".agreement.json")
    counts = {"table_sha256": sha256(table.read_bytes()).hexdigest()} | outcome.counts()
    path.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
    return path
