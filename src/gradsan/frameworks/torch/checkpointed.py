"""Checkpointed regions: what backward will read a second time when it runs them again.

# NOTE [What a region reads] A region is the stretch of sequence numbers in which its hooks were in force.  Each tensor
that an operation inside would have saved passes through its pack hook; the ones that were there before the region are
read again, as are the leaves to which its nodes lead.  A tensor that the region read and nothing saved is not known.

Source: torch/utils/checkpoint.py (`_checkpoint_hook`, `_Holder`, `CheckpointFunction`), torch 2.13.0.
"""

from __future__ import annotations

import functools
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

import torch
import torch.utils.checkpoint  # older versions load it with their first optimizer only

from gradsan.frameworks.torch.doors import Callee, Patches
from gradsan.frameworks.torch.graph import number_of

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

MAX_REGIONS = 4096
MAX_DEPTH = 3
MAX_FRAMES = 16
_NOTE = "_gradsan_packed"
_REGION = "_gradsan_region"


@dataclass(slots=True, eq=False)
class Region:
    """The sequence numbers of one checkpointed region; ``end`` is exclusive and moves while the region runs."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Packed:
    """A tensor that a region would have saved.

    ``owner`` is a weak reference to the tensor, or to its base: a view's own object dies at once.
    """

    owner: Callable[[], Any]
    number: int
    tensor: Callable[[], Any]


class CheckpointedRegions:
    """What is known of the regions of one recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._regions: list[Region] = []
        self._packing_code: set[CodeType] = set()
        """What the program's pack hooks run."""
        self._told: set[int] = set()
        """The beginnings of the regions of which the recorder told something."""

    def wrap(self, patches: Patches) -> None:
        """Follow saved-tensor hooks, those of checkpointed regions above all.

        Effect: until the patches are restored.
        """
        hooks: Any = torch.autograd.graph.saved_tensors_hooks
        patches.set(hooks, "__init__", self._init(hooks.__init__))
        patches.set(hooks, "__exit__", self._exit(hooks.__exit__))
        function: Any = torch.utils.checkpoint.CheckpointFunction
        patches.set(function, "forward", staticmethod(self._reentrant(function.forward)))

    def clear(self) -> None:
        """Forget everything."""
        self._regions.clear()
        self._packing_code.clear()
        self._told.clear()

    def note_told(self, number: int) -> None:
        """Remember that something was told of the region in which a node was made."""
        region = self.region_of(number)
        self._told.add(number if region is None else region.start)

    def is_told(self, number: int) -> bool:
        """Return whether something was told of the region in which a node was made."""
        region = self.region_of(number)
        return (number if region is None else region.start) in self._told

    def is_packing(self, frame: FrameType | None) -> bool:
        """Return whether a pack hook of the program's runs in a frame, or has called it."""
        for _ in range(MAX_FRAMES):
            if frame is None:
                return False
            if frame.f_code in self._packing_code:
                return True
            frame = frame.f_back
        return False

    def region_of(self, number: int) -> Region | None:
        """Return the region in which a node was made."""
        regions = self._regions
        at = bisect_right(regions, number, key=lambda region: region.start) - 1 if regions else -1
        return regions[at] if at >= 0 and number < regions[at].end else None

    def _init(self, original: Callee) -> Callee:
        @functools.wraps(original)
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            if not torch.compiler.is_compiling():
                follow(self)

        def follow(hooks: Any) -> None:
            recorder.hooks_were_used = True
            code = getattr(hooks.pack_hook, "__code__", None)
            if code is not None:
                packing_code.add(code)
            if type(hooks).__name__ == "_checkpoint_hook":
                with recorder.border():
                    number = recorder.next_number()
                    region = Region(number, number)
                    if len(regions) >= MAX_REGIONS:
                        del regions[: MAX_REGIONS // 4]
                    regions.append(region)
                    setattr(hooks, _REGION, region)
                    hooks.pack_hook = self._packing(hooks.pack_hook, region)

        recorder, regions, packing_code = self._recorder, self._regions, self._packing_code
        return init

    def _packing(self, pack: Callee, region: Region) -> Callee:
        def pack_hook(tensor: Any) -> Any:
            holder = pack(tensor)
            try:
                region.end = next_number()
                owner = tensor._base if tensor._is_view() else tensor
                number = number_of(owner)
                if number < region.start:  # it was there before the region
                    setattr(holder, _NOTE, Packed(weakref.ref(owner), region.end, weakref.ref(tensor)))
            except (RuntimeError, NotImplementedError, AttributeError, TypeError):
                pass  # NOTE [Never disturb] in `wrappers`
            return holder

        next_number = self._recorder.next_number
        return pack_hook

    def _exit(self, original: Callee) -> Callee:
        @functools.wraps(original)
        def leave(self: Any, *args: Any) -> Any:
            region = getattr(self, _REGION, None)
            if region is not None:
                region.end = next_number()
            return original(self, *args)

        next_number = self._recorder.next_number
        return leave

    def _reentrant(self, original: Callee) -> Callee:
        @functools.wraps(original)
        def forward(ctx: Any, *args: Any) -> Any:
            recorder.hooks_were_used = True
            return original(ctx, *args)

        recorder = self._recorder
        return forward


def packed_note(packed: object) -> Packed | None:
    """Return what is known of a tensor that a region's hook packed."""
    note = getattr(packed, _NOTE, None)
    return note if isinstance(note, Packed) else None


def leaves_of_reentrant(node: Any) -> Iterator[torch.Tensor]:
    """Yield the parameters that a reentrant region reads: those of the modules its function holds."""
    function = getattr(node, "run_function", None) if type(node).__name__ == "CheckpointFunctionBackward" else None
    for module in _modules_in(function, MAX_DEPTH):
        yield from (parameter for parameter in module.parameters() if parameter.requires_grad)


def _modules_in(value: Any, depth: int) -> Iterator[torch.nn.Module]:
    if isinstance(value, torch.nn.Module):
        yield value
    elif depth == 0 or value is None:
        return
    elif isinstance(value, functools.partial):
        for each in (value.func, *value.args, *value.keywords.values()):
            yield from _modules_in(each, depth - 1)
    elif hasattr(value, "__self__"):
        yield from _modules_in(value.__self__, depth - 1)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _modules_in(each, depth - 1)
    else:
        for cell in getattr(value, "__closure__", None) or ():
            try:
                content = cell.cell_contents
            except ValueError:  # not filled yet
                continue
            yield from _modules_in(content, depth - 1)
