"""Observes every call that the table is made from."""

from __future__ import annotations

import time
import warnings
from collections import defaultdict
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
from gradsan.frameworks.torch.table.probe import behaviour, is_degenerate
from gradsan.frameworks.torch.table.programs import programs

SECONDS_PER_OPERATION = 20

Rows = dict[str, dict[str, Any]]


@dataclass(slots=True)
class Collection:
    """What was observed, by row, and what could not be."""

    behaviours: dict[str, list[Behaviour]] = field(default_factory=lambda: defaultdict(list))
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
    same = same_objects(rows)
    for name, args, keywords in programs():
        name = same.get(name, name)
        known = parameters(name)
        function = resolve(name)
        if known is None or function is None:
            found.troubles[name].add("the catalog doesn't know the name")
            continue
        if not callable(function):
            function = function.__get__
        try:
            _enter(found, rows, bind(name, function, args, keywords, parameters=known))
        except CannotBind as error:
            found.troubles[name].add(str(error))
    collect_modules(found)
    return found


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
        except (NotObservable, RuntimeError, TypeError, ValueError, NotImplementedError) as error:
            found.troubles[name].add(str(error).partition("\n")[0])


def _enter(found: Collection, rows: Rows, call: Call) -> None:
    row = canonical(call.name, rows)
    if is_degenerate(call):
        return
    if row is None:
        found.troubles[call.name].add("the catalog doesn't know the name")
        return
    try:
        found.behaviours[row].append(behaviour(call))
    except (NotObservable, RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        found.troubles[row].add(str(error).partition("\n")[0])
