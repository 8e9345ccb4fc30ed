"""The values that a program's names lead to, noted so that two runs can be compared."""

from __future__ import annotations

import sys
from array import array
from collections import deque
from collections.abc import Iterator
from typing import Any

import torch

from gradsan.record.observations import Sample

SMALL = 4096
"""Elements up to which a tensor is noted whole."""
N_PARTS = 1024
"""Of a larger tensor, how many values are noted, and sums of how many parts."""
MAX_OBJECTS = 20_000
MAX_DEPTH = 8
LARGEST = 2**53
"""Larger whole numbers are addresses and hashes."""

_OF_EVERY_MODULE = frozenset(vars(torch.nn.Module()))
_FOREIGN = frozenset({"torch", "numpy", "gradsan", *sys.stdlib_module_names} - {"__main__"})


def sample_of(tensor: Any) -> Sample | None:
    """Note a tensor's values; None for what has none that can be read (meta, sparse, no tensor at all)."""
    if not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided or tensor.device.type == "meta":
        return None
    try:
        with torch.no_grad():
            tensor = _unwrapped(tensor)
            plain = tensor.detach()
            values = torch.view_as_real(plain.resolve_conj()) if plain.is_complex() else plain
            values = values.reshape(-1).to("cpu", torch.float64)
            shape, dtype = tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")
            if values.numel() <= SMALL:
                return Sample(shape, dtype, array("d", values.tolist()))
            parts = torch.nn.functional.pad(values, (0, -values.numel() % N_PARTS)).view(N_PARTS, -1)
            spread = values[:: values.numel() // N_PARTS]
            columns = (array("d", column.tolist()) for column in (spread, parts.sum(1), parts.abs().sum(1)))
            return Sample(shape, dtype, *columns)
    except (RuntimeError, NotImplementedError):
        return None


def _unwrapped(tensor: Any) -> Any:
    """Return the values of all samples, where a transform shows one of them."""
    functorch: Any = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(tensor):
        tensor = functorch.get_unwrapped(functorch.unwrap_if_dead(tensor))
    return tensor


def sample_of_numbers(value: Any) -> Sample:
    """Note a number, or a list of numbers."""
    numbers = value if isinstance(value, (list, tuple)) else [value]
    return Sample((len(numbers),), "float64", array("d", map(float, numbers)))


def _is_numbers(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(_is_numbers(item) for item in value) and not isinstance(value[0], (list, tuple))
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST


def walk(names: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the tensors and numbers that names lead to, through containers, modules and the program's own objects."""
    seen: set[int] = set()
    waiting = [(name, value, 0) for name, value in names.items() if not name.startswith("__")]
    while waiting and len(seen) < MAX_OBJECTS:
        path, value, depth = waiting.pop(0)
        if type(value).__module__ == "numpy" and hasattr(value, "__array_interface__"):
            value = torch.as_tensor(value) if value.dtype.kind in "fiubc" else None
        if isinstance(value, torch.Tensor) or _is_numbers(value):
            yield path, value
            continue
        if depth >= MAX_DEPTH or id(value) in seen:
            continue
        seen.add(id(value))
        waiting += [(_joined(path, key), inner, depth + 1) for key, inner in _parts(value)]


def _parts(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return [(key, inner) for key, inner in value.items() if isinstance(key, (str, int))]
    if isinstance(value, (list, tuple, deque)):
        return list(enumerate(value))
    if isinstance(value, torch.nn.Module):
        own = vars(value)
        parts = [*own["_parameters"].items(), *own["_buffers"].items(), *own["_modules"].items()]
        return parts + [(key, inner) for key, inner in own.items() if key not in _OF_EVERY_MODULE]
    if isinstance(value, type) or type(value).__module__.partition(".")[0] in _FOREIGN:
        return []
    return list(getattr(value, "__dict__", {}).items())


def _joined(path: str, key: Any) -> str:
    return f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}"
