"""What an operation saves, writes and aliases: one table per framework version, and its loader."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradsan.knowledge.condition import UNKNOWN, TensorFacts
    from gradsan.knowledge.operation import Case, Effect, Operation, Parameter
    from gradsan.knowledge.table import Table, agreement, load

__all__ = ["UNKNOWN", "Case", "Effect", "Operation", "Parameter", "Table", "TensorFacts", "agreement", "load"]

_HOMES = {
    **dict.fromkeys(("UNKNOWN", "TensorFacts"), "condition"),
    **dict.fromkeys(("Case", "Effect", "Operation", "Parameter"), "operation"),
    **dict.fromkeys(("Table", "agreement", "load"), "table"),
}
"""A name's home, imported on first use: which version the newest table is for is asked without any."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
