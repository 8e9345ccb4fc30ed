"""State that a function hands back and is given again: what one call saved, the next one may overwrite."""

from __future__ import annotations

import ast
import re

from gradsan.source.flow.graph import Storage
from gradsan.source.flow.machine import Frame
from gradsan.source.flow.values import Opaque, Sequence, Value, tensors_in
from gradsan.source.index import FunctionInfo

_NO_STATE = re.compile(r"(?:^|_)(?:caches?|kv|past|incremental)(?:_|$)|past_key|cache$|^out$")
"""Names of what is kept while generating, without gradients, and of memory for the result, by convention."""


def fed_back(frame: Frame, info: FunctionInfo, parameters: dict[str, Value], result: Value) -> tuple[str, Value] | None:
    """Return the optional parameter whose own memory a function mutated, saved and returned, and the returned part.

    Without the argument the function starts from a state of its own, so whoever calls it twice passes that on.
    """
    if not frame.machine.grad_enabled:
        return None
    parts = result.items if isinstance(result, Sequence) and result.is_tuple else [result]
    for name in _optional(info):
        value = parameters.get(name)
        if value is None or _NO_STATE.search(name):
            continue
        own = {id(storage) for storage in _storages(value)}
        for part in parts:
            held = list(_storages(part))
            if own & {id(s) for s in held} and any(s.saves and s.version for s in held):
                return name, part
    return None


def _optional(info: FunctionInfo) -> list[str]:
    """Return the parameters that are None by default."""
    spec = info.node.args
    names = [*spec.posonlyargs, *spec.args]
    defaults = list(zip(names[len(names) - len(spec.defaults) :], spec.defaults, strict=True))
    defaults += [(p, d) for p, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d is not None]
    return [p.arg for p, default in defaults if isinstance(default, ast.Constant) and default.value is None]


def _storages(value: Value, depth: int = 3) -> list[Storage]:
    """Return the storages that a value holds, those of an unknown object's known items included."""
    found = [tensor.storage for tensor in tensors_in(value)]
    if isinstance(value, Opaque) and depth:
        for inner in value.attributes.values():
            found += _storages(inner, depth - 1)
    return found
