"""Checkpointed regions: whether recomputation computes again what forward computed.

# NOTE [Comparing a recomputation] Both runs of a region hand the same tensors to the same hooks in the same order.  A
sample of the values of each is kept from the first run and compared in the second, with a tolerance: reductions may
sum in another order.

# NOTE [Replaced attributes] What was not written but replaced (``block.mask = other``) is known from the assignments to
attributes of modules that put one tensor in the place of another.

Source: torch/utils/checkpoint.py (`_checkpoint_hook`, `_recomputation_hook`), torch 2.13.0.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
import torch.utils.checkpoint

from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.regions import REFUSALS, key_of
from gradsan.frameworks.torch.storages import release
from gradsan.model.event import Needed, Saved, SequenceNumber, Version, Written
from gradsan.model.history import History, Subject, Witness
from gradsan.record.frames import Site, current_site

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit

MAX_REPLACED = 1024
N_VALUES = 32
TOLERANCE = 1e-3
_ZERO = Version(0)


class Sample:
    """Some values of a tensor that a region packed, and where it lived."""

    __slots__ = ("key", "number", "shape", "values")

    def __init__(self, tensor: Any, number: int) -> None:
        self.shape = tuple(tensor.shape)
        self.key = key_of(tensor)
        self.number = number
        self.values = _values_of(tensor)


class RegionAudit:
    """Compares recomputations; knows which attributes were replaced."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._samples: weakref.WeakKeyDictionary[Any, list[Sample]] = weakref.WeakKeyDictionary()
        """By the frame of the region."""
        self._replaced: list[tuple[int, int, str, Site | None, Any]] = []
        """(key of the storage that was there, number, attribute, place, weak reference to the storage)."""

    def wrap(self, patches: Patches) -> None:
        """Wrap both hooks of checkpointed regions, and assignments to attributes of modules.

        Effect: until the patches are restored.
        """
        module: Any = torch.utils.checkpoint
        for name, follow in (("_checkpoint_hook", self._first), ("_recomputation_hook", self._second)):
            owner = getattr(module, name, None)
            if owner is not None:
                patches.set(owner, "__init__", self._init(owner.__init__, follow))
        patches.set(torch.nn.Module, "__setattr__", self._assigning(torch.nn.Module.__setattr__))

    def _init(self, original: Callable[..., None], follow: Callable[[Any, Any], None]) -> Callable[..., None]:
        @functools.wraps(original)
        def init(hooks: Any, frame: Any, *args: Any, **kwargs: Any) -> None:
            original(hooks, frame, *args, **kwargs)
            if not torch.compiler.is_compiling():
                with self._audit.recorder.border():
                    follow(hooks, frame)

        return init

    def _first(self, hooks: Any, frame: Any) -> None:
        samples = self._samples[frame] = []
        pack, next_number = hooks.pack_hook, self._audit.recorder.next_number

        @functools.wraps(pack)
        def pack_hook(tensor: Any) -> Any:
            with self._audit.recorder.border():
                samples.append(Sample(tensor, next_number()))
            return pack(tensor)

        hooks.pack_hook = pack_hook

    def _second(self, hooks: Any, frame: Any) -> None:
        frame = frame() if isinstance(frame, weakref.ref) else frame
        samples = self._samples.get(frame)
        if not samples:
            return
        pack, rest = hooks.pack_hook, iter(samples)

        @functools.wraps(pack)
        def pack_hook(tensor: Any) -> Any:
            nonlocal rest
            with self._audit.recorder.border():
                sample = next(rest, None)
                if sample is not None and not _agree(sample, tensor):
                    rest = iter(())
                    self._differs(samples, sample)
            return pack(tensor)

        hooks.pack_hook = pack_hook

    def _differs(self, samples: list[Sample], sample: Sample) -> None:
        recorder = self._audit.recorder
        begin, end = max(0, samples[0].number - 2), samples[-1].number
        if self._is_on_record(begin):
            return
        places = self._replacements({each.key for each in samples}, end)
        writes = tuple(self._written(place) for place in places[:1]) or (self._audit.written(None),)
        saved_at = recorder.site_of(sample.number - 1)
        here = current_site(recorder.user_code)
        saved = Saved(
            span=None if saved_at is None else saved_at.span(),
            operation="checkpoint",
            operand="",
            version=_ZERO,
            sequence=SequenceNumber(sample.number),
            is_checked=False,
        )
        now = SequenceNumber(recorder.next_number())
        needed = Needed(span=None if here is None else here.span(), operation="checkpoint", version=_ZERO, sequence=now)
        subject = Subject(name=places[0][2] if places else "", shape=sample.shape)
        self._audit.tell(History(subject=subject, events=(saved, *writes, needed), witness=Witness.RECOMPUTATION))

    def _replacements(self, keys: set[int | None], end: int) -> list[tuple[int, int, str, Site | None, Any]]:
        """Return what was replaced after the first run: what the region saved, or else the only attribute there is."""
        later = [place for place in self._replaced if place[1] >= end]
        saved = [place for place in later if place[0] in keys]
        return saved or (later if len({place[2] for place in later}) == 1 else [])

    def _is_on_record(self, begin: int) -> bool:
        # A suspicious write or an optimizer step after the region began is told by the recorder.
        return self._audit.recorder.suspects.last_number >= begin

    def _written(self, place: tuple[int, int, str, Site | None, Any]) -> Written:
        return self._audit.written(place[3], f"{place[2]} =")

    def _assigning(self, original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def assign(module: Any, name: str, value: Any) -> None:
            before = module.__dict__.get(name) if isinstance(value, torch.Tensor) else None
            if before is None and isinstance(value, torch.Tensor):
                before = module.__dict__.get("_buffers", {}).get(name)
            if isinstance(before, torch.Tensor) and before is not value:
                self._note(before, name)
            original(module, name, value)

        return assign

    def _note(self, before: torch.Tensor, name: str) -> None:
        recorder = self._audit.recorder
        with recorder.border():
            try:
                storage = before.untyped_storage()
            except REFUSALS:
                return
            if len(self._replaced) >= MAX_REPLACED:
                self._forget(MAX_REPLACED // 4)
            site = current_site(recorder.user_code)
            # The storage is held weakly so that its key is not given to another one.
            weak = storage._weak_ref()
            self._replaced.append((storage._cdata, recorder.next_number(), name, site, weak))

    def unwrap(self) -> None:
        """Forget what was replaced."""
        self._forget(len(self._replaced))

    def _forget(self, n_oldest: int) -> None:
        for place in self._replaced[:n_oldest]:
            release(place[4])
        del self._replaced[:n_oldest]


def _values_of(tensor: Any) -> torch.Tensor | None:
    if not isinstance(tensor, torch.Tensor) or tensor.layout is not torch.strided or tensor.numel() == 0:
        return None
    with torch.no_grad(), torch._C.DisableTorchFunction():
        flat = tensor.detach().reshape(-1)
        step = max(1, flat.numel() // N_VALUES)
        return flat[::step][:N_VALUES].clone()


def _agree(sample: Sample, tensor: Any) -> bool:
    values = _values_of(tensor)
    if sample.values is None or values is None or values.shape != sample.values.shape:
        return True
    if values.dtype != sample.values.dtype or not values.is_floating_point():
        return values.dtype != sample.values.dtype or bool(torch.equal(values, sample.values))
    with torch.no_grad():
        scale = float(sample.values.abs().max())
        return torch.allclose(values, sample.values, rtol=TOLERANCE, atol=TOLERANCE * scale + 1e-12, equal_nan=True)
