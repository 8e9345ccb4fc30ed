"""Checkpointed functions: what they compute is computed again when backward needs it, from their inputs."""

from __future__ import annotations

import ast
from dataclasses import replace

from gradsan.model.event import ViewKind
from gradsan.source.flow.branches import truth_of
from gradsan.source.flow.calling import opaque_call
from gradsan.source.flow.custom import is_own_view
from gradsan.source.flow.graph import Grad
from gradsan.source.flow.machine import Arguments, Frame, call
from gradsan.source.flow.tensors import grad_of, node_of, record_save, roots_of, view_of
from gradsan.source.flow.values import Opaque, Tensor, Value, tensors_in


def call_checkpoint(frame: Frame, dotted: str, arguments: Arguments, node: ast.AST) -> Value | None:
    """Run a checkpointed function; the reentrant kind hands it its inputs as leaves when it runs it again.

    That kind keeps its inputs in any case, the other one reads them only where something was saved.
    Source: torch/utils/checkpoint.py, CheckpointFunction (2.13.0).
    """
    if not arguments.positional:
        return None
    if dotted.endswith("checkpoint_sequential"):
        return opaque_call(frame, Opaque(), arguments, node)
    given = arguments.positional[1:]
    setting = arguments.keywords.get("use_reentrant")
    is_reentrant = setting is not None and truth_of(setting) is True
    if is_reentrant:
        given = [replace(v, is_leaf=v.grad is Grad.YES) if isinstance(v, Tensor) else v for v in given]
    keywords = {k: v for k, v in arguments.keywords.items() if k not in ("use_reentrant", "preserve_rng_state")}
    n_touched, start = len(frame.machine.touched), frame.machine.tick()
    result = call(frame, arguments.positional[0], Arguments(given, keywords, arguments.is_exact), node)
    if is_reentrant or any(sequence > start for sequence in frame.machine.last_saves.values()):
        _save_inputs(frame, given, result, node)
    made = {id(storage) for storage in frame.machine.touched[n_touched:]}
    _drop_saves(result, made)
    if is_reentrant and isinstance(result, Tensor) and id(result.storage) in made and is_own_view(result, set()):
        view = view_of(frame, result, "checkpoint", node, kind=ViewKind.CUSTOM_FUNCTION)
        return replace(view, grad=result.grad, roots=result.roots, node=result.node)
    return result


def _save_inputs(frame: Frame, given: list[Value], result: Value, node: ast.AST) -> None:
    """Record that the inputs are kept: what the function saved is computed again from them."""
    outcome = next((tensor for tensor in tensors_in(result) if node_of(tensor) is not None), None)
    graph = node_of(outcome) if outcome is not None else None
    if outcome is None or graph is None:
        return
    need, roots = grad_of(outcome), roots_of(outcome)
    for tensor in given:
        if isinstance(tensor, Tensor):
            record_save(
                frame,
                tensor,
                node=graph,
                place=frame.place(node),
                operation="checkpoint",
                operand="input",
                grad=need,
                roots=roots,
            )


def _drop_saves(result: Value, made: set[int]) -> None:
    """Forget that the function saved what it made and returns: backward reads another one, that is made then.

    Source: run with torch 2.13.0, both kinds.
    """
    for tensor in tensors_in(result):
        if tensor.storage.is_own and id(tensor.storage) in made:
            tensor.storage.saves.clear()
