"""What a custom Function keeps on its context: tensors, and the parameters of modules that its backward runs.

# NOTE [Modules on the context] A Function that recomputes keeps a module, and saves none of its parameters.  What was
written of them meanwhile is told where backward reads it: by its name, or because its module is called.  Buffers are
left out: a norm in train mode writes its statistics and never reads them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType
from typing import Any

import torch

MAX_PARAMETERS = 256


def held_on(node: Any) -> dict[str, Any]:
    """Return what a node's attributes hold, by name: also what stands in lists, tuples and dicts."""
    found: dict[str, Any] = {}
    for name, value in vars(node).items():
        found[name] = value
        if isinstance(value, (list, tuple)):
            found.update((f"{name}[{n}]", each) for n, each in enumerate(value))
        elif isinstance(value, dict):
            found.update((f"{name}[{key!r}]", each) for key, each in value.items())
    found.update((name, each) for name, each, _ in list(_parameters_in(found)))
    return found


def owners_on(node: Any) -> dict[str, torch.nn.Module]:
    """Return the modules that own the parameters which `held_on` names by way of a module."""
    return {name: owner for name, _, owner in _parameters_in(held_on(node))}


def _parameters_in(held: dict[str, Any]) -> Iterator[tuple[str, torch.nn.Parameter, torch.nn.Module]]:
    for name, value in held.items():
        for module in _modules_of(value):
            yield from ((f"{name}.{path}", each, owner) for path, each, owner in _parameters_of(module))


def _modules_of(value: Any) -> Iterator[torch.nn.Module]:
    """Yield the module that a value is, or those that a function reaches: its own, or in its closure."""
    if isinstance(value, torch.nn.Module):
        yield value
    elif isinstance(value, functools.partial):
        yield from (module for each in (value.func, *value.args) for module in _modules_of(each))
    elif isinstance(value, MethodType) and isinstance(value.__self__, torch.nn.Module):
        yield value.__self__
    elif isinstance(value, FunctionType):
        yield from (cell for cell in _cells_of(value) if isinstance(cell, torch.nn.Module))


def _cells_of(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue


def _parameters_of(root: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Parameter, torch.nn.Module]]:
    left = MAX_PARAMETERS
    for prefix, module in root.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if left == 0:
                return
            left -= 1
            yield (f"{prefix}.{name}" if prefix else name), parameter, module


def names(code: CodeType | None, path: str) -> bool:
    """Return whether a function names the attribute at the end of a path."""
    return code is not None and path.rpartition(".")[2] in code.co_names


class Calls:
    """Whether a module is called from now on, until `end`."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.were_seen = False
        self._handle = module.register_forward_pre_hook(self._note)

    def _note(self, _module: torch.nn.Module, _inputs: Any) -> None:
        self.were_seen = True

    def end(self) -> bool:
        """Stop looking; return whether there was a call.

        Effect: removes the hook.
        """
        self._handle.remove()
        return self.were_seen
