"""Buffers that data-parallel modules overwrite before each forward.

# NOTE [Replicated buffers] `DistributedDataParallel` broadcasts the buffers of the first rank before every forward
pass, and since torch 2.13 hides that from the version counter.  Most of the time the bytes are the same on all ranks:
a broadcast is a write only where it changes something.  That is asked of buffers alone that a graph may hold, and that
lie on the CPU; elsewhere it would wait for the device.
Source: torch/nn/parallel/distributed.py (`_sync_buffers`, `_distributed_broadcast_coalesced`), torch 2.13.0.
"""

from __future__ import annotations

import functools
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.doors import Callee, Patches

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder


ON_DEVICE = (
    "buffers that data-parallel modules broadcast are compared on the CPU only: one on a device may have changed"
)


def wrap(recorder: Recorder, patches: Patches) -> None:
    """Follow what the broadcasts of buffers change.

    Effect: until the patches are restored.
    """
    if torch.distributed.is_available():
        owner: Any = torch.nn.parallel.DistributedDataParallel
        patches.set(owner, "_sync_buffers", _syncing(recorder, owner._sync_buffers))


def _syncing(recorder: Recorder, original: Callee) -> Callee:
    @functools.wraps(original)
    def sync(module: Any, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return original(module, *args, **kwargs)
        before = copies(module)
        result = original(module, *args, **kwargs)
        if before:
            note(before, sys._getframe(1))
        return result

    def copies(module: Any) -> list[tuple[Any, Any]]:
        found = []
        with recorder.border(), torch.no_grad():
            for buffer in getattr(module, "modules_buffers", ()):
                if not recorder.may_be_held(buffer):
                    continue
                if buffer.is_cpu:
                    found.append((buffer, buffer.detach().clone()))
                    continue
                for session in recorder.sessions:
                    session.say_not_covered(ON_DEVICE)
        return found

    def note(before: list[tuple[Any, Any]], frame: FrameType) -> None:
        with recorder.border(), torch.no_grad():
            changed = [buffer for buffer, copy in before if not torch.equal(buffer, copy)]
        for buffer in changed:
            recorder.suspicion.note_write(buffer, "broadcast", recorder.next_number(), frame)

    return sync
