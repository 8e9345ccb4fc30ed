"""Which values are the framework's, or can lead to it."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch

_KINDS = (torch.Tensor, torch.nn.Module, torch.autograd.Function, torch.optim.Optimizer)


def is_framework_value(value: Any) -> bool:
    """Return whether a value is a tensor, a module, or anything that the framework defines: functions and classes too.

    No code of the program's is run: what a value says of itself is not asked.
    """
    kind = type(value)
    if issubclass(kind, _KINDS) or _is_framework_name(kind.__module__):
        return True
    if issubclass(kind, ModuleType):
        return _is_framework_name(ModuleType.__getattribute__(value, "__name__"))
    if issubclass(kind, type):
        return issubclass(value, _KINDS) or _is_framework_name(value.__module__)
    if kind.__module__ != "builtins":
        return False
    owner = getattr(value, "__self__", None)
    return issubclass(type(owner), _KINDS) or _is_framework_name(getattr(value, "__module__", None))


def _is_framework_name(name: object) -> bool:
    return isinstance(name, str) and name.partition(".")[0] == torch.__name__
