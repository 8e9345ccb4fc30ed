"""A witness: notes what a program computes, so that an edited version of it can be held against it.

# NOTE [Refused writes] A program whose write is refused has no values after that line.  To know them, the write is
performed all the same: "replaced" computes the written tensor out of place and puts it where the old one stood
(`swap_tensors`), so that its gradient is recorded and no alias sees it; a view of a leaf becomes one of a copy of the
leaf, which takes the leaf's place; what an activation makes of a parameter in place is its result only.  "values" lets
the new tensor have the memory of the old one, so that every alias sees it, but has no gradient of it; a leaf, which is
to stay one, is written through ``.data``.  Where both lead to the same values, nobody needed the alias, and the
gradients of "replaced" are those that the program means.  Where they don't, or a leaf's gradient is asked for in vain,
"result" may: what an activation makes of any leaf is its result, and a view made under `no_grad` is written as another.

# NOTE [Recorded writes] "recorded" performs a write that the tape would not know, through ``.data`` or under `no_grad`,
on the tape, wherever it meets a value with a history: the gradients are then those of the values that were computed.

# NOTE [Inference mode] Inference tensors may neither be saved nor written, and hold the values that `no_grad` gives.
Where refused writes are performed, `torch.inference_mode` is therefore `no_grad`: nothing is refused for it, and what
was made in it is a constant as before.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import linecache
import os
import sys
from collections.abc import Callable, Sequence
from types import MethodType
from typing import Any

import torch
import torch.utils.checkpoint
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.hooks import RemovableHandle
from torch.utils.weak import WeakTensorKeyDictionary

from gradsan.frameworks.torch import doors, refused_writes
from gradsan.frameworks.torch.apart import Apart
from gradsan.frameworks.torch.compiling import count_compiled
from gradsan.frameworks.torch.graph import base_of, leaves_of
from gradsan.frameworks.torch.joined import join, swap, take_place
from gradsan.frameworks.torch.outermost import Outermost
from gradsan.frameworks.torch.own_copies import give_copies, keep_gradients
from gradsan.frameworks.torch.own_functions import OwnFunctions
from gradsan.frameworks.torch.passes import Passes
from gradsan.frameworks.torch.regions import tensors_in
from gradsan.frameworks.torch.shared_elements import goes_through, shares_its_elements, write_apart
from gradsan.frameworks.torch.single_views import give_single_views
from gradsan.frameworks.torch.state import sample_of, sample_of_numbers, walk
from gradsan.frameworks.torch.views_taken import ViewsTaken
from gradsan.knowledge.error_texts import recognise
from gradsan.model.event import Refusal
from gradsan.record.observations import Observations, Refused

_LEAF_REFUSALS = (Refusal.LEAF, Refusal.LEAF_VIEW)
_LATE = (Refusal.SAVED_OVERWRITTEN, Refusal.INFERENCE_SAVED, Refusal.DIRTY_MARK)
"""Refusals that are no write: nothing can be performed instead."""


class Witness:
    """Notes roots, leaves and gradients of each backward pass, and the state that the program leaves behind.

    Args:
        performs_refused: "values", "replaced" or "result", see NOTE [Refused writes]; "recorded", see NOTE [Recorded
            writes]; "joined", see NOTE [Joined graphs] in `joined`; "kept", see NOTE [Kept and shared gradients] in
            `own_copies`; empty to let the program do what it does.
        files: The program's source files, for the functions that it calls with ``out=``.
        is_interpreted: Whether what the program compiles stays Python.
        is_apart: Whether operations under transforms are kept apart, see NOTE [No hooks under transforms] in `apart`.
    """

    def __init__(
        self,
        performs_refused: str = "",
        *,
        files: Sequence[str] = (),
        is_interpreted: bool = False,
        is_apart: bool = False,
    ) -> None:
        self.observations = Observations()
        self._files = files
        self._is_interpreted = is_interpreted
        self._apart = Apart() if is_apart else contextlib.nullcontext()
        self._performs_refused = performs_refused
        self._patches = doors.Patches()
        self._handles: list[RemovableHandle] = []
        self._trained: Any = WeakTensorKeyDictionary()
        """What an optimizer has updated: whatever it is, it is state."""
        self._sources: Any = WeakTensorKeyDictionary()
        """What ``.data`` gave, and of which tensor."""
        self._n_cut: Any = WeakTensorKeyDictionary()
        """Of how many elements of a tensor views were detached."""
        self._read: Any = WeakTensorKeyDictionary()
        """Whose ``.grad`` somebody asked for."""
        self._views = ViewsTaken()
        self._outermost = Outermost(files)
        self._passes = Passes(self.observations, self._read, self._outermost)

    def start(self) -> None:
        """Begin to note.

        Effect: wraps the engine; with ``performs_refused``, whatever writes.
        """
        self._patches.set(torch, "save", _announced(torch.save))
        count_compiled(self._patches, self.observations, is_interpreted=self._is_interpreted)
        self._passes.wrap(self._patches)
        self._handles = [register_optimizer_step_post_hook(self._note_update)]
        if self._performs_refused:
            give_copies(self._patches)
            is_seen = self._performs_refused not in refused_writes.OUT_OF_PLACE
            OwnFunctions(self._patches, self.observations, is_seen=is_seen).wrap()
            give_single_views(self._patches)
            self._wrap_writes()
        if self._performs_refused == "values":
            self._views.start()
        gradient: Any = inspect.getattr_static(torch.Tensor, "grad")
        self._patches.set(torch.Tensor, "grad", property(self._get_grad(gradient), gradient.__set__))
        if self._performs_refused in ("recorded", "joined"):
            data: Any = inspect.getattr_static(torch.Tensor, "data")
            self._patches.set(torch.Tensor, "data", property(self._get_data(data), self._set_data(data)))
        if self._performs_refused == "joined":
            join(self._patches)
        if self._performs_refused == "kept":
            self._handles.append(keep_gradients(self._patches))
        self._apart.__enter__()

    def stop(self) -> None:
        """Stop, and note the state of ``__main__``, and of the function that it ended in."""
        self._apart.__exit__(None, None, None)
        self.observations.takes_view, self.observations.writes_output = self._views.stop(), self._views.writes_output
        self._patches.restore()
        for handle in self._handles:
            handle.remove()
        names = {**vars(sys.modules["__main__"]), **self._outermost.names()}
        self._note_state(names)
        self._passes.name_leaves(names)

    def _wrap_writes(self) -> None:
        for owner in (torch, torch.autograd):
            self._patches.set(owner, "inference_mode", _without_gradients)
        tensors, _ = doors.writing_operations()
        for name in doors.methods_that_write(tensors):
            inner = getattr(torch.Tensor, name) if name not in vars(torch.Tensor) else vars(torch.Tensor)[name]
            self._patches.set(torch.Tensor, name, _Method(inner, self._performing(name)))
        for namespace, name in doors.functions_that_write(tensors):
            function = getattr(namespace, name)
            self._patches.set(namespace, name, self._function(function))
        self._patches.set(torch.Tensor, "detach_", _Method(vars(torch.Tensor)["detach_"], self._detach))
        sources = "\n".join(line for path in self._files for line in linecache.getlines(path))
        for namespace, name in dict.fromkeys(doors.functions_given_out(sources)):
            self._patches.set(namespace, name, self._given_out(getattr(namespace, name)))

    def _function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def perform(*args: Any, **kwargs: Any) -> Any:
            if not args or not isinstance(args[0], torch.Tensor):
                return function(*args, **kwargs)
            return self._perform(function, args, kwargs)

        return perform

    def _given_out(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def compute(*args: Any, out: Any = None, **kwargs: Any) -> Any:
            if out is None:
                return function(*args, **kwargs)
            try:
                return function(*args, out=out, **kwargs)
            except RuntimeError as error:
                said = recognise(str(error))
                if said is None or said.refusal is not Refusal.OUT_WITH_GRADIENT or not isinstance(out, torch.Tensor):
                    raise
                return self._perform_out(out, function(*args, **kwargs), (args, kwargs))

        return compute

    def _performing(self, name: str) -> Callable[..., Any]:
        is_joined = name == "copy_" and self._performs_refused == "joined"

        def perform(inner: Any, *args: Any, **kwargs: Any) -> Any:
            if is_joined and len(args) > 1 and self._join(args[0], args[1]):
                return args[0]
            return self._perform(lambda tensor, *rest, **named: _bind(inner, tensor)(*rest, **named), args, kwargs)

        perform.__name__ = name
        return perform

    def _detach(self, inner: Any, tensor: Any) -> Any:
        """Cut a view, although that is refused; and its base, once all of its parts are cut."""
        try:
            return _bind(inner, tensor)()
        except RuntimeError as error:
            said = recognise(str(error))
            if said is None or said.refusal is not Refusal.VIEW_DETACHED:
                raise
            self.observations.refused.append(self._refused(said.refusal, tensor, ()))
            base = tensor._base
            self._n_cut[base] = self._n_cut.get(base, 0) + tensor.numel()
            swap(tensor, tensor.detach())
            if self._n_cut[base] == base.numel():
                swap(base, base.detach())
            return tensor

    def _get_data(self, data: Any) -> Callable[[Any], Any]:
        def get(tensor: Any) -> Any:
            alias = data.__get__(tensor, type(tensor))
            if tensor.grad_fn is not None or self._performs_refused == "joined":
                self._sources[alias] = tensor
            return alias

        return get

    def _get_grad(self, gradient: Any) -> Callable[[Any], Any]:
        def get(tensor: Any) -> Any:
            self._read[tensor] = True
            found = gradient.__get__(tensor, type(tensor))
            self.observations.n_missed += found is None and tensor.requires_grad and not _is_leaf(tensor)
            return found

        return get

    def _set_data(self, data: Any) -> Callable[[Any, Any], None]:
        def put(tensor: Any, value: Any) -> None:
            if self._performs_refused != "joined" or not take_place(tensor, value):
                data.__set__(tensor, value)

        return put

    def _with_history(self, tensor: Any) -> Any:
        """Return the tensor of the graph that a write meets unknown to the tape; None where there is none."""
        base = base_of(tensor)
        source = self._sources.get(tensor, self._sources.get(base))
        if source is None and not torch.is_grad_enabled():
            source = tensor if tensor.grad_fn is not None else base
        return source if source is not None and source.grad_fn is not None else None

    def _record(self, write: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tensor, rest = args[0], args[1:]
        source = self._with_history(tensor)
        if source is None:
            return write(*args, **kwargs)
        self.observations.n_recorded += 1
        with torch.enable_grad():
            is_part = (tensor.shape, tensor.stride()) != (source.shape, source.stride())
            written = source.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset()) if is_part else source
            write(written, *rest, **kwargs)
        return tensor

    def _join(self, tensor: Any, value: Any) -> bool:
        """Let a leaf be the value that is copied into it whole; return whether that is the case."""
        leaf = self._sources.get(tensor, None if torch.is_grad_enabled() else tensor)
        return leaf is not None and leaf.requires_grad and take_place(leaf, value)

    def _perform(self, write: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._performs_refused == "recorded":
            return self._record(write, args, kwargs)
        tensor, rest = args[0], args[1:]
        if shares_its_elements(tensor) and goes_through(write, tensor, rest, kwargs):  # until backward refuses it
            return self._perform_refused(Refusal.OVERLAP, write, tensor, rest, kwargs)
        try:
            return write(*args, **kwargs)
        except RuntimeError as error:
            said = recognise(str(error))
            if said is None or said.refusal in _LATE:
                raise
            if said.refusal is Refusal.OVERLAP:
                write_apart(write, tensor, rest, kwargs)
                return tensor
            return self._perform_refused(said.refusal, write, tensor, rest, kwargs)

    def _perform_refused(
        self, refusal: Refusal, write: Callable[..., Any], tensor: Any, rest: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """See NOTE [Refused writes]."""
        self.observations.refused.append(self._refused(refusal, tensor, (rest, kwargs)))
        # A leaf's place is taken by another leaf of the same memory: one that its graph holds can't be swapped.
        is_leaf = tensor.is_leaf and tensor.requires_grad
        self._views.note_refused(tensor)
        if self._performs_refused == "result" and refused_writes.write_through(refusal, write, tensor, rest, kwargs):
            return tensor
        if self._performs_refused == "values" and (is_leaf or refusal in _LEAF_REFUSALS):
            with torch.no_grad():
                write(tensor.data, *rest, **kwargs)
            return tensor
        if self._is_of_free_leaf(refusal, tensor) and refused_writes.write_to_copy_of_leaf(write, tensor, rest, kwargs):
            return tensor
        if refused_writes.is_result_only(tensor, self._performs_refused):
            return refused_writes.note_use(self.observations, write(tensor.clone(), *rest, **kwargs))
        copy = (tensor.detach().requires_grad_() if is_leaf else tensor).clone()
        write(copy, *rest, **kwargs)
        if self._performs_refused == "values" and copy.shape == tensor.shape:  # `squeeze_` writes no memory
            with torch.no_grad():
                if refusal is Refusal.OVERLAP:
                    write(tensor.data, *rest, **kwargs)
                else:
                    tensor.data.copy_(copy)
            copy.data = tensor.data
        swap(tensor, copy)
        return tensor

    def _is_of_free_leaf(self, refusal: Refusal, tensor: Any) -> bool:
        """Whether a write out of place goes into a view of a leaf that no optimizer trains."""
        is_out_of_place = self._performs_refused in refused_writes.OUT_OF_PLACE
        base = base_of(tensor)
        return refusal is Refusal.LEAF_VIEW and is_out_of_place and base is not tensor and base not in self._trained

    def _perform_out(self, out: Any, result: Any, arguments: tuple[Any, ...]) -> Any:
        """Let what was computed be the tensor that was given as ``out``; see NOTE [Refused writes]."""
        self.observations.refused.append(self._refused(Refusal.OUT_WITH_GRADIENT, out, arguments))
        if self._performs_refused == "values" and result.shape == out.shape:
            with torch.no_grad():
                out.data.copy_(result)
            if _is_trained(out):
                return out
            result.data = out.data
        swap(out, result)
        return out

    def _refused(self, refusal: Refusal, tensor: Any, arguments: tuple[Any, ...]) -> Refused:
        is_trained = (base := base_of(tensor)) in self._trained
        given = [each for each in tensors_in(arguments) if each.requires_grad]
        if is_trained:  # what is made of the state itself, to be the state, needs no gradient
            given = [each for each in given if any(leaf is not base for leaf in leaves_of([each]))]
        return Refused(
            refusal=refusal.value,
            is_on_leaf=refusal in _LEAF_REFUSALS or (refusal is Refusal.OUT_WITH_GRADIENT and _is_trained(tensor)),
            is_on_parameter=is_trained or isinstance(base, torch.nn.Parameter),
            cuts=any(not refused_writes.is_put_back(tensor, each, arguments[0]) for each in given),
        )

    def _note_update(self, optimizer: Any, *_: Any) -> None:
        self._outermost.note(sys._getframe(1))
        updated = [each for group in optimizer.param_groups for each in group["params"]]
        for each in updated:
            self._trained[each] = True
        self.observations.updates.append(tuple(sample_of(each.grad) for each in updated))

    def _note_state(self, names: dict[str, Any]) -> None:
        for path, tensor in walk(names):
            if self.observations.passes and isinstance(tensor, torch.Tensor) and not _is_leaf(tensor):
                self.observations.steps.add(path)  # what came of it are the losses
                continue
            sample = sample_of(tensor) if isinstance(tensor, torch.Tensor) else sample_of_numbers(tensor)
            if sample is not None:
                self.observations.state[path] = sample
            if isinstance(tensor, torch.Tensor) and tensor.requires_grad and _is_leaf(tensor):
                grad = sample_of(tensor.grad)
                if grad is not None:
                    self.observations.state[f"{path}.grad"] = grad
                if tensor not in self._read:
                    self.observations.unread.add(f"{path}.grad")


def _announced(save: Callable[..., Any]) -> Callable[..., Any]:
    """Raise the audit event of a file that is opened for writing; `torch.save` opens it in native code, without one."""

    @functools.wraps(save)
    def announce(*args: Any, **kwargs: Any) -> Any:
        file = args[1] if len(args) > 1 else kwargs.get("f")
        if isinstance(file, (str, os.PathLike)):
            sys.audit("open", file, "wb", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        return save(*args, **kwargs)

    return announce


def _is_trained(tensor: torch.Tensor) -> bool:
    return tensor.requires_grad and _is_leaf(tensor)


def _is_leaf(tensor: torch.Tensor) -> bool:
    try:
        return tensor.is_leaf
    except RuntimeError:  # a view whose base was written, and which the engine no longer lets anyone ask
        return False


def _without_gradients(mode: Any = True) -> Any:
    """Stand in for `torch.inference_mode`, also as a decorator without parentheses; see NOTE [Inference mode]."""
    if callable(mode):
        return torch.no_grad()(mode)
    return torch.no_grad() if mode else contextlib.nullcontext()


class _Method:
    """A wrapped method of a tensor; through the class it gives what was there before."""

    def __init__(self, inner: Any, perform: Callable[..., Any]) -> None:
        self._inner = inner
        self._perform = perform

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self._inner.__get__(None, owner) if hasattr(self._inner, "__get__") else self._inner
        return MethodType(lambda tensor, *args, **kwargs: self._perform(self._inner, tensor, *args, **kwargs), instance)


def _bind(inner: Any, tensor: Any) -> Callable[..., Any]:
    bound: Callable[..., Any] = inner.__get__(tensor, type(tensor))
    return bound
