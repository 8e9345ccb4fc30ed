"""What the nodes of a graph hold, read without the version check and without running hooks.

# NOTE [Before SavedTensor.data] Since 2.13 a ``SavedTensor`` shows what it holds: ``data``, and its ``unpack_hook``.
Before, it has ``register_hooks`` only, and what it holds is had by unpacking it, ``node._saved_x``.  Hooks that the
program pushes are therefore wrapped: while we look, they give a stand-in and tell what was packed.  What was
overwritten the engine refuses to unpack; a pair of ours is then put on it, whose pack hook is given the tensor, and
whose unpack hook goes on refusing in the engine's words.  A node that lists tensors does not tell which one it refuses:
the pairs are put on one by one until it refuses another, or none.  The engine lets go of the tensor that it held, so
writes that wait with a weak reference to it are folded before anybody looks.

Source: torch/csrc/autograd/saved_variable.cpp, 2.6 to 2.13; checked on torch 2.6.0, 2.12.0 and 2.13.0.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, TypeAlias

import torch

from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.saving import Kept, Unpack, unpack_kept
from gradsan.knowledge.error_texts import recognise
from gradsan.model.event import Refusal

_RAW = "_raw_saved_"
_SavedTensor: Any = torch._C._autograd.SavedTensor
_REGISTER: Callable[[Any, Callable[[Any], Any], Unpack], None] = _SavedTensor.register_hooks
"""The engine's own."""
_SHOWS_DATA = hasattr(_SavedTensor, "data")
_AT_VERSION = re.compile(r" is at version \d+;")

Entry: TypeAlias = tuple[object, bool]
"""What a ``SavedTensor`` holds, None once it is freed; and whether hooks put it there."""

_RAW_NAMES: dict[type, tuple[str, ...]] = {}


def held_by(node: Any) -> Iterator[tuple[str, Entry]]:
    """Yield what a node still holds, by the attribute that unpacks it: ``_saved_x``, ``saved_tensors``."""
    for name in _raw_names(type(node)):
        try:
            entries = _entries(node, name)
        except RuntimeError:  # freed by a backward that has run
            continue
        for entry in entries:
            yield _unpacking(node, name), entry


def is_freed(node: Any) -> bool:
    """Return whether a backward has freed what a node saved; False for a node that saved nothing.  No hook is run."""
    for name in _raw_names(type(node)):
        try:
            if any(data is None for data, _ in _entries(node, name)):  # freed, or never needed
                getattr(node, _unpacking(node, name))
        except RuntimeError as error:
            said = recognise(str(error))
            return said is None or said.refusal is not Refusal.SAVED_DETACHED
    return False


def tensor_in(entry: Entry) -> tuple[torch.Tensor | None, bool]:
    """Return the tensor of an entry, the first one of a tuple that hooks packed; and whether hooks packed it."""
    data, is_hooked = see_through(entry)
    if is_hooked and isinstance(data, tuple):
        data = next((each for each in data if isinstance(each, torch.Tensor)), None)
    return (data if isinstance(data, torch.Tensor) else None), is_hooked


def see_through(entry: Entry) -> Entry:
    """Return what the program's hooks packed, or the tensor, where a keeper of ours has put it away."""
    data, is_hooked = entry
    if isinstance(data, Kept):
        is_hooked = data.unpack_hook is not None
        return (data.packed if is_hooked else data.tensor), is_hooked
    return entry


def wrap(patches: Patches) -> None:
    """Let hooks that are pushed or registered from now on tell what they packed; see NOTE [Before SavedTensor.data].

    Effect: until the patches are restored; none where a ``SavedTensor`` shows what it holds.
    """
    if _SHOWS_DATA:
        return
    engine: Any = torch._C._autograd
    push, register = engine._push_saved_tensors_default_hooks, engine.SavedTensor.register_hooks

    def push_hooks(pack: Callable[[Any], Any], unpack: Unpack) -> None:
        push(pack, _tells(unpack))

    def register_hooks(saved: Any, pack_hook: Callable[[Any], Any], unpack_hook: Unpack) -> Any:
        return register(saved, pack_hook, _tells(unpack_hook))

    patches.set(engine, "_push_saved_tensors_default_hooks", push_hooks)
    patches.set(engine.SavedTensor, "register_hooks", register_hooks)


