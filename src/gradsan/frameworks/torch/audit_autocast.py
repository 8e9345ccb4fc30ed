"""Copies that autocast keeps: a leaf is written inside a region, and the copy made before is used after.

# NOTE [Kept casts] Inside a region of `torch.autocast` a float32 leaf is cast once.  The copy is kept until the
outermost region ends, and nothing that writes to the leaf drops it: an optimizer's step and weights that are exchanged
go unseen by the forward passes that follow.  In the graph such a copy is one node, older than the write, with users
that are younger.  It is told where a copy that was saved still differs from the leaf: where weights were put back, it
does not.

Source: aten/src/ATen/autocast_mode.cpp (cached_cast), torch/amp/autocast_mode.py (__exit__); checked on torch 2.13.0.
"""

from __future__ import annotations

import functools
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.graph import nodes_of, slots_of
from gradsan.frameworks.torch.modules import subject_of
from gradsan.frameworks.torch.regions import key_of
from gradsan.frameworks.torch.silent_history import needed_at
from gradsan.model.history import History, TensorKind, Witness
from gradsan.record.frames import Site, current_site, span_of

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit

MAX_REGIONS = 16
"""Regions whose graphs may still be waiting."""
MAX_WRITES = 64
"""Writes to one leaf inside a region."""
_CAST = "ToCopyBackward0"
_LOWER = (torch.bfloat16, torch.float16)


class WriteInside(NamedTuple):
    """A write to a float32 tensor inside a region."""

    number: int
    operation: str
    site: Site | None


class Region:
    """An outermost region of one thread."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.depth = 1
        self.writes: defaultdict[int, deque[WriteInside]] = defaultdict(lambda: deque(maxlen=MAX_WRITES))
        """By key of the storage."""


class StaleUse(NamedTuple):
    """A kept copy that was used after its leaf was written."""

    leaf: Any
    cast: Any
    user: Any
    write: WriteInside


class AutocastAudit:
    """Follows regions, and looks at the casts in each graph that was made inside one."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._open: dict[int, Region] = {}
        """By thread."""
        self._regions: deque[Region] = deque(maxlen=MAX_REGIONS)

    def wrap(self, patches: Patches) -> None:
        """Wrap the context manager and the engine's door.

        Effect: until the patches are restored and `unwrap` is called.
        """
        owner: Any = torch.autocast
        patches.set(owner, "__enter__", self._entering(owner.__enter__))
        patches.set(owner, "__exit__", self._exiting(owner.__exit__))
        engine: Any = torch.autograd
        patches.set(engine, "_engine_run_backward", self._backward(engine._engine_run_backward))

    def unwrap(self) -> None:
        """Undo the guard."""
        self._audit.recorder.remove_guard(self._guard)

    def _entering(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def enter(context: Any) -> Any:
            region = self._open.get(get_ident())
            if region is not None:
                region.depth += 1
            elif not torch.compiler.is_compiling():
                self._open[get_ident()] = Region(self._audit.recorder.next_number())
                self._audit.recorder.add_guard(self._guard)  # nobody pays for it whose program opens no region
            return original(context)

        return enter

    def _exiting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def leave(*args: Any, **kwargs: Any) -> Any:
            region = self._open.get(get_ident())
            if region is not None:
                region.depth -= 1
                if region.depth == 0:
                    del self._open[get_ident()]
            return original(*args, **kwargs)

        return leave

    def _guard(self, tensor: Any, operation: str) -> None:
        region = self._open.get(get_ident()) if self._open else None
        if region is None or tensor.dtype is not torch.float32:
            return
        recorder = self._audit.recorder
        with recorder.border():
            key = key_of(tensor)
            if key is not None:
                if not region.writes:
                    self._regions.append(region)
                site = current_site(recorder.user_code)
                region.writes[key].append(WriteInside(recorder.number_now(), operation, site))

    def _backward(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def run_backward(t_outputs: Any, *args: Any, **kwargs: Any) -> Any:
            if self._regions and not torch.compiler.is_compiling():
                with self._audit.recorder.border():
                    self._before_backward(t_outputs)
            return original(t_outputs, *args, **kwargs)

        return run_backward

    def _before_backward(self, roots: Any) -> None:
        nodes = list(nodes_of(roots))
        uses = [use for node in nodes for use in self._stale_uses(node)]
        of_value = {node: use for use in uses for node in (use.cast, use.user)}
        for node in nodes if uses else ():
            for slot in slots_of(node, with_hooked=True):
                use = of_value.get(slot.tensor.grad_fn)  # the cast itself, or a view of it
                if use is not None and _is_stale(slot.tensor, use.leaf):
                    self._tell(use)
                    return

    def _stale_uses(self, user: Any) -> Iterator[StaleUse]:
        for cast, _ in user.next_functions:
            if cast is None or type(cast).__name__ != _CAST:
                continue
            leaf = getattr(cast.next_functions[0][0], "variable", None)
            key = None if leaf is None else key_of(leaf)
            made, used = cast._sequence_nr(), user._sequence_nr()
            for region in tuple(self._regions):
                writes = region.writes.get(key) if key is not None and region.start <= made else None
                between = [write for write in writes or () if made < write.number <= used]
                if writes and between and between[-1] is writes[-1]:  # what was written later may be what differs
                    yield StaleUse(leaf, cast, user, between[-1])

    def _tell(self, use: StaleUse) -> None:
        recorder = self._audit.recorder
        made = recorder.site_of(use.cast._sequence_nr())
        used = recorder.site_of(use.user._sequence_nr())
        at = span_of(made)
        notes = () if at is None else (f"autocast cast it at line {at.line} of {Path(at.path).name}",)
        events = (self._audit.written(use.write.site, use.write.operation), needed_at(recorder, used, "autocast"))
        subject = subject_of(use.leaf, kind=TensorKind.LEAF)
        self._audit.tell(History(subject=subject, events=events, witness=Witness.STALE_CAST, notes=notes))


def _is_stale(saved: Any, leaf: Any) -> bool:
    """Return whether a saved tensor is a copy of lower precision that a leaf has left behind."""
    is_dense = leaf.is_contiguous() or leaf.is_contiguous(memory_format=torch.channels_last)
    if saved.dtype not in _LOWER or saved.numel() != leaf.numel() or not is_dense:
        return False
    if saved.untyped_storage().nbytes() != leaf.numel() * saved.element_size():
        return False
    with torch.no_grad(), torch._C.DisableTorchFunction():
        copy = torch.as_strided(saved.detach(), leaf.size(), leaf.stride(), 0)
        return not torch.equal(copy, leaf.detach().to(saved.dtype))
