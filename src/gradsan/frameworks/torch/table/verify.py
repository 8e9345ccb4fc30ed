"""Holds the table against the engine: over the OpInfo database and the module database, sample by sample.

What the table says of a call (`Operation.effect`, given all there is to know of the arguments) is compared with what
the graph holds, by storage; then each operand is written between forward and backward, and backward must refuse
exactly where the table says so.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

from gradsan import knowledge
from gradsan.frameworks.torch.table.agreement import Outcome
from gradsan.frameworks.torch.table.calls import Call, CannotBind, bind
from gradsan.frameworks.torch.table.collect import REFUSALS, sample_dtype
from gradsan.frameworks.torch.table.corpus import Sample, differentiable_ops, op_samples
from gradsan.frameworks.torch.table.inventory import resolve
from gradsan.frameworks.torch.table.modules import database_calls, own_calls
from gradsan.frameworks.torch.table.observe import (
    NotObservable,
    Observation,
    observe,
    observe_without_graph,
    saved_result_names,
)
from gradsan.frameworks.torch.table.probe import MOST_MASKS, MOST_TRIED, differentiable_arguments, is_degenerate, masks
from gradsan.frameworks.torch.table.programs import programs
from gradsan.frameworks.torch.table.rare_programs import rare_programs
from gradsan.frameworks.torch.table.without_graph import undifferentiable_samples
from gradsan.knowledge import Effect, Operation, Table


def verify(*, limit: int | None = None, only: Iterable[str] | None = None, seconds: float = 60) -> Outcome:
    """Compare every operation and every module; ``seconds`` of processor time at most for each operation.

    Effect: seeds torch, runs operations.
    """
    table = knowledge.load()
    outcome = Outcome()
    wanted = None if only is None else frozenset(only)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for sample in _operations(table, wanted, limit=limit, seconds=seconds):
            _judge_sample(outcome, "operations", sample, table)
        for name, call, trouble in database_calls(only=wanted, limit=limit):
            _judge_sample(outcome, "modules", Sample(name, call, trouble), table)
        for sample in _own(table):
            if wanted is None:
                _judge_sample(outcome, "own", sample, table)
        for sample in undifferentiable_samples(lambda name: _parameters(table, name), only=wanted):
            _judge_sample(outcome, "undifferentiable", sample, table)
    return outcome


def _operations(table: Table, wanted: frozenset[str] | None, *, limit: int | None, seconds: float) -> Iterator[Sample]:
    for op in differentiable_ops():
        if wanted is not None and op.name not in wanted:
            continue
        began = time.process_time()
        for sample in op_samples(op, lambda name: _parameters(table, name), dtype=sample_dtype(op), limit=limit):
            late = time.process_time() - began > seconds
            yield Sample(op.name, None, "out of time") if late else Sample(op.name, sample.call, sample.trouble)


def _own(table: Table) -> Iterator[Sample]:
    for name, args, keywords in chain(programs(), rare_programs()):
        parameters, function = _parameters(table, name), resolve(name)
        if parameters is None or function is None:
            yield Sample(name, None, f"the table has no {name}")
            continue
        try:
            # A property is called by its getter.
            getter = function if callable(function) else function.__get__
            yield Sample(name, bind(name, getter, args, keywords, parameters=parameters))
        except CannotBind as error:
            yield Sample(name, None, str(error))
    for name, call, trouble in own_calls():
        yield Sample(name, call, trouble)


def _lookup(table: Table, name: str) -> Operation | None:
    return table.lookup(name if "::" in name else f"torch.{name}")


def _parameters(table: Table, name: str) -> Any:
    operation = _lookup(table, name)
    return None if operation is None else operation.parameters


def _judge_sample(outcome: Outcome, section: str, sample: Sample, table: Table) -> None:
    operation = None if sample.call is None else _lookup(table, sample.call.name)
    skipped = outcome.tallies[section].skipped
    if sample.call is None or operation is None:
        skipped[sample.op][sample.trouble or "the table lacks it"] += 1
        return
    if section == "undifferentiable" or not operation.differentiable:
        found = _without_graph(sample.call, operation)
    else:
        found = _with_graph(outcome, sample.call, operation)
    try:
        for problems, certain in found:
            outcome.note(section, sample.op, problems, certain=certain, is_empty=is_degenerate(sample.call))
    except (NotObservable, *REFUSALS) as error:
        skipped[sample.op][str(error).partition("\n")[0][:90]] += 1


Comparison = tuple[dict[str, str], bool]


def _with_graph(outcome: Outcome, call: Call, operation: Operation) -> Iterator[Comparison]:
    """Yield a comparison for each mask of what requires a gradient; the first, of all, must be observable."""
    arguments = differentiable_arguments(call)
    for mask in masks(call) if len(arguments) <= MOST_MASKS else [arguments]:
        try:
            tried = mask == arguments or len(arguments) <= MOST_TRIED
            seen = observe(call.run, call.bound, mask=mask, refusals=tried)
        except (NotObservable, *REFUSALS):
            if mask == arguments:
                raise
            continue
        outcome.n_writes += len(seen.same_storage) if tried else 0
        outcome.n_refused += len(seen.refused)
        effect = operation.effect(_given(call, mask, operation))
        yield compare(effect, seen, is_empty=is_degenerate(call), refusals=tried)


def _without_graph(call: Call, operation: Operation) -> Iterator[Comparison]:
    try:
        seen = observe_without_graph(call.run, call.bound)
    except NotObservable:
        # A graph whose backward isn't implemented (`//`) is none.
        observe(call.run, call.bound, refusals=False)
        yield {"saved": "the table says it is not differentiable"}, False
        return
    effect = replace(operation.effect(call.given()), saves_inputs=(), saves_result=False)
    yield compare(effect, seen, is_empty=is_degenerate(call))


def _given(call: Call, mask: frozenset[str], operation: Operation) -> dict[str, object]:
    """Return what is known of the call; a parameter that the module lacks (no bias) is known to be absent."""
    named = {n for case in operation.cases for needs in case.saves.values() for n in needs}
    absent = dict.fromkeys(named - call.bound.keys()) if operation.kind == "module" else {}
    return {**absent, **call.given(mask)}


def compare(
    effect: Effect, seen: Observation, *, is_empty: bool = False, refusals: bool = True
) -> tuple[dict[str, str], bool]:
    """Compare what the table says of a call with what the engine did.

    Args:
        effect: What the table says.
        seen: What the engine did.
        is_empty: An argument has no elements: operations take short cuts then, and may save less.
        refusals: Whether each operand was written.

    Returns:
        By claim (``saved``, ``refused``, ``written``, ``aliased``), how they differ; and whether the table was certain.
    """
    told = _operands(effect, seen)
    sure = set() if is_empty else _closure({o for o in told if o not in effect.maybe}, seen)
    possible = _closure(told, seen)
    problems: dict[str, str] = {}
    if not seen.hidden and not sure <= seen.saved <= possible:
        problems["saved"] = f"saved: table {_list(possible)}, engine {_list(seen.saved)}"
    if refusals and not sure - seen.unwritable <= seen.refused <= possible:
        problems["refused"] = f"refused: table {_list(possible)}, engine {_list(seen.refused)}"
    written = {n for n in effect.writes if n in seen.same_storage}
    surely_written = {n for n in written if f"writes:{n}" not in effect.maybe and not is_empty}
    if not surely_written <= seen.written <= written:
        problems["written"] = f"written: table {_list(written)}, engine {_list(seen.written)}"
    aliased = {n for n in effect.aliases if n in seen.same_storage}
    surely_aliased = {n for n in aliased if f"aliases:{n}" not in effect.maybe and not is_empty}
    if not surely_aliased <= seen.aliased <= aliased:
        problems["aliased"] = f"aliased: table {_list(aliased)}, engine {_list(seen.aliased)}"
    is_told = effect.may_return_input or seen.aliased <= surely_aliased
    if seen.is_input and not is_told and not seen.written:
        problems["aliased"] = "returned its input, which the table doesn't say"
    return problems, effect.certain or sure == possible


def _operands(effect: Effect, seen: Observation) -> set[str]:
    return {*effect.saves_inputs, *saved_result_names(effect, seen.n_results)} & set(seen.same_storage)


def _closure(operands: set[str], seen: Observation) -> set[str]:
    """Add what shares a storage: to write an alias is to write it."""
    return {twin for operand in operands for twin in seen.same_storage[operand]}


def _list(names: Iterable[str]) -> str:
    return "+".join(sorted(names)) or "nothing"
