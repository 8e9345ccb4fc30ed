"""Calls into the engine inside which no wrapper sees: TorchScript, and operations taken from ``torch.ops``.

# NOTE [Versions around a call] What such a call has written is told by the version counters of what it was given.  A
tensor whose counter moved and whose node is the one it had was written where the tape could not see it: under
``no_grad``, or through a ``detach()`` inside.  What somebody has logged meanwhile is left to them: a custom operator
counts its own writes, a kernel written in Python is seen.

# NOTE [Only who calls them] The framework calls operations of ``torch.ops`` all the time.  They are wrapped once a file
of the program is met that takes some.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from gradsan.frameworks.torch.graph import node_of
from gradsan.frameworks.torch.regions import PLAIN, REFUSALS
from gradsan.frameworks.torch.storages import storage_key

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

TAKES_OPERATIONS = re.compile(r"\bops\.\w+\.\w+")
"""How a file reads that takes operations of ``torch.ops``."""

SCRIPTS = (torch._C.ScriptFunction, torch._C.ScriptMethod)
OPERATIONS = (torch._ops.OpOverload, torch._ops.OpOverloadPacket)


def name_of(callee: Any) -> str:
    """Return what a call is called: of an operation its name, as its schema has it, without the overload."""
    name = getattr(callee, "__name__", None) or getattr(callee, "name", "")
    return str(name).partition(".")[0]


class Given(NamedTuple):
    """A tensor that a call was given, and what tells whether the call wrote it."""

    tensor: torch.Tensor
    version: int
    node: Any


def given_to(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Given]:
    """Return the tensors among the arguments of a call, and in lists among them."""
    found = []
    for value in (*args, *kwargs.values()) if kwargs else args:
        for each in value if type(value) in (list, tuple) else (value,):
            if type(each) in PLAIN:
                try:
                    found.append(Given(each, each._version, node_of(each)))
                except REFUSALS:  # NOTE [Never disturb] in `wrappers`
                    continue
    return found


def written_by_call(recorder: Recorder, given: Sequence[Given], order: int) -> Iterator[tuple[torch.Tensor, bool]]:
    """Yield what a call wrote and nobody has logged since ``order``, and whether it made a node of the write."""
    for each in given:
        if each.tensor._version != each.version and not _is_logged(recorder, storage_key(each.tensor), order):
            yield each.tensor, node_of(each.tensor) is not each.node


def _is_logged(recorder: Recorder, key: int | None, order: int) -> bool:
    log = None if key is None else recorder.writes.find(key)
    return log is not None and log.runs[-1].last_order > order
