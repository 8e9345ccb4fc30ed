"""The memory of tensors: their parts, which bytes they cover, copies of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

import torch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

Extent: TypeAlias = tuple[int, int]
"""First byte in the storage, and the byte after the last one."""

REFUSALS = (RuntimeError, NotImplementedError, AttributeError)
"""What a tensor without a storage raises when it is asked for one."""

PLAIN = (torch.Tensor, torch.nn.Parameter)

n_modes: Callable[[], int] = torch._C._len_torch_dispatch_stack
"""How many dispatch modes of the program are at work on the calling thread."""

_COMPRESSED_ROWS = ("crow_indices", "col_indices", "values")
_COMPRESSED_COLUMNS = ("ccol_indices", "row_indices", "values")
_PARTS = {
    torch.sparse_coo: ("_indices", "_values"),
    torch.sparse_csr: _COMPRESSED_ROWS,
    torch.sparse_bsr: _COMPRESSED_ROWS,
    torch.sparse_csc: _COMPRESSED_COLUMNS,
    torch.sparse_bsc: _COMPRESSED_COLUMNS,
}


def parts_of(tensor: Any) -> Iterator[Any]:
    """Yield the tensors with a storage of which a tensor consists; mostly the tensor itself."""
    if type(tensor) not in PLAIN and is_traceable_wrapper_subclass(tensor):
        for name in tensor.__tensor_flatten__()[0]:
            part = getattr(tensor, name)
            if isinstance(part, torch.Tensor):  # a sharded one also names its mesh
                yield from parts_of(part)
    elif tensor.layout in _PARTS:
        for name in _PARTS[tensor.layout]:
            yield getattr(tensor, name)()
    elif tensor.layout is torch.strided:
        yield tensor


def physical(tensor: Any) -> Any:
    """Return the tensor with memory inside the wrappers of `torch.func` (``vmap``, ``grad``); None for any other.

    Source: torch/_C/_functorch.pyi, torch 2.13.0.
    """
    functorch: Any = torch._C._functorch
    if not functorch.is_functorch_wrapped_tensor(tensor):
        return None
    try:
        while functorch.is_functorch_wrapped_tensor(tensor):
            tensor = functorch.get_unwrapped(tensor)
    except REFUSALS:
        return None
    return tensor


def values_of(tensor: Any) -> Any:
    """Return the values of a sparse tensor, which live in one storage; None for any other."""
    with torch._C.DisableTorchFunction():
        try:
            return getattr(tensor, _PARTS[tensor.layout][-1])() if tensor.layout in _PARTS else None
        except REFUSALS:
            return None


def key_of(tensor: Any) -> int | None:
    """Return the key of the storage of a part; None for one that has none (functorch wrappers)."""
    try:
        key: int = tensor.untyped_storage()._cdata
    except REFUSALS:
        return None
    return key


def byte_extent(tensor: Any) -> Extent:
    """Return the stretch of its storage that a strided tensor covers."""
    item = tensor.element_size()
    start = tensor.storage_offset() * item
    if tensor.numel() == 0:
        return start, start
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return start, start + (last + 1) * item


def meet(one: Extent, other: Extent) -> bool:
    """Return whether two stretches share a byte."""
    return one[0] < other[1] and other[0] < one[1]


def geometry_of(tensor: Any) -> tuple[object, ...] | None:
    """Return what two tensors over one storage have in common exactly when they show the same; None where unknown."""
    if type(tensor) is not torch.Tensor or tensor.layout is not torch.strided:
        return None
    shown = (tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype, tensor.is_conj(), tensor.is_neg())
    return key_of(tensor), *shown


def is_shown(tensor: Any) -> bool:
    """Return whether dispatch modes of the program would see what is done to a tensor, even in `unseen`."""
    return n_modes() > 0 and type(tensor) not in PLAIN


def unseen(tensor: Any) -> AbstractContextManager[object]:
    """Return a context in which what is done to a plain tensor is not shown to the dispatch modes of the program."""
    is_hidden = n_modes() > 0 and type(tensor) in PLAIN
    return torch._C._DisableTorchDispatch() if is_hidden else nullcontext()


def copy_of(tensor: Any) -> Any:
    """Return a copy outside the graph that may be saved for backward.

    Effect: takes memory.
    """
    with torch.inference_mode(False), torch.no_grad(), torch._C.DisableTorchFunction(), unseen(tensor):
        return tensor.clone()


def n_bytes_of(tensor: Any) -> int:
    """Return how many bytes the elements of a tensor take."""
    return sum(part.numel() * part.element_size() for part in parts_of(tensor))


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in a value: itself, or in tuples, lists and values of dicts."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from tensors_in(each)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def share_storage(one: Any, other: Any) -> bool:
    """Return whether two tensors live in the same memory."""
    keys = {key_of(part) for part in parts_of(one)} - {None}
    return any(key_of(part) in keys for part in parts_of(other))


def with_copy(packed: Any, original: Any, copy: Any) -> Any:
    """Return ``packed`` with each alias of ``original`` replaced by one of its copy."""
    if isinstance(packed, torch.Tensor):
        if not share_storage(packed, original):
            return packed
        if packed.shape == original.shape and packed.stride() == original.stride():
            return copy
        return copy_of(packed)
    if isinstance(packed, dict):
        return {key: with_copy(value, original, copy) for key, value in packed.items()}
    if type(packed) in (tuple, list):
        return type(packed)(with_copy(each, original, copy) for each in packed)
    if isinstance(packed, tuple):
        return type(packed)(*(with_copy(each, original, copy) for each in packed))
    return packed
