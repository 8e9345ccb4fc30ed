"""What makes no graph: comparisons, whole-number conversions, facts of a tensor; observed for writes and aliases."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db

from gradsan.frameworks.torch.table.corpus import ParametersOf, Sample, op_samples
from gradsan.frameworks.torch.table.programs import Program, vector

SAMPLES = 4


def undifferentiable_samples(parameters_of: ParametersOf, *, only: frozenset[str] | None = None) -> Iterator[Sample]:
    """Yield samples of the database's operations that don't support autograd."""
    differentiable = {op.name for op in op_db if op.supports_autograd}
    for op in op_db:
        if op.name in differentiable or (only is not None and op.name not in only):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield from op_samples(op, parameters_of, dtype=_dtype(op), limit=SAMPLES, requires_grad=False)
            except (RuntimeError, TypeError, ValueError, AssertionError) as error:
                yield Sample(op.name, None, str(error).partition("\n")[0])


def _dtype(op: Any) -> torch.dtype:
    supported = op.supported_dtypes("cpu")
    return next((d for d in (torch.float64, torch.float32, torch.int64, torch.bool) if d in supported), torch.float64)


def unary_programs(rows: dict[str, dict[str, Any]]) -> Iterator[Program]:
    """Yield calls with one tensor, for the rows of which nothing else is known: `Tensor.shape`, `isfinite`."""
    for name, row in sorted(rows.items()):
        head, *rest = [p for p in row.get("parameters", ()) if p != "*"] or [""]
        if "cases" in row or head.partition(":")[0] not in ("self", "input") or _is_private(name):
            continue
        if all("=" in p and not p.endswith("!") for p in rest):
            for given in (vector(3, 4), vector(), torch.ones(3, dtype=torch.int64)):
                yield name, (given,), {}


def _is_private(name: str) -> bool:
    last = name.rpartition(".")[2]
    return last.startswith("_") and not last.endswith("__")
