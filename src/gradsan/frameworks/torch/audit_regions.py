"""Checkpointed regions: whether recomputation computes again what forward computed.

# NOTE [Comparing a recomputation] Both runs of a region hand the same tensors to the same hooks in the same order.  A
sample of the values of each is kept from the first run and compared in the second, with a tolerance: reductions may
sum in another order.  A reentrant region has no hooks: its results are compared.

# NOTE [What made it differ] Of all that the region's function can read, what was written or replaced after the first
run; arrays are compared after each line (NOTE [Bracketing the write] in `audit`).  Assignments to attributes of modules
are followed for this.  A list that is an argument is kept as it is, not what was in it: it is known by the name of the
parameter, and by those that it has where the region is called.

# NOTE [Statistics differ] A norm in train mode saves its running statistics, which the second run finds updated and
never reads (NOTE [Saved is not used] in `audit`).  What is one-dimensional inside such a call is not compared.  The
randomised leaky ReLU saves its noise before it draws it: of it, only the memory of its input is compared.

Source: torch/utils/checkpoint.py (`_checkpoint_hook`, `_recomputation_hook`, `CheckpointFunction`), torch 2.13.0.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import get_ident
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
import torch.utils.checkpoint

from gradsan.frameworks.torch.captured import Captured, closure_of, lists_given
from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.fingerprints import fingerprint
from gradsan.frameworks.torch.marked import Marked
from gradsan.frameworks.torch.region_samples import Sample, agree
from gradsan.frameworks.torch.regions import REFUSALS, key_of
from gradsan.frameworks.torch.storages import release
from gradsan.model.event import Event, Needed, Saved, SequenceNumber, Version, Written
from gradsan.model.history import History, Subject, Witness
from gradsan.record.frames import Site, current_site, span_of
from gradsan.record.stores import refills_of, stores_of

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit

MAX_REPLACED = 1024
MAX_TOLD = 4
_TRAINS = 5
"""Position of the argument that puts a norm into train mode."""
_DRAWS = 3
"""Position of the argument that makes RReLU draw its slopes."""
_ZERO = Version(0)


class FirstRun:
    """What is kept of the first run of a region."""

    __slots__ = ("arguments", "arrays", "begin", "order", "place", "restores_generator", "samples", "tokens")

    def __init__(
        self,
        begin: tuple[int, int],
        arrays: list[Marked],
        tokens: dict[tuple[str, ...], object],
        arguments: dict[str, Any],
    ) -> None:
        self.begin, self.order = begin
        """The number of the next node, and the place of the next event."""
        self.samples: list[Sample] = []
        self.arrays = arrays
        self.tokens = tokens
        self.arguments = arguments
        """Lists that the region was given, by name."""
        self.restores_generator = True
        """Whether the second run draws what this one drew from the framework's generators."""
        self.place = _outermost_place()

    @property
    def end(self) -> int:
        """The number of the last node that is known to belong to it."""
        return self.samples[-1].number if self.samples else self.begin


@dataclass(frozen=True, slots=True)
class Replaced:
    """An attribute of a module that was given another value."""

    module: Callable[[], object]
    name: str
    number: int
    site: Site | None
    key: int | None
    """Of the storage of the tensor that was there."""
    weak: Any
    """The storage is held weakly so that its key is not given to another one."""


@dataclass(frozen=True, slots=True)
class Culprit:
    """What may have made a second run differ; the lower ``rank``, the likelier."""

    rank: int
    number: int
    name: str
    written: Written


