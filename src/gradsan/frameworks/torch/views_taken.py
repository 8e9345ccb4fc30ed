"""Whether the program takes a parameter that it writes, or a view of it, for a value of its own.

# NOTE [Views taken for values] ``weight[i].mul_(gain)`` sets a part of the parameter, and nobody looks at the view
again: the layer reads the parameter itself.  A function that normalises what it is given, and puts that into a picture,
reads the view: it wants the values, and may not know whose memory they lie in.  Whether the parameter was to change as
well, no run can tell.  So each view that is there when a parameter is written through one is watched: taken is what is
read of it after the last write to the same memory.  What is read to write the next part, or the same one again, is not.

A parameter that a module returned is a value as well: whoever writes to it writes to what the module computed.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_hook
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle
from torch.utils.weak import WeakTensorKeyDictionary

from gradsan.frameworks.torch import doors
from gradsan.frameworks.torch.graph import base_of
from gradsan.frameworks.torch.regions import tensors_in

_ASKED_OF = frozenset({"_base", "grad", "grad_fn"})
"""Properties that give a tensor, and read no value."""

Extent = tuple[int, int]
"""The first byte of a tensor, and the one behind its last."""


class ViewsTaken(TorchFunctionMode):
    """Watches what modules return, and the views of parameters that refused writes went through."""

    def __init__(self) -> None:
        super().__init__()
        self._handle: RemovableHandle | None = None
        self._returned: Any = WeakTensorKeyDictionary()
        """Parameters that a module returned."""
        self.writes_output = False
        """Whether a refused write went to one of them."""
        tensors, _ = doors.writing_operations()
        self._writing = frozenset(doors.methods_that_write(tensors))
        self._views: list[weakref.ref[torch.Tensor]] = []
        self._written: list[Extent] = []
        self._read: list[Extent] = []
        self._is_watching = False

    def start(self) -> None:
        """Begin to note what modules return."""
        self._handle = register_module_forward_hook(self._note_output)

    def note_refused(self, tensor: torch.Tensor) -> None:
        """Take in that a refused write goes to a tensor."""
        base = base_of(tensor)
        self.writes_output = self.writes_output or base in self._returned
        if base is not tensor and isinstance(base, torch.nn.Parameter):
            self._watch(tensor)

    def _note_output(self, *called: Any) -> None:
        for each in tensors_in(called[-1]):
            if isinstance(each, torch.nn.Parameter):
                self._returned[each] = True

    def _watch(self, view: torch.Tensor) -> None:
        """Begin to watch a view that is written, and all others of its memory that are there."""
        known = {id(each()) for each in self._views}
        with torch._C.DisableTorchFunction():
            memory = view.untyped_storage().data_ptr()
            for found in gc.get_objects():
                if type(found) is not torch.Tensor or id(found) in known or found.layout is not torch.strided:
                    continue
                if found._is_view() and found.untyped_storage().data_ptr() == memory:
                    self._views.append(weakref.ref(found))
        if not self._is_watching:
            self._is_watching = True
            self.__enter__()  # type: ignore[no-untyped-call]

    def stop(self) -> bool:
        """Watch no longer.

        Returns:
            Whether a view was read after the last write to what it shows.
        """
        if self._handle is not None:
            self._handle.remove()
        if self._is_watching:
            self._is_watching = False
            self.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        return bool(self._read)

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Note what an operation writes and reads.

        Effect: runs the operation.
        """
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name == "__get__" and getattr(getattr(func, "__self__", None), "__name__", "") in _ASKED_OF:
            return result
        writes = name in self._writing and bool(args) and isinstance(args[0], torch.Tensor)
        if not writes and not _holds_tensor(result):
            return result
        for given in (*(args[1:] if writes else args), *(kwargs or {}).values()):
            if isinstance(given, torch.Tensor) and any(each() is given for each in self._views):
                extent = _extent_of(given)
                self._read += [extent] if _meets(extent, self._written) else []
        if writes:  # `weight[0] *= 2` puts the view back where it is from
            self._note_write(args[0])
        return result

    def _note_write(self, tensor: torch.Tensor) -> None:
        extent = _extent_of(tensor)
        self._written.append(extent)
        self._read = [read for read in self._read if not _meets(extent, [read])]


def _holds_tensor(result: Any) -> bool:
    if isinstance(result, (tuple, list)):
        return any(isinstance(each, torch.Tensor) for each in result)
    return isinstance(result, torch.Tensor)


def _extent_of(tensor: torch.Tensor) -> Extent:
    with torch._C.DisableTorchFunction():
        if tensor.layout is not torch.strided or not tensor.numel():
            return (0, 0)
        start = tensor.data_ptr()
        steps = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
        return (start, start + (steps + 1) * tensor.element_size())


def _meets(extent: Extent, others: list[Extent]) -> bool:
    return any(extent[0] < end and start < extent[1] for start, end in others)
