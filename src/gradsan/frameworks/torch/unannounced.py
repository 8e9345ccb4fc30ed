"""Writes that no wrapper of the recorder guards, and what hands memory out to others: told before they happen."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from gradsan.frameworks.torch.collectives import COLLECTIVES
from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.suspicion import STORAGE_WRITES

Callee = Callable[..., Any]
Tell = Callable[[Any, str], None]

_HANDS_OUT = ("numpy", "__array__", "__dlpack__", "share_memory_")


def guard_unannounced(patches: Patches, guard: Tell) -> None:
    """Tell ``guard`` a tensor and an operation before a storage, a collective or a replica's exchange is written.

    Effect: wraps functions and methods of torch, until the patches are restored.
    """
    for name in STORAGE_WRITES:
        patches.set(torch.UntypedStorage, name, _storage_write(getattr(torch.UntypedStorage, name), name, guard))
    if torch.distributed.is_available():
        for name in COLLECTIVES:
            patches.set(torch.distributed, name, _collective(getattr(torch.distributed, name), name, guard))
        replica: Any = DistributedDataParallel
        patches.set(replica, "_sync_buffers", _exchange(replica._sync_buffers, guard))


def watch_hand_outs(patches: Patches, guard: Tell, note: Tell) -> None:
    """Tell ``guard`` before a tensor's memory is handed out, and ``note`` afterwards.

    Effect: wraps methods of `torch.Tensor`, until the patches are restored.
    """
    for name in _HANDS_OUT:
        patches.set(torch.Tensor, name, _handing_out(getattr(torch.Tensor, name), name, guard, note))


def _handing_out(original: Callee, name: str, guard: Tell, note: Tell) -> Callee:
    @functools.wraps(original)
    def hand_out(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        guard(tensor, name)
        result = original(tensor, *args, **kwargs)
        note(tensor, name)
        return result

    return hand_out


def _storage_write(original: Callee, name: str, guard: Tell) -> Callee:
    @functools.wraps(original)
    def write(storage: Any, *args: Any, **kwargs: Any) -> Any:
        if not torch.compiler.is_compiling():
            guard(_whole(storage), name)
        return original(storage, *args, **kwargs)

    return write


def _whole(storage: Any) -> torch.Tensor:
    # The engine's own `set_`, which no wrapper sees.
    elements = torch.empty(0, dtype=torch.uint8, device=storage.device)
    with torch._C.DisableTorchFunction():
        torch._C.TensorBase.set_(elements, storage)
    return elements


def _collective(original: Callee, name: str, guard: Tell) -> Callee:
    first = next(iter(inspect.signature(original).parameters))

    @functools.wraps(original)
    def collective(*args: Any, **kwargs: Any) -> Any:
        written = args[0] if args else kwargs.get(first)
        if not torch.compiler.is_compiling():
            for each in written if isinstance(written, (list, tuple)) else (written,):
                if isinstance(each, torch.Tensor):
                    guard(each, name)
        return original(*args, **kwargs)

    return collective


def _exchange(original: Callee, guard: Tell) -> Callee:
    @functools.wraps(original)
    def exchange(replica: Any, *args: Any, **kwargs: Any) -> Any:
        for buffer in replica.module.buffers():
            guard(buffer, "_sync_buffers")
        return original(replica, *args, **kwargs)

    return exchange