class RegionAudit:
    """Compares recomputations; knows which attributes were replaced."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._runs: weakref.WeakKeyDictionary[Any, FirstRun] = weakref.WeakKeyDictionary()
        """By the frame of the region, or the node of a reentrant one."""
        self._replaced: list[Replaced] = []
        self._inside: dict[int, int | None] = {}
        """Threads inside a norm in train mode, and inside RReLU with the storage of its input."""

    def wrap(self, patches: Patches) -> None:
        """Wrap both hooks of checkpointed regions, both runs of reentrant ones, and assignments to modules.

        Effect: until the patches are restored.
        """
        module: Any = torch.utils.checkpoint
        for name, follow in (("_checkpoint_hook", self._first), ("_recomputation_hook", self._second)):
            owner = getattr(module, name, None)
            if owner is not None:
                patches.set(owner, "__init__", self._init(owner.__init__, follow))
        reentrant: Any = torch.utils.checkpoint.CheckpointFunction
        patches.set(reentrant, "forward", staticmethod(self._reentrant_forward(reentrant.forward)))
        patches.set(reentrant, "backward", staticmethod(self._reentrant_backward(reentrant.backward)))
        for norm in ("batch_norm", "instance_norm"):
            patches.set(torch, norm, self._unread(getattr(torch, norm), _TRAINS))
        for name in ("rrelu", "rrelu_"):
            patches.set(torch, name, self._unread(getattr(torch, name), _DRAWS, is_by_input=True))
        patches.set(torch.nn.Module, "__setattr__", self._assigning(torch.nn.Module.__setattr__))

    def _init(self, original: Callable[..., None], follow: Callable[[Any, Any], None]) -> Callable[..., None]:
        @functools.wraps(original)
        def init(hooks: Any, frame: Any, *args: Any, **kwargs: Any) -> None:
            original(hooks, frame, *args, **kwargs)
            if not torch.compiler.is_compiling():
                with self._audit.recorder.border():
                    follow(hooks, frame)

        return init

    def _unread(self, original: Callable[..., Any], at: int, *, is_by_input: bool = False) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            if len(args) <= at or not args[at] or torch.compiler.is_compiling():
                return original(*args, **kwargs)
            inside[get_ident()] = key_of(args[0]) if is_by_input else None
            try:
                return original(*args, **kwargs)
            finally:
                inside.pop(get_ident(), None)

        inside = self._inside
        return call

    def _is_compared(self, tensor: Any) -> bool:
        thread = get_ident()
        if thread not in self._inside:
            return True
        key = self._inside[thread]
        return bool(tensor.dim() > 1) if key is None else key_of(tensor) == key

    def _begin(self, function: Any, values: Sequence[Any]) -> FirstRun:
        audit = self._audit
        arguments = lists_given(function, values, audit.recorder.user_code)
        arrays, captured = [], Captured(function, audit.recorder.user_code, arguments)
        for read in captured.reads:
            if not isinstance(read.value, torch.Tensor) and (alias := _alias_of(read.value)) is not None:
                arrays.append(Marked(read.name, alias, fingerprint(alias, is_full=audit.is_full)))
        for marked in arrays:
            audit.watch(marked, marked.tensor, marked.mark)
        begin = audit.recorder.next_number(), audit.recorder.writes.next_order()
        return FirstRun(begin, arrays, captured.tokens, arguments)

    def _first(self, hooks: Any, frame: Any) -> None:
        function = getattr(frame, "recompute_fn", None)
        run = self._runs[frame] = self._begin(function, getattr(frame, "saved_args", ()))
        run.restores_generator = closure_of(function).get("preserve_rng_state", True) is not False
        pack, next_number, inside = hooks.pack_hook, self._audit.recorder.next_number, self._inside

        @functools.wraps(pack)
        def pack_hook(tensor: Any) -> Any:
            with self._audit.recorder.border():
                is_compared = not inside or self._is_compared(tensor)
                run.samples.append(Sample(tensor, next_number(), is_compared=is_compared))
            return pack(tensor)

        hooks.pack_hook = pack_hook

    def _second(self, hooks: Any, frame: Any) -> None:
        frame = frame() if isinstance(frame, weakref.ref) else frame
        run = self._runs.get(frame)
        if run is None or not run.samples:
            return
        pack, rest = hooks.pack_hook, iter(run.samples)

        @functools.wraps(pack)
        def pack_hook(tensor: Any) -> Any:
            nonlocal rest
            with self._audit.recorder.border():
                sample = next(rest, None)
                if sample is not None and not agree(sample, tensor):
                    rest = iter(())
                    self._differs(run, sample, getattr(frame, "recompute_fn", None))
            return pack(tensor)

        hooks.pack_hook = pack_hook

    def _reentrant_forward(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def forward(ctx: Any, run_function: Any, *args: Any) -> Any:
            if torch.compiler.is_compiling():
                return original(ctx, run_function, *args)
            with self._audit.recorder.border():
                self._runs[ctx] = self._begin(run_function, args)
            outputs = original(ctx, run_function, *args)
            with self._audit.recorder.border():
                number = self._audit.recorder.next_number()
                self._runs[ctx].samples.extend(Sample(each, number) for each in _tensors_of(outputs))
                self._runs[ctx].restores_generator = bool(getattr(ctx, "preserve_rng_state", True))
            return outputs

        return forward

    def _reentrant_backward(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def backward(ctx: Any, *args: Any) -> Any:
            run, function = self._runs.get(ctx), getattr(ctx, "run_function", None)
            if run is None or function is None or torch.compiler.is_compiling():
                return original(ctx, *args)

            def again(*inputs: Any) -> Any:
                outputs = function(*inputs)
                with self._audit.recorder.border():
                    for sample, each in zip(run.samples, _tensors_of(outputs), strict=False):
                        if not agree(sample, each):
                            self._differs(run, sample, function)
                            break
                return outputs

            ctx.run_function = again
            try:
                return original(ctx, *args)
            finally:
                ctx.run_function = function

        return backward

    def _differs(self, run: FirstRun, sample: Sample, function: Any) -> None:
        recorder = self._audit.recorder
        if recorder.checkpointed.is_told(sample.number - 1):
            return
        self._audit.look()
        captured = Captured(function, recorder.user_code, run.arguments)
        found = self._culprits(run, captured)
        names = dict.fromkeys(each.name for each in found)
        writes = tuple({each.written.span: each.written for each in found}.values())[:MAX_TOLD]
        saved_at, here = recorder.site_of(sample.number - 1), current_site(recorder.user_code)
        if not writes:
            writes = tuple(self._audit.written(site, "random") for site in captured.draws())[:MAX_TOLD]
        if not writes and not run.restores_generator:
            # A module of the framework draws where it saves.
            drawn: list[Site | None] = [*captured.draws_of_framework()] or [saved_at]
            writes = tuple(self._audit.written(site, "random of the framework") for site in drawn)[:MAX_TOLD]
        saved = Saved(
            span=span_of(saved_at),
            operation="checkpoint",
            operand="",
            version=_ZERO,
            sequence=SequenceNumber(sample.number),
            is_checked=False,
        )
        now = SequenceNumber(recorder.next_number())
        needed = Needed(span=span_of(here), operation="checkpoint", version=_ZERO, sequence=now)
        events: tuple[Event, ...] = (saved, *(writes or (self._audit.written(None),)), needed)
        subject = Subject(name=next(iter(names)) if len(names) == 1 else "", shape=sample.shape)
        self._audit.tell(History(subject=subject, events=events, witness=Witness.RECOMPUTATION))

    def _culprits(self, run: FirstRun, captured: Captured) -> list[Culprit]:
        """Return the likeliest of what was written or replaced after the first run, the youngest first."""
        keys = {each.key for each in run.samples}
        found = [*self._written_arrays(run), *self._written_tensors(run, captured, keys)]
        for each in self._replaced:
            if each.number >= run.end and id(each.module()) in captured.modules:
                rank = 0 if each.key in keys and each.key is not None else 1
                found.append(Culprit(rank, each.number, each.name, self._audit.written(each.site, f"{each.name} =")))
        if not found and not any(captured.draws()):  # what the region itself writes, its second run finds written
            found = self._written_tensors(run, captured, keys, by_itself=True)
        found = found or self._assigned(run, captured)
        likeliest = min((each.rank for each in found), default=0)
        return sorted((each for each in found if each.rank == likeliest), key=lambda each: -each.number)

    def _assigned(self, run: FirstRun, captured: Captured) -> list[Culprit]:
        """Return where the source assigns what is another value now, although nothing was seen to replace it."""
        files, within = captured.files(), captured.makers()
        found = []
        for name in captured.changed(run.tokens):
            found += [(name, f"{name} =", span) for span in stores_of(name, files, after=run.place, within=within)]
        for name in captured.refilled(run.tokens):
            names = [each for each, value in run.arguments.items() if value is run.arguments.get(name)] or [name]
            spans = [span for each in names for span in refills_of(each, files, after=run.place)]
            found += [(name, "refilled", span) for span in spans]
        return [Culprit(0, run.end, name, self._audit.written(span, does)) for name, does, span in found]

    def _written_arrays(self, run: FirstRun) -> list[Culprit]:
        audit = self._audit
        changed = [each for each in run.arrays if each.differs(is_full=audit.is_full)]
        return [Culprit(0, run.end, each.name, audit.written(audit.line_of(each), "__setitem__")) for each in changed]

    def _written_tensors(
        self, run: FirstRun, captured: Captured, keys: set[int | None], *, by_itself: bool = False
    ) -> list[Culprit]:
        found = []
        for read in captured.reads:
            key = key_of(read.value) if isinstance(read.value, torch.Tensor) else None
            log = None if key is None else self._audit.recorder.writes.find(key)
            for last in log.runs if log is not None else ():
                is_later = last.last_order >= run.order if by_itself else last.last_number >= run.end
                if is_later and last.site is not None:
                    rank = 0 if key in keys else 1 if read.value.is_floating_point() else 2
                    written = self._audit.written(last.site, last.operation)
                    found.append(Culprit(rank, last.last_number, read.name, written))
        return found

    def _assigning(self, original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def assign(module: Any, name: str, value: Any) -> None:
            before = module.__dict__.get(name)
            if before is None and isinstance(value, torch.Tensor):
                before = module.__dict__.get("_buffers", {}).get(name)
            if before is not None and before is not value and _is_other(before, value):
                self._note(module, before, name)
            original(module, name, value)

        return assign

    def _note(self, module: Any, before: Any, name: str) -> None:
        recorder = self._audit.recorder
        with recorder.border():
            if len(self._replaced) >= MAX_REPLACED:
                self._forget(MAX_REPLACED // 4)
            key, weak = None, None
            if isinstance(before, torch.Tensor):
                try:
                    storage = before.untyped_storage()
                    key, weak = storage._cdata, storage._weak_ref()
                except REFUSALS:
                    return
            site, number = current_site(recorder.user_code), recorder.next_number()
            self._replaced.append(Replaced(weakref.ref(module), name, number, site, key, weak))

    def unwrap(self) -> None:
        """Forget what was replaced."""
        self._forget(len(self._replaced))

    def _forget(self, n_oldest: int) -> None:
        for place in self._replaced[:n_oldest]:
            if place.weak is not None:
                release(place.weak)
        del self._replaced[:n_oldest]


def _outermost_place() -> tuple[str, int]:
    """Return the file that runs as the program, and the line where it stands."""
    frame: FrameType | None = sys._getframe(1)
    place = ("", 0)
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == "__main__":
            place = frame.f_code.co_filename, frame.f_lineno
            break
        frame = frame.f_back
    return place


def _is_other(before: Any, value: Any) -> bool:
    """Whether a value is another tensor, or another number, than what was there."""
    if isinstance(before, torch.Tensor):
        return isinstance(value, torch.Tensor)
    return isinstance(before, (int, float)) and isinstance(value, (int, float)) and before != value


def _alias_of(array: Any) -> torch.Tensor | None:
    try:
        return torch.from_numpy(array) if array.flags.writeable else None
    except (TypeError, ValueError):
        return None


def _tensors_of(outputs: Any) -> Sequence[torch.Tensor]:
    each = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    return [tensor for tensor in each if isinstance(tensor, torch.Tensor)]
