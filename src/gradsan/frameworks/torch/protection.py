"""Protection: a saved tensor is copied just before a write that overlaps it, and only then.

# NOTE [What protection keeps] Each saved tensor is held as an alias of its own (`detach`), so that ``x.data = y`` and
``x.set_(y)`` leave it alone, and is found again by the key of its storage.  A known write first asks for that key: kept
tensors that share bytes with it are cloned, and the clone is what backward gets.  A write that no wrapper sees moves
the version counter in most cases; backward then raises, as it would without protection, and is never silently wrong.
What is saved is only put on a list, which the next known write files by key: most of it is dead by then.

# NOTE [Memory that others write] Memory that NumPy, another process or a mapped file also owns can be written at any
time.  What is saved there is copied at once, and what is saved already is copied when the memory is handed out.

# NOTE [A write that saves its operand] In ``x.mul_(x)`` the engine saves `x` after we were asked about the write, and
before it happens.  The writes that are about to happen are therefore remembered, several for a list of tensors: what is
saved from their storages at their versions is copied at once.

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
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

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
    n_modes,
    parts_of,
    share_storage,
    tensors_in,
    with_copy,
)
from gradsan.frameworks.torch.saving import (
    DETACH,
    Kept,
    Pack,
    Pair,
    SavedTensorHooks,
    Unpack,
    detached,
    packed_by,
    saved_alias,
    settle,
    unpack_kept,
)
from gradsan.frameworks.torch.storages import is_dead, release
from gradsan.frameworks.torch.unannounced import guard_unannounced, watch_hand_outs
from gradsan.model.copied import Copied
from gradsan.record.frames import Site, current_site, span_of

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

FIRST_SWEEP = 1024
SUSPENDED = "inside the transforms of `torch.func`, which forbid saved-tensor hooks, nothing is protected"
PRUNE_AT = 8
"""Tensors kept of one storage at which the dead are dropped."""
Announced: TypeAlias = tuple[int, "weakref.ref[Any]"]
"""Version and tensor of a write before it happens."""

_has_function_mode: Callable[[], bool] = torch._C._is_torch_function_mode_enabled
_NORMS = ("batch_norm", "instance_norm")
_MOVES_NO_BYTES = frozenset({"set_", "data", "requires_grad_", "detach_"})


class Protection:
    """A keeper that gives backward what was saved, whatever has been written since.

    With ``copies_at_once`` it copies what is saved when it is saved, and so knows of writes that no wrapper sees.
    """

    def __init__(self, recorder: Recorder, hooks: SavedTensorHooks, *, copies_at_once: bool = False) -> None:
        self._recorder = recorder
        self._copies_at_once = copies_at_once
        self._hooks = hooks
        self._kept: dict[int, list[weakref.ref[Kept]]] = {}
        self._unfiled: list[weakref.ref[Kept]] = []
        """What was saved since the last known write."""
        self._sweep_at = FIRST_SWEEP
        self._exposed: dict[int, tuple[str, Any]] = {}
        """By whom storages were handed out, and weak references to them; see NOTE [Memory that others write]."""
        self._statistics: set[int] = set()
        """Storages that a batch norm in training mode is about to save and never reads."""
        self._about_to_write: dict[int, Announced] = {}
        """By the key of the storage; see NOTE [A write that saves its operand]."""
        self._n_met_dead = 0
        self._copies: dict[tuple[Site | None, str], list[int]] = {}
        self._patches = Patches()
        self.guard = self._make_guard()
        """Copy what a write is about to overwrite: told a tensor and an operation."""
        self._pair: Pair = (self._make_pack(), unpack_kept)

    def start(self) -> None:
        """Begin.

        Effect: pushes hooks, guards the known writes, wraps what hands out memory and what writes unannounced.
        """
        self._recorder.guards.append(self.guard)
        self._wrap()
        self._hooks.push(self, self._patches)

    def stop(self) -> None:
        """Undo `start`; what is kept stays good."""
        self._hooks.pop(self)
        self._recorder.guards.remove(self.guard)
        self._patches.restore()

    @property
    def copies(self) -> tuple[Copied, ...]:
        """What was copied, by line, the largest first."""
        told = [
            Copied(span=span_of(site), operation=operation, n_copies=n, n_bytes=n_bytes)
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

        return pack_around, unpack_kept

    def suspend(self) -> None:
        """Say that what a transform saves is not protected."""
        for session in self._recorder.sessions:
            if session.options.protect:
                session.say_not_covered(SUSPENDED)

    def register(self, kept: Kept, pack: Pack, unpack: Unpack) -> None:
        """Put a pair of the program's on one tensor that is already kept."""
        tensor = unpack_kept(kept)
        kept.packed, kept.unpack_hook = packed_by(pack, tensor), unpack
        if not any(share_storage(each, tensor) for each in tensors_in(kept.packed)):
            kept.tensor = None

    def _make_guard(self) -> Callable[[Any, str], None]:
        # Hot: everything it needs is a local of this closure.
        index, about, copy_overlapped = self._kept, self._about_to_write, self._copy_overlapped
        unfiled, file_all = self._unfiled, self._file_all
        plain, reference, is_grad_enabled, has_modes = PLAIN, weakref.ref, torch.is_grad_enabled, _has_function_mode

        def guard(tensor: Any, operation: str) -> None:
            if about and not operation.startswith("_foreach"):
                about.clear()
            if unfiled:
                file_all()
            saves = is_grad_enabled() and not operation.endswith(".step")
            if not saves and not index:
                return
            if type(tensor) not in plain or has_modes():
                guard_parts(tensor, operation)
                return
            try:
                key = tensor.untyped_storage()._cdata
            except REFUSALS:
                guard_parts(tensor, operation)
                return
            if saves:  # NOTE [A write that saves its operand]
                about[key] = tensor._version, reference(tensor)
            if key in index:
                copy_overlapped(key, tensor, operation)

        def guard_parts(tensor: Any, operation: str) -> None:
            with torch._C.DisableTorchFunction():
                for part in parts_of(tensor):
                    key = key_of(part)
                    if key is not None and key in index:
                        copy_overlapped(key, part, operation)

        return guard

    def _make_pack(self) -> Pack:
        # Hot: everything it needs is a local of this closure, and under `sys.settrace` each instruction is dear.
        exposed, statistics, about = self._exposed, self._statistics, self._about_to_write
        unfiled, keep_specially, file_all = self._unfiled, self._keep_specially, self._file_all
        plain: Any = type(None) if self._copies_at_once else torch.Tensor
        detach, reference, has_modes = DETACH, weakref.ref, n_modes

        def pack(tensor: Any) -> Kept:
            kept = Kept()
            held = kept.tensor = saved_alias(tensor) if has_modes() else detach(tensor)
            kept.version = held._version
            kept.unpack_hook = kept.mark = None
            try:
                storage = held.untyped_storage()
                key, is_usual = storage._cdata, type(held) is plain and storage.resizable()
                is_usual = is_usual and key not in about and key not in exposed and key not in statistics
            except REFUSALS:
                is_usual = False
            if not is_usual:
                keep_specially(kept)
            else:
                unfiled.append(reference(kept))
                if len(unfiled) > FIRST_SWEEP:
                    file_all()
            return kept

        return pack

    def _file_all(self) -> None:
        """Put what was saved since the last known write into the index, without what is dead."""
        unfiled = self._unfiled
        with suppress(IndexError):  # another thread took the last
            while unfiled:
                kept = unfiled.pop()()
                if kept is not None and (tensor := kept.tensor) is not None:
                    self._put(kept, tensor.untyped_storage()._cdata)
        if len(self._kept) > self._sweep_at:
            self._sweep()

    def _keep_specially(self, kept: Kept) -> None:
        key = key_of(kept.tensor)
        announced = None if key is None else self._about_to_write.get(key)
        if key is None or type(kept.tensor) is not torch.Tensor:
            self._keep_parts(kept)
        elif key in self._statistics:
            kept.mark = self._statistics
            self._put(kept, key)
        elif self._copies_at_once:
            self._copy_at_once(kept, "what is saved")
        elif key in self._exposed:
            self._copy_at_once(kept, self._exposed[key][0])
        elif not kept.tensor.untyped_storage().resizable():
            self._copy_at_once(kept, "memory shared with others")
        elif announced is not None and _is_pending(announced, kept.version):
            self._copy_at_once(kept, "a write that saves its operand")
        else:
            self._put(kept, key)

    def _put(self, kept: Kept, key: int) -> None:
        found = self._kept.setdefault(key, [])
        if len(found) >= PRUNE_AT and not len(found) & (len(found) - 1):
            found[:] = [each for each in found if each() is not None]
        found.append(weakref.ref(kept))

    def _keep_parts(self, kept: Kept) -> None:
        with torch._C.DisableTorchFunction():
            for part in parts_of(kept.tensor):
                key = key_of(part)
                if key is not None:
                    self._put(kept, key)

    def _copy_at_once(self, kept: Kept, writer: str) -> None:
        if kept.tensor.numel() > 0:
            self._copy(kept, writer, current_site(self._recorder.user_code), {})

    def _keep_packed(self, kept: Kept, tensor: Any) -> None:
        """Watch the memory that a program's pack hook handed on as it is."""
        kept.tensor, kept.version = None, 0
        if any(share_storage(each, tensor) for each in tensors_in(kept.packed)):
            kept.tensor, kept.version = detached(tensor), tensor._version
            self._keep_parts(kept)

    def _copy_overlapped(self, key: int, tensor: Any, operation: str) -> None:
        try:
            self._copy_met(key, tensor, operation)
        except Exception as error:
            self._recorder.switch_off(error)

    def _copy_met(self, key: int, tensor: Any, operation: str) -> None:
        alive = [kept for each in self._kept[key] if (kept := each()) is not None and kept.tensor is not None]
        if not alive:
            self._drop(key)
            return
        extent = None if operation == "resize_" else byte_extent(tensor)
        if operation in _MOVES_NO_BYTES:
            extent = 0, 0
        site, clones = None, dict[tuple[Any, ...], Any]()
        left = []
        for kept in dict.fromkeys(alive):
            settle(kept)
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

    def _drop(self, key: int) -> None:
        # One that is dead tells of a graph that has died: so that an optimizer's step asks of a few parameters only.
        del self._kept[key]
        self._n_met_dead += 1
        if 8 * self._n_met_dead > len(self._kept):
            self._sweep()

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
        for key in [key for key, found in list(self._kept.items()) if all(each() is None for each in found)]:
            self._kept.pop(key, None)
        for key in [key for key, (_, weak) in self._exposed.items() if is_dead(weak)]:
            release(self._exposed.pop(key)[1])
        self._n_met_dead = 0
        self._sweep_at = max(FIRST_SWEEP, 2 * len(self._kept))

    def _wrap(self) -> None:
        guard_unannounced(self._patches, self.guard)
        watch_hand_outs(self._patches, self.guard, self._note_hand_out)
        for name in _NORMS:
            self._patches.set(torch, name, self._norm(getattr(torch, name), name))
        owner = torch.utils.checkpoint.CheckpointFunction
        self._patches.set(owner, "apply", staticmethod(_call_plainly))

    def _note_hand_out(self, tensor: Any, name: str) -> None:
        try:
            storage = tensor.untyped_storage()
            if storage._cdata not in self._exposed:
                self._exposed[storage._cdata] = name, storage._weak_ref()
        except REFUSALS:
            pass  # no memory of its own

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
                self._about_to_write.clear()

        return normalize


def _is_pending(announced: Announced, version: int) -> bool:
    before, tensor = announced[0], announced[1]()
    return before == version and tensor is not None and tensor._version == before


def _recomputes(unpack: Unpack) -> bool:
    return getattr(unpack, "__module__", "") == torch.utils.checkpoint.__name__


def _call_plainly(function: Callable[..., Any], _preserve_rng_state: bool, *args: Any) -> Any:
    # NOTE [Recomputation]
    return function(*args)
