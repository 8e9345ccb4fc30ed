"""What makes a write suspicious, and the doors that hand out aliases.

# NOTE [What is suspicious] A write is suspicious when it may mutate a value that a graph needs without the version
counter or the tape seeing it: through an alias with a counter of its own (``.data``, a storage shared by assignment to
``.data``), through ``detach()``, under ``no_grad`` to a tensor that has history, by a collective or by batch norm's
running statistics, and any write at all once saved-tensor hooks have switched the engine's check off.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch import collectives
from gradsan.frameworks.torch.collectives import COLLECTIVES, is_collective
from gradsan.frameworks.torch.cuts import is_made_of_others, stores, upstream_of, values_with_history
from gradsan.frameworks.torch.doors import Callee, Patches
from gradsan.frameworks.torch.frames import is_in_apply, is_in_forward, is_in_training, user_frame
from gradsan.frameworks.torch.graph import has_node, producers_of
from gradsan.frameworks.torch.regions import PLAIN, REFUSALS
from gradsan.frameworks.torch.restored import content_of
from gradsan.frameworks.torch.storages import WITH_OBJECT, n_holders
from gradsan.model.event import Access
from gradsan.record.frames import Site, site_in_program
from gradsan.record.suspects import Alias, GivenUp, Move, Region, Suspect

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder

# Adding a constant leaves the derivative as it is, so an unrecorded addition breaks no gradient.
_ADDITIVE = frozenset(
    {
        *("add_", "sub_", "__iadd__", "__isub__", "subtract_", "addcmul_", "addcdiv_"),
        *("index_add_", "scatter_add_"),
    }
)

STORAGE_WRITES = ("fill_", "copy_", "__setitem__")

_UNCOUNTED = frozenset({*COLLECTIVES, "batch_norm", "Parameter", "tensor"})

# Source: the note of `torch.nn.GaussianNLLLoss`, "the clamping is ignored with respect to autograd".  It is the only
# one of the framework's own functions that writes off the tape to what it computed on it (torch 2.13.0).
_DOCUMENTED = frozenset({torch.nn.functional.gaussian_nll_loss.__code__})


class Suspicion:
    """Notes aliases and suspicious writes for one recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._log = recorder.suspects
        self.on_alias: Callable[[Any, Site | None], None] | None = None
        """Called with an alias that the program was given, and where."""
        self.on_copy: Callable[[Any, Any], None] | None = None
        """Called with a tensor and what was copied into it off the tape."""
        self.on_leaf: Callable[[Any, Any], None] | None = None
        """Told of a leaf over whose memory a parameter was made, and of the parameter."""

    def wrap(self, patches: Patches) -> None:
        """Wrap what hands out aliases and what writes unseen.

        Effect: until the patches are restored.
        """
        tensor_type: Any = torch.Tensor
        data = tensor_type.data
        patches.set(tensor_type, "data", DataDoor(data, self))
        patches.set_door(tensor_type, "detach", self._detach(tensor_type.detach))
        patches.set(torch, "batch_norm", self._batch_norm(torch.batch_norm))
        parameter: Any = torch.nn.Parameter
        patches.set(parameter, "__new__", staticmethod(self._new_parameter(parameter.__new__)))
        self._recorder.checkpointed.wrap(patches)
        patches.set(torch.UntypedStorage, "resize_", self._storage_resize(torch.UntypedStorage.resize_))
        for name in STORAGE_WRITES:
            patches.set(torch.UntypedStorage, name, self._storage_write(getattr(torch.UntypedStorage, name), name))
        if torch.distributed.is_available():
            for name in COLLECTIVES:
                original = getattr(torch.distributed, name)
                patches.set(
                    torch.distributed, name, collectives.wrapper(self._recorder, original, name, self.note_write)
                )

    def note_alias(self, tensor: Any, other: Any, access: Access, frame: FrameType) -> None:
        """Remember that a tensor's storage can now be reached through another tensor."""
        with self._recorder.border():
            storage = _storage_of(tensor)
            if storage is None:
                return
            producers = producers_of(tensor)
            code, offset, _ = user_frame(self._recorder.user_code, frame)
            operation = "data" if access is Access.DATA else "detach"
            one, two = weakref.ref(other), weakref.ref(tensor)
            alias = Alias(storage._weak_ref(), operation, access, producers, code, offset, one, two)
            if self._recorder.may_be_held(tensor, n_own=1):
                alias.number, alias.content = self._recorder.number_now(), content_of(storage)
            self._log.add_alias(storage._cdata, alias)
            if self.on_alias is not None:
                self.on_alias(other, None if code is None else Site(code, offset))

    def note_write(
        self, tensor: Any, operation: str, number: int, frame: FrameType, args: tuple[Any, ...] = ()
    ) -> None:
        """Remember a write that the version counter or the tape may not see."""
        if frame.f_code in _DOCUMENTED:
            return
        with self._recorder.border():
            args = args[1:] if args and args[0] is tensor else args
            if operation == "copy_" and args and self.on_copy is not None:
                self.on_copy(tensor, args[0])
            storage, region = _storage_of(tensor), region_of(tensor, args if operation == "__setitem__" else ())
            if storage is None or region is None:
                return
            alias = self._log.aliases.get(storage._cdata)
            is_alias = alias is not None and _is_made_of(tensor, alias.tensor())
            is_own = not is_alias and has_node(tensor)
            is_copy = (operation == "copy_" or _stores_in_constant(tensor, operation, args)) and _has_history(args)
            is_known = alias is not None or is_own or operation in _UNCOUNTED
            if not (is_known or is_copy or self._recorder.hooks_were_used):
                return
            origin = tensor if is_own or alias is None else alias.origin()
            suspect = self._suspect(operation, number or self._recorder.number_now(), frame, region)
            suspect.access = alias.access if alias is not None and not is_own else Access.ITSELF
            suspect.alias = alias
            if isinstance(origin, torch.Tensor):
                suspect.whole = region_of(origin)
            suspect.is_on_tape = is_own and torch.is_grad_enabled() and not is_collective(operation)
            if not suspect.is_on_tape:
                has_history = _has_history(args)
                suspect.keeps_derivative = operation in _ADDITIVE and not has_history
                if isinstance(origin, torch.Tensor):
                    suspect.producers = producers_of(origin)
                elif alias is not None:
                    suspect.producers = alias.producers
                if has_history:
                    self._note_cut(suspect, origin, args, frame)
            suspect.is_in_pack = self._recorder.hooks_were_used and self._recorder.checkpointed.is_packing(frame)
            self._log.add_write(storage._cdata, storage._weak_ref(), suspect)
            self._recorder.note_unseen(storage._cdata)

    def note_move(self, tensor: Any, before: Place | None, value: Any, frame: FrameType) -> None:
        """Remember that a tensor was given other memory."""
        with self._recorder.border():
            after = place_of(tensor)
            if before is None or after is None or before.seat == after.seat:
                return
            suspect = self._suspect("data", self._recorder.number_now(), frame, after.seat[1])
            suspect.access, suspect.is_on_tape = Access.DATA, False
            suspect.producers, suspect.whole = producers_of(tensor), after.seat[1]
            if not has_node(tensor) and _has_history((value,)):
                self._note_cut(suspect, tensor, (value,), frame)
            if n_holders(after.seat[0]) > WITH_OBJECT + 1:  # more than the tensor and the value that it was given
                self._log.add_shared(after.seat[0], after.storage._weak_ref())
            move = Move(before.seat, after.seat, before.storage._weak_ref(), suspect)
            self._log.add_move(id(tensor), weakref.ref(tensor), move)

    def _note_cut(self, suspect: Suspect, written: object, values: tuple[Any, ...], frame: FrameType) -> None:
        """Remember that a value with history goes where no history is kept."""
        if isinstance(written, torch.nn.Parameter) and not written.requires_grad:
            suspect.is_in_forward, suspect.frozen = is_in_forward(frame), weakref.ref(written)
            is_merged = not suspect.is_in_forward or is_in_training(frame)
            upstream = upstream_of(values_with_history(values)) if is_merged else None
            if upstream is not None and (suspect.is_in_forward or is_made_of_others(written, upstream)):
                suspect.upstream, suspect.cuts_graph = upstream, True
        elif suspect.operation == "tensor" or is_in_forward(frame):
            suspect.cuts_graph = True
            if isinstance(written, torch.Tensor) and not written.requires_grad and is_in_training(frame):
                suspect.upstream = upstream_of(values_with_history(values))
                suspect.constant = weakref.ref(written)
        elif isinstance(written, torch.Tensor) and not has_node(written) and written.requires_grad:
            suspect.upstream = upstream_of(values_with_history(values))
            suspect.cuts_graph = suspect.upstream is not None

    def _suspect(self, operation: str, number: int, frame: FrameType, region: Region) -> Suspect:
        user_code = self._recorder.user_code
        code, offset, agent = user_frame(user_code, frame)
        return Suspect(
            operation,
            number,
            self._recorder.writes.next_order(),
            code,
            offset,
            access=Access.ITSELF,
            producers=(),
            region=region,
            agent=agent,
            grad_enabled=torch.is_grad_enabled(),
            is_in_function=is_in_apply(frame),
            in_program=None if code is None else site_in_program(user_code, Site(code, offset)),
        )

    def _detach(self, original: Callee) -> Callee:
        @functools.wraps(original)
        def detach(self: Any) -> Any:
            result = original(self)
            if not torch.compiler.is_compiling() and type(self) in PLAIN:
                if has_node(self):
                    note_alias(self, result, Access.DETACHED, sys._getframe(1))
                elif suspicion.on_alias is not None:
                    suspicion._hand_on(result, sys._getframe(1))
            return result

        suspicion, note_alias = self, self.note_alias
        return detach

    def _hand_on(self, alias: Any, frame: FrameType) -> None:
        """Hand on an alias of what has no history: it can hide no write from the tape."""
        if self.on_alias is None or self._recorder.is_quiet():
            return
        with self._recorder.border():
            code, offset, _ = user_frame(self._recorder.user_code, frame)
            self.on_alias(alias, None if code is None else Site(code, offset))

    def _batch_norm(self, original: Callee) -> Callee:
        @functools.wraps(original)
        def batch_norm(*args: Any, **kwargs: Any) -> Any:
            is_noted = len(args) > 5 and args[3] is not None and not torch.compiler.is_compiling()
            was_held = is_noted and bool(args[5]) and any(map(recorder.may_be_held, args[3:5]))
            result = original(*args, **kwargs)
            if is_noted:
                note(args[3:5], is_training=bool(args[5]), was_held=was_held, frame=sys._getframe(1))
            return result

        def note(statistics: tuple[Any, ...], *, is_training: bool, was_held: bool, frame: FrameType) -> None:
            # A graph reads the statistics again only if it was made in eval mode, or by something else that holds them.
            if not is_training:
                recorder.has_eval_statistics = recorder.has_eval_statistics or torch.is_grad_enabled()
            elif recorder.has_eval_statistics or was_held:
                for each in statistics:
                    self.note_write(each, "batch_norm", recorder.next_number(), frame)

        recorder = self._recorder
        return batch_norm

    def _new_parameter(self, original: Callee) -> Callee:
        @functools.wraps(original)
        def new(cls: Any, data: Any = None, *args: Any, **kwargs: Any) -> Any:
            parameter = original(cls, data, *args, **kwargs)
            if type(data) in PLAIN and not torch.compiler.is_compiling() and torch.is_grad_enabled():
                note(data, parameter, sys._getframe(1))
            return parameter

        def note(data: Any, parameter: Any, frame: FrameType) -> None:
            if has_node(data):
                self.note_write(parameter, "Parameter", self._recorder.next_number(), frame, (data,))
            elif self.on_leaf is not None and data.requires_grad and parameter.requires_grad:
                self.on_leaf(data, parameter)

        return new

    def new_leaf(self, original: Callee) -> Callee:
        """Wrap `torch.tensor`: of numbers and tensors it makes a new leaf, where their history ends."""

        @functools.wraps(original)
        def tensor(data: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(data, *args, **kwargs)
            if kwargs.get("requires_grad") is True and not torch.compiler.is_compiling():
                note(data, result, sys._getframe(1))
            return result

        def note(data: Any, result: Any, frame: FrameType) -> None:
            if _has_history((data,)):
                self.note_write(result, "tensor", self._recorder.next_number(), frame, (data,))

        return tensor

    def _storage_write(self, original: Callee, operation: str) -> Callee:
        @functools.wraps(original)
        def write(storage: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(storage, *args, **kwargs)
            if not torch.compiler.is_compiling():
                note(storage, sys._getframe(1))
            return result

        def note(storage: Any, frame: FrameType) -> None:
            with recorder.border():
                region = Region(0, (int(storage.nbytes()),), (1,), 1)
                suspect = self._suspect(operation, recorder.number_now(), frame, region)
                suspect.access, suspect.is_on_tape = Access.DATA, False
                self._log.add_write(storage._cdata, storage._weak_ref(), suspect)

        recorder = self._recorder
        return write

    def _storage_resize(self, original: Callee) -> Callee:
        @functools.wraps(original)
        def resize_(storage: Any, size: int, *args: Any) -> Any:
            if size == 0 and not torch.compiler.is_compiling() and n_holders(storage._cdata) > WITH_OBJECT:
                note(storage)
            return original(storage, size, *args)

        def note(storage: Any) -> None:
            with self._recorder.border():
                given_up = GivenUp(self._recorder.writes.next_order(), content_of(storage))
                self._log.add_given_up(storage._cdata, storage._weak_ref(), given_up)

        return resize_


class DataDoor:
    """The ``data`` attribute; see NOTE [Doors on methods] in `doors`."""

    def __init__(self, original: Any, suspicion: Suspicion) -> None:
        self.original = original
        self.suspicion = suspicion

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self.original
        result = self.original.__get__(instance)
        if type(instance) in PLAIN and not torch.compiler.is_compiling() and not self._is_quiet():
            self.suspicion.note_alias(instance, result, Access.DATA, sys._getframe(1))
        return result

    def __set__(self, instance: Any, value: Any) -> None:
        if type(instance) not in PLAIN or torch.compiler.is_compiling() or self._is_quiet():
            self.original.__set__(instance, value)
            return
        before = place_of(instance)
        self.original.__set__(instance, value)
        self.suspicion.note_move(instance, before, value, sys._getframe(1))
        self.suspicion.note_alias(instance, value, Access.DATA, sys._getframe(1))

    def __delete__(self, instance: Any) -> None:
        self.original.__delete__(instance)

    def _is_quiet(self) -> bool:
        return self.suspicion._recorder.is_quiet()


def _is_made_of(tensor: torch.Tensor, alias: object) -> bool:
    return alias is not None and (tensor is alias or (tensor._is_view() and tensor._base is alias))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lives: its storage, and the elements of it."""

    storage: Any
    seat: tuple[int, Region]


def place_of(tensor: Any) -> Place | None:
    """Return where a tensor lives; None where it can't tell."""
    storage, region = _storage_of(tensor), region_of(tensor)
    return None if storage is None or region is None else Place(storage, (storage._cdata, region))


def region_of(tensor: torch.Tensor, setitem_args: tuple[Any, ...] = ()) -> Region | None:
    """Return which elements of its storage a tensor covers, or an item assignment writes; None where it can't tell."""
    try:
        with torch._C.DisableTorchFunction(), torch.no_grad():
            if setitem_args and _is_basic_index(setitem_args[0]):
                tensor = tensor[setitem_args[0]]
            return Region(
                int(tensor.storage_offset()), tuple(tensor.size()), tuple(tensor.stride()), tensor.element_size()
            )
    except (RuntimeError, NotImplementedError, IndexError, TypeError):
        return None


def _is_basic_index(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or isinstance(part, (int, slice)) for part in parts)


def _storage_of(tensor: Any) -> Any:
    try:
        with torch._C.DisableTorchFunction():
            return tensor.untyped_storage()
    except REFUSALS:
        return None


def _stores_in_constant(tensor: torch.Tensor, operation: str, args: tuple[Any, ...]) -> bool:
    # NOTE [Stored without its history] in `cuts`
    return stores(operation, args) and not tensor.requires_grad and not isinstance(tensor, torch.nn.Parameter)


def _has_history(args: tuple[Any, ...]) -> bool:
    return next(values_with_history(args), None) is not None
