"""Protection: a saved tensor is copied just before a write that overlaps it, and only then.

# NOTE [What protection keeps] Each saved tensor is held as an alias of its own (`detach`), so that ``x.data = y`` and
``x.set_(y)`` leave it alone, and is found again by the key of its storage.  A known write first asks for that key: kept
tensors that share bytes with it are cloned, and the clone is what backward gets.  A write that no wrapper sees moves
the version counter in most cases; backward then raises, as it would without protection, and is never silently wrong.

# NOTE [Memory that others write] Memory that NumPy, another process or a mapped file also owns can be written at any
time.  What is saved there is copied at once, and what is saved already is copied when the memory is handed out.

# NOTE [A write that saves its operand] In ``x.mul_(x)`` the engine saves `x` after we were asked about the write, and
before it happens.  The write that is about to happen is therefore remembered: what is saved from its storage at its
version is copied at once.

# NOTE [Writes beside a kept tensor] A base and its views share one counter, so a write that overlaps nothing of a kept
tensor moves its version all the same.  How far is not known before the write: until the next write to the storage
tells, the version is kept as ``-1 - version`` and not compared.

# NOTE [Recomputation] A checkpointed region computes its activations again, from whatever its inputs hold by then.
Under protection it keeps them instead, at the price of the memory that checkpointing saves.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
import torch.utils.checkpoint

from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.regions import (
    PLAIN,
    REFUSALS,
    byte_extent,
    copy_of,
    geometry_of,
    key_of,
    meet,
    n_bytes_of,
    parts_of,
    share_storage,
    tensors_in,
    with_copy,
)
from gradsan.frameworks.torch.saving import DETACH, Kept, Pack, Pair, SavedTensorHooks, Unpack, stale_error
from gradsan.frameworks.torch.storages import is_dead, release
from gradsan.model.copied import Copied
from gradsan.record.frames import Site, current_site

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

FIRST_SWEEP = 1024
PRUNE_AT = 8
"""Tensors kept of one storage at which the dead are dropped."""
_has_function_mode: Callable[[], bool] = torch._C._is_torch_function_mode_enabled
_NORMS = ("batch_norm", "instance_norm")
_MOVES_NO_BYTES = frozenset({"set_", "data", "requires_grad_", "detach_"})


class Protection:
    """A keeper that gives backward what was saved, whatever has been written since."""

    def __init__(self, recorder: Recorder, hooks: SavedTensorHooks) -> None:
        self._recorder = recorder
        self._hooks = hooks
        self._kept: dict[int, list[weakref.ref[Kept]]] = {}
        self._sweep_at = FIRST_SWEEP
        self._exposed: dict[int, tuple[str, Any]] = {}
        """By whom storages were handed out, and weak references to them; see NOTE [Memory that others write]."""
        self._statistics: set[int] = set()
        """Storages that a batch norm in training mode is about to save and never reads."""
        self._about_to_write: tuple[int, int] | None = None
        """Key and version; see NOTE [A write that saves its operand]."""
        self._copies: dict[tuple[Site | None, str], list[int]] = {}
        self._patches = Patches()
        self._put = self._make_put()
        self._pair: Pair = (self._make_pack(), _unpack)

    def start(self) -> None:
        """Begin.

        Effect: pushes hooks, guards the known writes, wraps what hands out memory and what writes unannounced.
        """
        self._recorder.guards.append(self.guard)
        self._wrap()
        self._hooks.push(self)

    def stop(self) -> None:
        """Undo `start`; what is kept stays good."""
        self._hooks.pop(self)
        self._recorder.guards.remove(self.guard)
        self._patches.restore()

    @property
    def copies(self) -> tuple[Copied, ...]:
        """What was copied, by line, the largest first."""
        told = [
            Copied(span=None if site is None else site.span(), operation=operation, n_copies=n, n_bytes=n_bytes)
            for (site, operation), (n, n_bytes) in self._copies.items()
        ]
        return tuple(sorted(told, key=lambda copied: -copied.n_bytes))

    @property
    def pair(self) -> Pair:
        """The hooks for what the program saves without hooks of its own."""
        return self._pair

    def around(self, pack: Pack, unpack: Unpack) -> Pair:
        """Return the hooks that run a pair of the program's inside."""
        if _recomputes(unpack):
            return self._pair

        def pack_around(tensor: Any) -> Kept:
            kept = Kept()
            kept.mark = None
            kept.packed, kept.unpack_hook = pack(tensor), unpack
            self._keep_packed(kept, tensor)
            return kept

        return pack_around, _unpack

    def register(self, kept: Kept, pack: Pack, unpack: Unpack) -> None:
        """Put a pair of the program's on one tensor that is already kept."""
        tensor = _unpack(kept)
        with torch.no_grad():
            kept.packed, kept.unpack_hook = pack(DETACH(tensor)), unpack
            if not any(share_storage(each, tensor) for each in tensors_in(kept.packed)):
                kept.tensor = None

    def guard(self, tensor: Any, operation: str) -> None:
        """Copy what a write is about to overwrite.

        Effect: clones kept tensors; on an error of ours the recorder is switched off.
        """
        try:
            if type(tensor) in PLAIN and not _has_function_mode():
                self._guard_part(tensor, operation)
            else:
                with torch._C.DisableTorchFunction():
                    for part in parts_of(tensor):
                        self._guard_part(part, operation)
        except Exception as error:
            self._recorder.switch_off(error)

    def _guard_part(self, tensor: Any, operation: str) -> None:
        try:
            key = tensor.untyped_storage()._cdata
        except REFUSALS:
            if tensor.layout is not torch.strided:
                for part in parts_of(tensor):
                    self._guard_part(part, operation)
            return
        # NOTE [A write that saves its operand]
        self._about_to_write = (key, tensor._version) if tensor.requires_grad and torch.is_grad_enabled() else None
        if key in self._kept:
            self._copy_overlapped(key, tensor, operation)

    def _make_pack(self) -> Pack:
        # Hot: everything it needs is a local of this closure.
        exposed, statistics, put = self._exposed, self._statistics, self._put
        keep_parts, copy_at_once, plain, detach = self._keep_parts, self._copy_at_once, torch.Tensor, DETACH

        def pack(tensor: Any) -> Kept:
            kept = Kept()
            held = kept.tensor = detach(tensor)
            version = kept.version = held._version
            kept.unpack_hook = kept.mark = None
            try:
                storage = held.untyped_storage()
            except REFUSALS:
                keep_parts(kept)
                return kept
            key = storage._cdata
            if type(held) is not plain:
                keep_parts(kept)
            elif key in statistics:
                kept.mark = statistics
                put(kept, key)
            elif not storage.resizable() or key in exposed or self._about_to_write == (key, version):
                copy_at_once(kept, key)
            else:
                put(kept, key)
            return kept

        return pack

    def _make_put(self) -> Callable[[Kept, int], None]:
        index, reference = self._kept, weakref.ref

        def put(kept: Kept, key: int) -> None:
            found = index.get(key)
            if found is None:
                index[key] = [reference(kept)]
                if len(index) > self._sweep_at:
                    self._sweep()
                return
            if len(found) >= PRUNE_AT and not len(found) & (len(found) - 1):
                found[:] = [each for each in found if each() is not None]
            found.append(reference(kept))

        return put

    def _keep_parts(self, kept: Kept) -> None:
        with torch._C.DisableTorchFunction():
            for part in parts_of(kept.tensor):
                key = key_of(part)
                if key is not None:
                    self._put(kept, key)

    def _copy_at_once(self, kept: Kept, key: int) -> None:
        if kept.tensor.numel() == 0:
            return
        writer = "a write that saves its operand"
        if key in self._exposed:
            writer = self._exposed[key][0]
        elif not kept.tensor.untyped_storage().resizable():
            writer = "memory shared with others"
        self._copy(kept, writer, current_site(self._recorder.user_code), {})

    def _keep_packed(self, kept: Kept, tensor: Any) -> None:
        """Watch the memory that a program's pack hook handed on as it is."""
        kept.tensor, kept.version = None, 0
        if any(share_storage(each, tensor) for each in tensors_in(kept.packed)):
            kept.tensor, kept.version = DETACH(tensor), tensor._version
            self._keep_parts(kept)

    def _copy_overlapped(self, key: int, tensor: Any, operation: str) -> None:
        alive = [kept for each in self._kept[key] if (kept := each()) is not None and kept.tensor is not None]
        extent = None if operation == "resize_" else byte_extent(tensor)
        if operation in _MOVES_NO_BYTES:
            extent = 0, 0
        site, clones = None, dict[tuple[Any, ...], Any]()
        left = []
        for kept in dict.fromkeys(alive):
            _settle(kept)
            if kept.mark is not None and operation in _NORMS:
                left.append(weakref.ref(kept))
            elif extent is None or any(
                meet(extent, byte_extent(part)) for part in parts_of(kept.tensor) if key_of(part) == key
            ):
                site = site or current_site(self._recorder.user_code)
                self._copy(kept, operation, site, clones)
            else:
                if kept.version >= 0:  # NOTE [Writes beside a kept tensor]
                    kept.version = -1 - kept.version
                left.append(weakref.ref(kept))
        if left:
            self._kept[key] = left
        else:
            del self._kept[key]

    def _copy(self, kept: Kept, operation: str, site: Site | None, clones: dict[tuple[Any, ...], Any]) -> None:
        tensor = kept.tensor
        if tensor._version != kept.version and kept.version >= 0:  # overwritten before, unseen: backward says so
            return
        what = geometry_of(tensor)
        clone = None if what is None else clones.get(what)
        if clone is None:
            clone = copy_of(tensor)
            if what is not None:
                clones[what] = clone
            counted = self._copies.setdefault((site, operation), [0, 0])
            counted[0] += 1
            counted[1] += n_bytes_of(clone)
        if kept.unpack_hook is not None:
            kept.packed = with_copy(kept.packed, tensor, clone)
            kept.tensor = None
        else:
            kept.tensor, kept.version = clone, clone._version
            self._keep_parts(kept)  # the program can reach it through `ctx.saved_tensors`

    def _sweep(self) -> None:
        for key in [key for key, found in self._kept.items() if all(each() is None for each in found)]:
            del self._kept[key]
        for key in [key for key, (_, weak) in self._exposed.items() if is_dead(weak)]:
            release(self._exposed.pop(key)[1])
        self._sweep_at = max(FIRST_SWEEP, 2 * len(self._kept))

    def _wrap(self) -> None:
        for name in ("numpy", "__array__", "__dlpack__"):
            self._patches.set(torch.Tensor, name, self._handing_out(getattr(torch.Tensor, name), name))
        for name in _NORMS:
            self._patches.set(torch, name, self._norm(getattr(torch, name), name))
        owner = torch.utils.checkpoint.CheckpointFunction
        self._patches.set(owner, "apply", staticmethod(_call_plainly))

    def _handing_out(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(original)
        def hand_out(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            self.guard(tensor, name)
            result = original(tensor, *args, **kwargs)
            try:
                storage = tensor.untyped_storage()
                if storage._cdata not in self._exposed:
                    self._exposed[storage._cdata] = name, storage._weak_ref()
            except REFUSALS:
                pass  # no memory of its own
            return result

        return hand_out

    def _norm(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(original)
        def normalize(input: Any, weight: Any, bias: Any, mean: Any, var: Any, training: bool, *rest: Any) -> Any:
            found = [key_of(each) for each in (mean, var) if training and isinstance(each, torch.Tensor)]
            keys = {key for key in found if key is not None}
            if not keys:
                return original(input, weight, bias, mean, var, training, *rest)
            for each in (mean, var):
                self.guard(each, name)
            self._statistics |= keys
            try:
                return original(input, weight, bias, mean, var, training, *rest)
            finally:
                self._statistics -= keys
                self._about_to_write = None

        return normalize


def _unpack(kept: Kept) -> Any:
    if kept.unpack_hook is not None:
        return kept.unpack_hook(kept.packed)
    tensor = kept.tensor
    if tensor._version != kept.version and kept.version >= 0:
        kept.producer = None
        raise stale_error(kept)
    return tensor


def _settle(kept: Kept) -> None:
    # NOTE [Writes beside a kept tensor]
    if kept.version < 0 and kept.tensor._version != -1 - kept.version:
        kept.version = kept.tensor._version


def _recomputes(unpack: Unpack) -> bool:
    return getattr(unpack, "__module__", "") == torch.utils.checkpoint.__name__


def _call_plainly(function: Callable[..., Any], _preserve_rng_state: bool, *args: Any) -> Any:
    # NOTE [Recomputation]
    return function(*args)
