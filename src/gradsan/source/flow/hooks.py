"""Hooks of modules: what runs before a module, after it, and around its backward pass."""

from __future__ import annotations

import ast

from gradsan.model.event import ViewKind
from gradsan.source.flow.graph import Grad
from gradsan.source.flow.machine import Arguments, Frame, call
from gradsan.source.flow.tensors import view_of
from gradsan.source.flow.values import Const, Instance, Layer, Opaque, Sequence, Tensor, Value

AFTER = "<hooks>"
BEFORE = "<pre hooks>"
BACKWARD = "<backward hooks>"


def add_hook(frame: Frame, module: Instance | Layer, kind: str, hook: Value) -> None:
    """Register a hook."""
    known = module.attributes.get(kind)
    hooks = known.items if isinstance(known, Sequence) else []
    frame.machine.journal.set(module.attributes, kind, Sequence([*hooks, hook]))


def run_pre_hooks(frame: Frame, module: Instance | Layer, arguments: Arguments, node: ast.AST) -> Arguments:
    """Run what a module runs before its ``forward``; return what that is called with, wrapped for backward hooks."""
    hooks = module.attributes.get(BEFORE)
    for hook in hooks.items if isinstance(hooks, Sequence) else ():
        given = Sequence(list(arguments.positional), is_tuple=True)
        changed = call(frame, hook, Arguments([module, given]), node)
        if isinstance(changed, Sequence) and changed.is_tuple:
            arguments = Arguments(list(changed.items), arguments.keywords, arguments.is_exact)
        elif isinstance(changed, Tensor):
            arguments = Arguments([changed], arguments.keywords, arguments.is_exact)
    if BACKWARD in module.attributes and frame.machine.grad_enabled:
        wrapped = [_wrapped(frame, given, node) for given in arguments.positional]
        return Arguments(wrapped, arguments.keywords, arguments.is_exact)
    return arguments


def run_hooks(frame: Frame, module: Instance | Layer, arguments: Arguments, result: Value, node: ast.AST) -> Value:
    """Run the forward hooks of a module, and wrap its results where it has a full backward hook."""
    hooks = module.attributes.get(AFTER)
    if isinstance(hooks, Sequence):
        for hook in hooks.items:
            changed = call(frame, hook, Arguments([module, Sequence(arguments.positional), result]), node)
            if not isinstance(changed, Opaque) and not (isinstance(changed, Const) and changed.value is None):
                result = changed
    return _wrapped(frame, result, node) if BACKWARD in module.attributes else result


def _wrapped(frame: Frame, value: Value, node: ast.AST) -> Value:
    """Return what a full backward hook makes of a tensor that goes into the module, or comes out of it.

    Source: torch/utils/hooks.py, BackwardHook._apply_on_tensors (2.13.0).
    """
    if isinstance(value, Tensor) and value.grad is Grad.YES:
        return view_of(frame, value, "BackwardHookFunction", node, kind=ViewKind.MODULE_HOOK)
    return value