def _raw_names(node_type: type) -> tuple[str, ...]:
    names = _RAW_NAMES.get(node_type)
    if names is None:
        names = _RAW_NAMES[node_type] = tuple(name for name in dir(node_type) if name.startswith(_RAW))
    return names


def _unpacking(node: Any, name: str) -> str:
    is_custom = name == "_raw_saved_tensors" and isinstance(node, torch.autograd.function.BackwardCFunction)
    return "saved_tensors" if is_custom else name.replace("_raw", "", 1)


def _entries(node: Any, name: str) -> list[Entry]:
    """Return what one attribute of a node holds.

    Raises:
        RuntimeError: it was freed.
    """
    raw = getattr(node, name)
    saved = [each for each in (raw if isinstance(raw, (tuple, list)) else (raw,)) if each is not None]
    if _SHOWS_DATA:
        return [(each.data, each.unpack_hook is not None) for each in saved]
    with _looking() as met:
        values = _unpacked(node, _unpacking(node, name), saved)
        return [_entry_of(each, met) for each in (values if isinstance(values, (tuple, list)) else (values,))]


def _unpacked(node: Any, attribute: str, saved: list[Any]) -> Any:
    """Unpack what a node saved, what was overwritten too.

    Raises:
        RuntimeError: it was freed, or cut from its graph.
    """
    refused = ""
    for kept in chain((None,), map(_put_pair_on, saved)):
        try:
            values = getattr(node, attribute)
        except RuntimeError as error:
            said = recognise(str(error))
            if said is None or said.refusal is not Refusal.SAVED_OVERWRITTEN:
                raise
            if kept is not None and str(error) != refused:
                kept.mark = refused
            refused = str(error)
        else:
            if kept is not None:
                kept.mark = refused
            return values
    raise RuntimeError(refused)


def _put_pair_on(saved: Any) -> Kept:
    kept = Kept()
    kept.packed = kept.unpack_hook = kept.producer = kept.mark = kept.tensor = None
    kept.has_node, kept.version = False, 0

    def pack(tensor: torch.Tensor) -> Kept:
        kept.tensor, kept.version = tensor, tensor._version
        return kept

    with suppress(RuntimeError):  # it has hooks, so the engine does not refuse it
        _REGISTER(saved, pack, _tells(_unpack))
    return kept


def _unpack(kept: Kept) -> Any:
    if kept.mark is not None:
        raise RuntimeError(_AT_VERSION.sub(f" is at version {kept.tensor._version};", kept.mark))
    return unpack_kept(kept)


def _tells(unpack: Unpack) -> Unpack:
    """Return an unpack hook that gives a stand-in while we look, and what ``unpack`` gives at all other times."""

    def unpack_hook(packed: Any) -> Any:
        met = _look.met
        if met is None:
            return unpack(packed)
        stand_in = torch.empty(0)
        met.append((stand_in, packed))
        return stand_in

    return unpack_hook


class _Look(threading.local):
    """What the hooks of one thread are asked to tell."""

    met: list[tuple[torch.Tensor, object]] | None = None
    """Stand-ins, and what was packed in their place; None while nobody looks."""


_look = _Look()


@contextmanager
def _looking() -> Iterator[list[tuple[torch.Tensor, object]]]:
    before, met = _look.met, list[tuple[torch.Tensor, object]]()
    _look.met = met
    try:
        yield met
    finally:
        _look.met = before


def _entry_of(value: Any, met: list[tuple[torch.Tensor, object]]) -> Entry:
    """Return the entry of which unpacking made a value, a stand-in perhaps with a node of its own."""
    if met and isinstance(value, torch.Tensor) and value.layout is torch.strided and value.numel() == 0:
        storage = value.untyped_storage()._cdata
        for stand_in, packed in met:
            if stand_in.untyped_storage()._cdata == storage:
                return packed, True
    return value, False
