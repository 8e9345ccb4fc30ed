"""Identity of storages: a key that is unique among the living, and weak references.

Source: torch/storage.py (`_cdata`, `_weak_ref`, `_expired`, `_free_weak_ref`), torch 2.13.0.  A StorageImpl whose last
strong reference goes frees its memory at once; the small control block, and so the key, stays until the last weak
reference goes.  That is what makes the key unique; see NOTE [Identity of a storage] in `record.writes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import torch

from gradsan.frameworks.torch.regions import REFUSALS, parts_of, physical, values_of

_Storage = cast(Any, torch.UntypedStorage)


def storage_key(tensor: torch.Tensor) -> int | None:
    """Return the key of a tensor's storage, of a sparse one that of its values; None for a tensor that has none."""
    try:
        with torch._C.DisableTorchFunction():
            return cast(int, tensor.untyped_storage()._cdata)
    except REFUSALS:
        inner = physical(tensor)
        inner = values_of(tensor) if inner is None else inner
        return None if inner is None else storage_key(inner)


def keys_of(tensor: torch.Tensor) -> Iterator[int]:
    """Yield the keys of the storages in which a tensor lives: several for a sharded one."""
    for part in parts_of(tensor):
        key = storage_key(part)
        if key is not None:
            yield key


n_holders: Callable[[int], int] = torch._C._storage_Use_Count
"""How many hold the storage of a key."""

WITH_OBJECT = 2
"""So many, where one tensor has a storage: the tensor, and the Python object by which the storage was asked for."""


def _n_without_object() -> int:
    tensor = torch.empty(1)
    return n_holders(tensor.untyped_storage()._cdata)


TENSOR_ALONE = _n_without_object()
"""So many, once that object was let go: newer versions keep it with the storage."""


def is_held(tensor: Any, n_own: int = 0) -> bool:
    """Return whether more than Python holds a tensor, or more than it and ``n_own`` others of ours its storage.

    A graph holds what it saved: a leaf itself, of another tensor the storage.
    """
    key = storage_key(tensor)
    return key is not None and (tensor._use_count() > 1 or n_holders(key) > TENSOR_ALONE + n_own)


is_dead: Callable[[object], bool] = _Storage._expired
"""Whether the storage of a weak reference has been freed."""

release: Callable[[object], None] = _Storage._free_weak_ref
"""Give a weak reference back; the control block of a dead storage is freed with its last one."""


def locate(reference: object) -> tuple[int, object] | None:
    """Return the key of a weakly referenced tensor's storage, and a weak reference to that; None where it has died.

    Source: torch/utils/weak.py (`_fix_weakref`: the tensor may live on without its Python object), torch 2.13.0.
    """
    tensor = cast(Callable[[], Any], reference)()
    if tensor is None:
        return None
    with torch._C.DisableTorchFunction():
        tensor._fix_weakref()
        key = tensor.untyped_storage()._weak_ref()
    return key, key


def n_bytes(weak: object) -> int | None:
    """Return the size of a weakly referenced storage in bytes; None when it has died."""
    if is_dead(weak):
        return None
    storage = _Storage._new_with_weak_ptr(weak)
    return None if storage is None else int(storage.nbytes())
