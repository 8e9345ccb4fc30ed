"""Checkpointed functions: what they compute is computed again when backward needs it, from their inputs."""

from __future__ import annotations

import ast
from dataclasses import replace

from gradsan.source.flow.branches import truth_of
from gradsan.source.flow.calling import opaque_call
from gradsan.source.flow.graph import Grad
from gradsan.source.flow.machine import Arguments, Frame, call
from gradsan.source.flow.values import Opaque, Tensor, Value, tensors_in


def call_checkpoint(frame: Frame, dotted: str, arguments: Arguments, node: ast.AST) -> Value | None:
    """Run a checkpointed function; the reentrant kind hands it its inputs as leaves when it runs it again.

    Source: torch/utils/checkpoint.py, CheckpointFunction.backward (2.13.0).
    """
    if not arguments.positional:
        return None
    if dotted.endswith("checkpoint_sequential"):
        return opaque_call(frame, Opaque(), arguments, node)
    given = arguments.positional[1:]
    is_reentrant = arguments.keywords.get("use_reentrant")
    if is_reentrant is not None and truth_of(is_reentrant):
        given = [replace(v, is_leaf=v.grad is Grad.YES) if isinstance(v, Tensor) else v for v in given]
    keywords = {k: v for k, v in arguments.keywords.items() if k not in ("use_reentrant", "preserve_rng_state")}
    n_touched = len(frame.machine.touched)
    result = call(frame, arguments.positional[0], Arguments(given, keywords, arguments.is_exact), node)
    _drop_saves(frame, result, n_touched)
    return result


def _drop_saves(frame: Frame, result: Value, n_touched: int) -> None:
    """Forget that the function saved what it made and returns: backward reads another one, that is made then.

    Source: run with torch 2.13.0, both kinds.
    """
    made = {id(storage) for storage in frame.machine.touched[n_touched:]}
    for tensor in tensors_in(result):
        if tensor.storage.is_own and id(tensor.storage) in made:
            tensor.storage.saves.clear()
