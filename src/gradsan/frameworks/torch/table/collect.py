"""Observes every call that the table is made from."""

from __future__ import annotations

import time
import warnings
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import torch

from gradsan.frameworks.torch.table.calls import Call, CannotBind, bind
from gradsan.frameworks.torch.table.catalog import canonical, same_objects
from gradsan.frameworks.torch.table.corpus import differentiable_ops, op_samples
from gradsan.frameworks.torch.table.inventory import parameters_of, resolve
from gradsan.frameworks.torch.table.learn import Behaviour
from gradsan.frameworks.torch.table.modules import database_calls, own_calls
from gradsan.frameworks.torch.table.observe import NotObservable
from gradsan.frameworks.torch.table.probe import behaviour, behaviour_without_graph, is_degenerate
from gradsan.frameworks.torch.table.programs import Program, programs
from gradsan.frameworks.torch.table.rare_programs import rare_programs
from gradsan.frameworks.torch.table.without_graph import unary_programs, undifferentiable_samples

SECONDS_PER_OPERATION = 20

REFUSALS = (
    RuntimeError,
    TypeError,
    ValueError,
    NotImplementedError,
    IndexError,
    AttributeError,
    AssertionError,
    BufferError,
)
"""What a call may raise that doesn't fit its arguments."""

Rows = dict[str, dict[str, Any]]


@dataclass(slots=True)
class Collection:
    """What was observed, by row, and what could not be."""

    behaviours: dict[str, list[Behaviour]] = field(default_factory=lambda: defaultdict(list))
    without_graph: dict[str, list[Behaviour]] = field(default_factory=lambda: defaultdict(list))
    """Calls of which no result required a gradient."""
    troubles: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def sample_dtype(op: Any) -> torch.dtype:
    """Return a type in which an OpInfo's operation has gradients: real and double where it can be."""
    supported = op.supported_backward_dtypes("cpu") or op.supported_dtypes("cpu")
    wanted = (torch.float64, torch.float32, torch.complex128, torch.complex64)
    return next((d for d in wanted if d in supported), torch.float32)


def collect(rows: Rows, *, limit: int) -> Collection:
    """Observe the OpInfo database (at most ``limit`` samples an operation), our own programs, and the modules."""
    found = Collection()

    def parameters(name: str) -> Any:
        row = canonical(name, rows)
        return None if row is None else parameters_of(rows[row]["parameters"])

    for op in differentiable_ops():
        began = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # What no formula foretells is learned: the more samples, the less falls by chance.
            known = "cases" in rows.get(canonical(op.name, rows) or "", {})
            for sample in op_samples(op, parameters, dtype=sample_dtype(op), limit=limit if known else None):
                if time.process_time() - began > SECONDS_PER_OPERATION:
                    found.troubles[sample.op].add("not all samples were run: out of time")
                    break
                if sample.call is None:
                    found.troubles[sample.op].add(sample.trouble)
                else:
                    _enter(found, rows, sample.call)
    _collect_programs(found, rows, chain(programs(), rare_programs()))
    for sample in undifferentiable_samples(parameters):
        if sample.call is None:
            found.troubles[sample.op].add(sample.trouble)
        else:
            _enter_without_graph(found, rows, sample.call)
    missing = {n: row for n, row in rows.items() if n not in found.behaviours and n not in found.without_graph}
    _collect_programs(found, rows, unary_programs(missing))
    collect_modules(found)
    return found


def _collect_programs(found: Collection, rows: Rows, wanted: Iterable[Program]) -> None:
    same = same_objects(rows)
    for spelled, args, keywords in wanted:
        name = same.get(spelled, spelled)
        row = canonical(name, rows)
        function = resolve(name)
        if row is None or function is None:
            found.troubles[name].add("the catalog doesn't know the name")
            continue
        if not callable(function):
            function = function.__get__
        try:
            call = bind(name, function, args, keywords, parameters=parameters_of(rows[row]["parameters"]))
        except CannotBind as error:
            found.troubles[name].add(str(error))
            continue
        _enter(found, rows, call)
        if row not in found.behaviours:
            _enter_without_graph(found, rows, call)


def collect_modules(found: Collection) -> None:
    """Observe modules of our own, and torch's module database."""
    for name, call, trouble in chain(own_calls(), database_calls()):
        if call is None:
            found.troubles[name].add(trouble)
            continue
        if is_degenerate(call):
            continue
        try:
            found.behaviours[name].append(behaviour(call))
        except (NotObservable, *REFUSALS) as error:
            found.troubles[name].add(str(error).partition("\n")[0])


def _enter(found: Collection, rows: Rows, call: Call) -> None:
    row = canonical(call.name, rows)
    if is_degenerate(call):
        return
    if row is None:
        found.troubles[call.name].add("the catalog doesn't know the name")
        return
    try:
        seen = behaviour(call)
    except (NotObservable, *REFUSALS) as error:
        found.troubles[row].add(str(error).partition("\n")[0])
    else:
        found.behaviours[row].append(seen)


def _enter_without_graph(found: Collection, rows: Rows, call: Call) -> None:
    row = canonical(call.name, rows)
    if row is None or is_degenerate(call):
        return
    try:
        seen = behaviour_without_graph(call)
    except (NotObservable, *REFUSALS) as error:
        found.troubles[row].add(str(error).partition("\n")[0])
    else:
        found.without_graph[row].append(seen)
