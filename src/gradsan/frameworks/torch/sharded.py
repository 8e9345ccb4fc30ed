"""Fully sharded parameters: an optimizer writes the shard, the graph saved the gathered weight.

Source: torch/distributed/fsdp/_fully_shard/_fsdp_param.py (`FSDPParam`), torch 2.13.0: where the parameters are
resharded after the forward pass, the weight's memory is freed, and filled again from the shards before the backward.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from typing import Any

import torch

from gradsan.frameworks.torch.storages import storage_key

_MODULE = "torch.distributed.fsdp._fully_shard._fsdp_param"


def is_sharded(parameter: torch.Tensor) -> bool:
    """Return whether a parameter is a shard of a larger one."""
    module: Any = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(parameter, module.DTensor)


def gathered_keys() -> dict[int, int]:
    """Return the key of the storage that will be gathered again from each shard, by the identity of the parameter."""
    module: Any = sys.modules.get(_MODULE)
    if module is None:
        return {}
    found = {}
    for sharded in _living(module.FSDPParam):
        gathered = getattr(sharded, "_unsharded_param", None)
        key = None if gathered is None else storage_key(gathered)
        if key is not None and sharded.sharded_state is module.ShardedState.SHARDED:
            found[id(sharded.sharded_param)] = key
    return found


def _living(kind: type) -> Iterator[Any]:
    # `type(...)` and not `isinstance`: a lazy proxy's `__class__` may run code of the user.
    yield from [each for each in gc.get_objects() if type(each) is kind]
