"""Lightning's modules: the optimizers that a module configures itself, and the backward passes that it runs by hand.

Source: pytorch_lightning 2.6, core/module.py, `optimizers` and `manual_backward`; configure_optimizers' results.
"""

from __future__ import annotations

import ast

from gradsan.source.flow.machine import Arguments, Frame, call, get_attribute
from gradsan.source.flow.training import call_backward_of
from gradsan.source.flow.values import Instance, Mapping, Optimizer, Sequence, Value
from gradsan.source.hierarchy import linearize

_CONFIGURED = "<optimizers>"


def is_lightning_method(frame: Frame, module: Instance, name: str) -> bool:
    """Return whether a name is that of a method which Lightning gives to its modules, and that is followed here."""
    if name not in ("optimizers", "manual_backward"):
        return False
    return any(base.endswith(".LightningModule") for base in linearize(frame.machine.project, module.info)[1])


def lightning_method(frame: Frame, module: Instance, name: str, arguments: Arguments, node: ast.AST) -> Value | None:
    """Call a method that Lightning gives to its modules; None for others."""
    if not is_lightning_method(frame, module, name):
        return None
    if name == "optimizers":
        return _optimizers(frame, module, node)
    return call_backward_of(frame, name, arguments, node) if arguments.positional else None


def _optimizers(frame: Frame, module: Instance, node: ast.AST) -> Value | None:
    """Return the optimizer that a module configures, or a list of several; None where it isn't known."""
    known = module.attributes.get(_CONFIGURED)
    if known is None:
        configured = call(frame, get_attribute(frame, module, "configure_optimizers", node), Arguments(), node)
        found = _among(configured)
        if not found:
            return None
        known = found[0] if len(found) == 1 else Sequence(list(found))
        frame.machine.journal.set(module.attributes, _CONFIGURED, known)
    return known


def _among(configured: Value | None) -> list[Optimizer]:
    """Return the optimizers of a result: one, several, several with their schedulers, or dictionaries of them."""
    match configured:
        case Optimizer():
            return [configured]
        case Mapping():
            return _among(configured.items.get("optimizer"))
        case Sequence(items=[Sequence() as first, *_]):
            return _among(first)
        case Sequence(items=items):
            return [found for item in items for found in _among(item)]
    return []
