"""Accelerators: what prepares networks and optimizers for a device hands them back, wrapped."""

from __future__ import annotations

from gradsan.source.flow.machine import Arguments
from gradsan.source.flow.values import TRUE, Const, Opaque, Sequence, Value

_PRECISION = {
    "accelerate.Accelerator": "mixed_precision",
    "lightning.Fabric": "precision",
    "lightning.fabric.Fabric": "precision",
    "lightning_fabric.Fabric": "precision",
}
"""Classes, and how their setting is called that makes the layers of a prepared network save copies of their weights.

Source: accelerate 1.15, accelerator.py; lightning_fabric 2.6, fabric.py.
"""
_FULL = (None, "no", "32", "32-true", 32)
_PREPARE = frozenset({"prepare", "prepare_model", "prepare_optimizer", "setup", "setup_module", "setup_optimizers"})
_MARK = "<accelerator>"


def accelerator(dotted: str, arguments: Arguments) -> Opaque | None:
    """Return an accelerator in full precision; None for any other class, or where the precision isn't known."""
    setting = _PRECISION.get(dotted)
    if setting is None or not arguments.is_exact:
        return None
    given = arguments.keywords.get(setting)
    is_full = given is None or (isinstance(given, Const) and given.value in _FULL)
    return Opaque(attributes={_MARK: TRUE}) if is_full else None


def prepared(receiver: Opaque, name: str, arguments: Arguments) -> Value | None:
    """Return what a method of an accelerator hands back of what it is given; None for other objects and methods."""
    if _MARK not in receiver.attributes or name not in _PREPARE or not arguments.positional:
        return None
    given = arguments.positional
    return given[0] if len(given) == 1 else Sequence(list(given), is_exact=arguments.is_exact, is_tuple=True)
