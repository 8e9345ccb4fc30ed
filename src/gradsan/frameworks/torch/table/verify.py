"""Holds the table against the engine: over the OpInfo database and the module database, sample by sample.

What the table says of a call (`Operation.effect`, given all there is to know of the arguments) is compared with what
the graph holds, by storage; then each operand is written between forward and backward, and backward must refuse
exactly where the table says so.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gradsan import knowledge
from gradsan.frameworks.torch.table.calls import Call
from gradsan.frameworks.torch.table.collect import sample_dtype
from gradsan.frameworks.torch.table.corpus import differentiable_ops, op_samples
from gradsan.frameworks.torch.table.modules import database_calls
from gradsan.frameworks.torch.table.observe import NotObservable, Observation, observe, saved_result_names
from gradsan.frameworks.torch.table.probe import MOST_MASKS, differentiable_arguments, is_degenerate, masks
from gradsan.knowledge import Effect, Operation


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    exact: Counter[str] = field(default_factory=Counter)
    """By operation: calls of which the table was certain, and right."""
    covered: Counter[str] = field(default_factory=Counter)
    """Calls of which the table said ``maybe``, and the engine stayed within it."""
    wrong: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    skipped: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Calls that can't be judged, by reason."""
    n_writes: int = 0
    """Operands that were written between forward and backward."""
    n_refused: int = 0
    exceptions: dict[str, str] = field(default_factory=dict)

    @property
    def unexplained(self) -> dict[str, Counter[str]]:
        """The operations that disagree and stand in no list."""
        return {name: why for name, why in self.wrong.items() if name not in self.exceptions}

    def describe(self) -> str:
        """Return the counts, and what disagrees."""
        names = set(self.exact) | set(self.covered) | set(self.wrong)
        judged = (
            sum(self.exact.values()) + sum(self.covered.values()) + sum(sum(w.values()) for w in self.wrong.values())
        )
        lines = [
            f"operations judged: {len(names)}, of which {len(names - set(self.wrong))} agree on every call,"
            f" {len(set(self.wrong) & set(self.exceptions))} are listed exceptions, {len(self.unexplained)} disagree",
            f"calls judged: {judged}; exact {sum(self.exact.values())}, within a `maybe` {sum(self.covered.values())}",
            f"writes between forward and backward: {self.n_writes}, refused {self.n_refused}",
            f"operations with a `maybe`: {len(self.covered)}; operations with skipped calls: {len(self.skipped)}",
        ]
        never = sorted(name for name in self.skipped if name not in names)
        lines.append(f"never judged: {', '.join(never) or 'none'}")
        lines += [f"  disagrees: {name}: {dict(why.most_common(3))}" for name, why in sorted(self.wrong.items())]
        lines += [f"  skipped: {name}: {dict(why.most_common(3))}" for name, why in sorted(self.skipped.items())]
        return "\n".join(lines)


def verify(*, limit: int | None = None, only: Iterable[str] | None = None, seconds: float = 60) -> Outcome:
    """Compare every differentiable operation and every module; ``seconds`` of processor time at most for each.

    Effect: seeds torch, runs operations.
    """
    table = knowledge.load()
    outcome = Outcome(exceptions=dict(EXCEPTIONS))
    wanted = None if only is None else set(only)

    def parameters(name: str) -> Any:
        operation = table.lookup(name if "::" in name else f"torch.{name}")
        return None if operation is None else operation.parameters

    for op in differentiable_ops():
        if wanted is not None and op.name not in wanted:
            continue
        began = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for sample in op_samples(op, parameters, dtype=sample_dtype(op), limit=limit):
                if time.process_time() - began > seconds:
                    outcome.skipped[op.name]["out of time"] += 1
                elif sample.call is None:
                    outcome.skipped[op.name][sample.trouble] += 1
                else:
                    _judge(outcome, op.name, sample.call, table.lookup(_full(sample.call.name)))
    for name, call, trouble in database_calls():
        if wanted is not None and name not in wanted:
            continue
        if call is None:
            outcome.skipped[name][trouble] += 1
        else:
            _judge(outcome, name, call, table.lookup(name))
    return outcome


def _full(name: str) -> str:
    return name if "::" in name else f"torch.{name}"


def _judge(outcome: Outcome, title: str, call: Call, operation: Operation | None) -> None:
    if operation is None:
        outcome.skipped[title][f"the table has no {call.name}"] += 1
        return
    if is_degenerate(call):
        outcome.skipped[title]["a tensor without elements"] += 1
        return
    few = len(differentiable_arguments(call)) <= MOST_MASKS
    for mask in masks(call) if few else [differentiable_arguments(call)]:
        try:
            seen = observe(call.run, call.bound, mask=mask)
        except (NotObservable, RuntimeError, TypeError, ValueError, NotImplementedError, IndexError) as error:
            outcome.skipped[title][str(error).partition("\n")[0][:90]] += 1
            continue
        _compare(outcome, title, operation.effect(_given(call, mask, operation)), seen)


def _given(call: Call, mask: frozenset[str], operation: Operation) -> dict[str, object]:
    """Return what is known of the call; a parameter that the module lacks (no bias) is known to be absent."""
    named = {n for case in operation.cases for needs in case.saves.values() for n in needs}
    absent = dict.fromkeys(named - call.bound.keys()) if operation.kind == "module" else {}
    return {**absent, **call.given(mask)}


def _compare(outcome: Outcome, title: str, effect: Effect, seen: Observation) -> None:
    outcome.n_writes += len(seen.same_storage)
    outcome.n_refused += len(seen.refused)
    told = _operands(effect, seen)
    sure = _closure({o for o in told if o not in effect.maybe}, seen)
    possible = _closure(told, seen)
    problems = []
    if not seen.hidden and not sure <= seen.saved <= possible:
        problems.append(f"saved: table {_list(possible)}, engine {_list(seen.saved)}")
    if not sure - seen.unwritable <= seen.refused <= possible:
        problems.append(f"refused: table {_list(possible)}, engine {_list(seen.refused)}")
    written = {n for n in effect.writes if n in seen.same_storage}
    surely_written = {n for n in written if f"writes:{n}" not in effect.maybe}
    if not surely_written <= seen.written <= written:
        problems.append(f"written: table {_list(written)}, engine {_list(seen.written)}")
    aliased = {n for n in effect.aliases if n in seen.same_storage}
    if not {n for n in aliased if f"aliases:{n}" not in effect.maybe} <= seen.aliased <= aliased:
        problems.append(f"aliased: table {_list(aliased)}, engine {_list(seen.aliased)}")
    if seen.is_input and not effect.may_return_input and not seen.written:
        problems.append("returned its input, which the table doesn't say")
    if problems:
        outcome.wrong[title]["; ".join(problems)] += 1
    elif effect.certain or sure == possible:
        outcome.exact[title] += 1
    else:
        outcome.covered[title] += 1


def _operands(effect: Effect, seen: Observation) -> set[str]:
    return {*effect.saves_inputs, *saved_result_names(effect, seen.n_results)} & set(seen.same_storage)


def _closure(operands: set[str], seen: Observation) -> set[str]:
    """Add what shares a storage: to write an alias is to write it."""
    return {twin for operand in operands for twin in seen.same_storage[operand]}


def _list(names: Iterable[str]) -> str:
    return "+".join(sorted(names)) or "nothing"


EXCEPTIONS: dict[str, str] = {
    "kron": "what is saved is an unsafe view of the argument, whose version counter is its own: backward doesn't see"
    " the write, and the gradient is wrong without an error (two one-element or transposed arguments)",
}
"""Operation -> why the table and the engine differ."""
