"""The full trace: every operation that reaches the dispatcher, so that no counted write goes unseen.

A kernel of an extension, a C++ collective, a write inside a library that holds its own reference to an operation: the
wrappers miss these, the dispatcher does not.  It costs each operation a Python call.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gradsan.frameworks.torch.frames import written_at
from gradsan.record.writes import GRAD_ENABLED

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

# Source: torch/csrc/distributed/c10d/Ops.cpp: these schemas carry no alias annotation, and write what they are given.
_COLLECTIVES = "c10d::"


class FullTrace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Logs the arguments that each operation's schema says it writes."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._recorder = recorder
        self._written: dict[Any, tuple[int, ...]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, then log what it wrote."""
        kwargs = kwargs or {}
        number = self._recorder.next_number()
        result = func(*args, **kwargs)
        if not self._recorder.is_quiet():
            with self._recorder.border():
                for tensor in self._tensors_written(func, args, kwargs):
                    self._log(tensor, func, number)
        return result

    def start(self) -> None:
        """Follow the calling thread.

        Effect: pushes the mode.
        """
        self.__enter__()  # type: ignore[no-untyped-call]

    def stop(self) -> None:
        """Undo `start`."""
        self.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def _tensors_written(self, func: Any, args: Any, kwargs: Any) -> list[torch.Tensor]:
        schema = func._schema
        if schema.name.startswith(_COLLECTIVES):
            values = [*args, *kwargs.values()]
        else:
            values = [
                args[at] if at < len(args) else kwargs.get(argument.name)
                for at, argument in enumerate(schema.arguments)
                if argument.alias_info is not None and argument.alias_info.is_write
            ]
        flat = [each for value in values for each in (value if isinstance(value, (list, tuple)) else (value,))]
        return [each for each in flat if isinstance(each, torch.Tensor)]

    def _log(self, tensor: torch.Tensor, func: Any, number: int) -> None:
        storage: Any = tensor.untyped_storage()
        at = written_at(self._recorder.user_code, sys._getframe(4))
        pending = self._recorder.writes.pending
        # Below autograd: the counter moves when the operation returns to it.
        after = tensor._version + 1
        flags = GRAD_ENABLED if torch.is_grad_enabled() else 0
        name = func._schema.name.removeprefix("aten::")
        key, weak, order = storage._cdata, storage._weak_ref(), self._recorder.writes.next_order()
        pending.append((key, weak, name, after, number, order, flags, at))
