"""What a custom Function keeps on its context: tensors and arrays, and what the modules that its backward runs read.

# NOTE [Modules on the context] A Function that recomputes keeps a module, and saves none of its parameters.  What was
written of them meanwhile is told where backward reads it: by its name, or because its module is called.  Buffers count
where the module is in eval mode, both times: a norm in train mode writes its statistics and never reads them.

# NOTE [Arrays on the context] An array of NumPy, which has no version, is compared as a tensor over its memory.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType
from typing import Any

import torch

from gradsan.record.frames import Site

MAX_PARAMETERS = 256
_KINDS = "fiubc"
"""Kinds of arrays of which PyTorch can make a tensor."""


def held_on(node: Any, *, in_any_mode: bool = False) -> dict[str, Any]:
    """Return what a node's attributes hold, by name: also what stands in lists, tuples and dicts.

    Args:
        node: A node of a custom Function.
        in_any_mode: Buffers too of modules that are in train mode now.
    """
    found: dict[str, Any] = {}
    for name, value in vars(node).items():
        found[name] = value
        if isinstance(value, (list, tuple)):
            found.update((f"{name}[{n}]", each) for n, each in enumerate(value))
        elif isinstance(value, dict):
            found.update((f"{name}[{key!r}]", each) for key, each in value.items())
    found.update((name, each) for name, each, _ in list(_read_in(found, in_any_mode)))
    return found


def tensor_of(value: Any) -> torch.Tensor | None:
    """Return a tensor, or the one over an array's memory; None for what is neither."""
    if isinstance(value, torch.Tensor):
        return value
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value) is not numpy.ndarray or value.dtype.kind not in _KINDS:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of arrays that are read only
            return torch.from_numpy(value)
    except (TypeError, ValueError, RuntimeError):  # strides below zero, bytes in the other order
        return None


def is_buffer(name: str, tensor: torch.Tensor) -> bool:
    """Return whether what `held_on` names is a buffer of a module."""
    return "." in name and not isinstance(tensor, torch.nn.Parameter)


def owners_on(node: Any) -> dict[str, torch.nn.Module]:
    """Return the modules that own the parameters and buffers which `held_on` names by way of a module."""
    return {name: owner for name, _, owner in _read_in(held_on(node, in_any_mode=True), True)}


def _read_in(held: dict[str, Any], in_any_mode: bool) -> Iterator[tuple[str, torch.Tensor, torch.nn.Module]]:
    for name, value in held.items():
        for module in _modules_of(value):
            yield from ((f"{name}.{path}", each, owner) for path, each, owner in _read_by(module, in_any_mode))


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


def _read_by(root: torch.nn.Module, in_any_mode: bool) -> Iterator[tuple[str, torch.Tensor, torch.nn.Module]]:
    left = MAX_PARAMETERS
    for prefix, module in root.named_modules():
        buffers = () if module.training and not in_any_mode else module.named_buffers(recurse=False)
        read = [each for each in buffers if each[1].is_floating_point()]  # no counters
        for name, each in (*module.named_parameters(recurse=False), *read):
            if left == 0:
                return
            left -= 1
            yield (f"{prefix}.{name}" if prefix else name), each, module


def names(code: CodeType | None, path: str) -> bool:
    """Return whether a function names the attribute at the end of a path."""
    return code is not None and path.rpartition(".")[2] in code.co_names


def beginning_of(function: Any) -> Site | None:
    """Return the line where a function of Python begins."""
    code = getattr(function, "__code__", None)
    return None if code is None else Site(code, -1, code.co_firstlineno)


class Calls:
    """Whether a module is called from now on, until `end`: in eval mode, where that is asked for a buffer."""

    def __init__(self, module: torch.nn.Module, *, of_buffer: bool) -> None:
        self.were_seen = False
        self._is_buffer = of_buffer
        self._handle = module.register_forward_pre_hook(self._note)

    def _note(self, module: torch.nn.Module, _inputs: Any) -> None:
        self.were_seen = self.were_seen or not (self._is_buffer and module.training)

    def end(self) -> bool:
        """Stop looking; return whether there was a call.

        Effect: removes the hook.
        """
        self._handle.remove()
        return self.were_seen
