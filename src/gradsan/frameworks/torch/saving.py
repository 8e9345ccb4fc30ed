"""Saved-tensor hooks of ours: what the engine saves passes through them, and what it needs comes from them.

# NOTE [One pair runs] Of all saved-tensor hooks the engine runs the innermost pair only.  While a keeper of ours is at
work, a pair that the program pushes is therefore replaced by one of the keeper's that runs the program's inside;
`SavedTensor.register_hooks` and the region of `torch.func`, which forbids hooks, are taken care of likewise.

# NOTE [The version check is ours] The engine compares versions only for what was saved without hooks.  A keeper does it
in its place, and raises what the engine would have raised, word for word.

# NOTE [What a kept tensor holds] The engine saves an input as the very variable, whose ``grad_fn`` a later write
replaces (the error text speaks of the new one), and a result without its ``grad_fn``, which would be a cycle.

Source: torch/csrc/autograd/saved_variable.cpp, torch/autograd/graph.py; checked on torch 2.13.0.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

import torch

from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.regions import unseen

Pack: TypeAlias = Callable[[Any], Any]
Unpack: TypeAlias = Callable[[Any], Any]
Pair: TypeAlias = tuple[Pack, Unpack]

_next_number: Callable[[], int] = torch._C._autograd._get_sequence_nr
_CustomNode = torch.autograd.function.BackwardCFunction
DETACH: Callable[[Any], Any] = torch._C.TensorBase.detach
"""The engine's own, whatever wraps `torch.Tensor.detach`."""
_ZERO: Callable[[Any], Any] = torch._C.TensorBase.zero_


class Kept:
    """One saved tensor, as a keeper puts it into the graph.

    ``packed`` and ``unpack_hook`` are those of the program's hooks, where it has some; ``tensor`` is None where these
    took the values elsewhere.  ``mark`` is the keeper's own.
    """

    __slots__ = ("__weakref__", "has_node", "mark", "packed", "producer", "tensor", "unpack_hook", "version")

    has_node: bool
    """Whether ``tensor`` is the very variable, and had a node when it was saved."""
    tensor: Any
    version: int
    packed: object
    unpack_hook: Unpack | None
    producer: tuple[int, str] | weakref.ref[Any] | None
    """Output number and name of the node of a saved result; None for an input, which knows its own; a weak reference
    to the variable where that can't be told apart."""
    mark: Any


class Keeper(Protocol):
    """What decides how tensors are kept."""

    @property
    def pair(self) -> Pair:
        """The hooks for what the program saves without hooks of its own."""

    def around(self, pack: Pack, unpack: Unpack) -> Pair:
        """Return the hooks that run a pair of the program's inside."""

    def register(self, kept: Kept, pack: Pack, unpack: Unpack) -> None:
        """Put a pair of the program's on one tensor that is already kept."""

    def suspend(self) -> None:
        """Be told that for a while nothing can be kept: a transform of `torch.func` forbids hooks."""


class SavedTensorHooks:
    """The stack of hooks, as far as keepers are concerned; see NOTE [One pair runs]."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._patches = Patches()
        self._n_pushed = 0
        self._push: Callable[[Pack, Unpack], None] = _engine()._push_saved_tensors_default_hooks
        self._pop: Callable[[], None] = _engine()._pop_saved_tensors_default_hooks

    def push(self, keeper: Keeper, patches: Patches) -> None:
        """Let a keeper keep what the calling thread saves from now on, and threads that begin after it.

        Effect: pushes a pair of hooks; with the first one, wraps what hands hooks to the engine.  Hooks belong to
        threads: where one begins, a pair is pushed that goes with it, until the patches are restored.
        """
        if self._n_pushed == 0:
            self._wrap()
        self._n_pushed += 1
        self._push_pair(keeper)
        owner: Any = threading.Thread
        if hasattr(owner, "_bootstrap_inner"):  # Python 3.10 to 3.14
            patches.set(owner, "_bootstrap_inner", self._beginning(owner._bootstrap_inner, keeper))

    def _beginning(self, original: Callable[[Any], None], keeper: Keeper) -> Callable[[Any], None]:
        @functools.wraps(original)
        def begin(thread: Any) -> None:
            self._push_pair(keeper)
            original(thread)

        return begin

    def pop(self, keeper: Keeper) -> None:
        """Undo `push`; a keeper below hooks that the program still holds goes when these go.

        Effect: pops the pair; with the last one, unwraps.
        """
        stack = self._stack
        if keeper not in stack:  # suspended by `torch.func`, or another thread's
            self._suspended[:] = [each for each in self._suspended if each is not keeper]
            self._forget_one()
            return
        self._retired.append(keeper)
        self._pop_retired()

    @property
    def _stack(self) -> list[Keeper | None]:
        """The calling thread's hooks since our first, None for a pair of the program's."""
        return self._of_thread("stack")

    @property
    def _suspended(self) -> list[Keeper]:
        return self._of_thread("suspended")

    @property
    def _retired(self) -> list[Keeper]:
        return self._of_thread("retired")

    def _of_thread(self, name: str) -> list[Any]:
        found: list[Any] | None = getattr(self._local, name, None)
        if found is None:
            found = []
            setattr(self._local, name, found)
        return found

    def _push_pair(self, keeper: Keeper) -> None:
        top = _engine()._top_saved_tensors_default_hooks(False)
        is_ours = bool(self._stack) and self._stack[-1] is not None
        self._push(*(keeper.pair if top is None or is_ours else keeper.around(*top)))
        self._stack.append(keeper)

    def _pop_retired(self) -> None:
        stack, retired = self._stack, self._retired
        while stack and (keeper := stack[-1]) is not None and keeper in retired:
            self._pop()
            stack.pop()
            retired.remove(keeper)
            self._forget_one()

    def _forget_one(self) -> None:
        self._n_pushed -= 1
        if self._n_pushed == 0:
            self._patches.restore()

    def _wrap(self) -> None:
        engine = _engine()
        self._push, self._pop = engine._push_saved_tensors_default_hooks, engine._pop_saved_tensors_default_hooks
        self._patches.set(engine, "_push_saved_tensors_default_hooks", self._push_of_program)
        self._patches.set(engine, "_pop_saved_tensors_default_hooks", self._pop_of_program)
        self._patches.set(engine, "_saved_tensors_hooks_disable", self._disabling(engine._saved_tensors_hooks_disable))
        self._patches.set(engine, "_saved_tensors_hooks_enable", self._enabling(engine._saved_tensors_hooks_enable))
        registering = self._registering(engine.SavedTensor.register_hooks)
        self._patches.set(engine.SavedTensor, "register_hooks", registering)

    def _push_of_program(self, pack_hook: Pack, unpack_hook: Unpack) -> None:
        keepers = [each for each in self._stack if each is not None]
        if not keepers:
            self._push(pack_hook, unpack_hook)
            return
        self._push(*keepers[-1].around(pack_hook, unpack_hook))
        self._stack.append(None)

    def _pop_of_program(self) -> None:
        self._pop()
        stack = self._stack
        if stack:
            stack.pop()
            self._pop_retired()

    def _disabling(self, original: Callable[..., None]) -> Callable[..., None]:
        def disable(*args: Any, **kwargs: Any) -> None:
            stack, taken = self._stack, list[Keeper]()
            while stack and (keeper := stack[-1]) is not None:
                self._pop()
                taken.append(keeper)
                stack.pop()
            try:
                original(*args, **kwargs)
            except BaseException:
                while taken:
                    self._push_pair(taken.pop())
                raise
            self._suspended.extend(taken)
            for each in taken:
                each.suspend()

        return disable

    def _enabling(self, original: Callable[[], None]) -> Callable[[], None]:
        def enable() -> None:
            original()
            suspended = self._suspended
            while suspended:
                self._push_pair(suspended.pop())

        return enable

    def _registering(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def register_hooks(saved: Any, *hooks: Any, **named: Any) -> Any:
            kept = kept_of(saved)
            keepers = [each for each in self._stack if each is not None]
            is_pair = len(hooks) == 2 and not named and all(map(callable, hooks))
            if kept is None or kept.unpack_hook is not None or not keepers or not is_pair:
                return original(saved, *hooks, **named)
            keepers[-1].register(kept, *hooks)
            return None

        return register_hooks


def _engine() -> Any:
    return torch._C._autograd


def kept_of(saved: Any) -> Kept | None:
    """Return what a keeper put into a ``SavedTensor`` (``node._raw_saved_x``); None where none did."""
    try:
        data = saved.data
    except (RuntimeError, AttributeError):
        return None
    return data if isinstance(data, Kept) else None


def detached(tensor: Any) -> Any:
    """Return an alias without history that the engine would not make, and that no mode of the program sees."""
    with unseen(tensor):
        return DETACH(tensor)


def saved_alias(tensor: Any) -> Any:
    """Return an alias without history of what is being saved; modes see it where the engine shows one: of a result."""
    node = tensor.grad_fn
    is_result = node is not None and node._sequence_nr() == _next_number() - 1
    return DETACH(tensor) if is_result else detached(tensor)


def packed_by(pack: Pack, tensor: Any) -> Any:
    """Return what a hook of the program's packs, once it is registered for a tensor that was saved before.

    Raises:
        RuntimeError: the hook wrote into the tensor; the engine's error, word for word.
    """
    alias = detached(tensor)
    version = alias._version
    with torch.no_grad():
        packed = pack(alias)
    if alias._version != version:
        raise _writing_hook_error()
    return packed


def hold(kept: Kept, tensor: Any) -> None:
    """Let ``kept`` hold a tensor as the engine would; see NOTE [What a kept tensor holds]."""
    node = tensor.grad_fn
    kept.version = tensor._version
    kept.packed = kept.unpack_hook = kept.producer = None
    kept.has_node = False
    if node is None:
        kept.tensor = tensor
    elif node._sequence_nr() == _next_number() - 1:
        kept.producer = (tensor.output_nr, node.name())
        kept.tensor = DETACH(tensor)
    elif isinstance(node, _CustomNode):  # maybe its own result, saved after nodes were made inside its forward
        kept.producer = weakref.ref(tensor)
        kept.tensor = DETACH(tensor)
    else:
        kept.tensor, kept.has_node = tensor, True


def is_cut(kept: Kept) -> bool:
    """Return whether a variable that was kept has lost its node since, to ``detach_``."""
    return kept.has_node and kept.tensor.grad_fn is None


def cut_error() -> RuntimeError:
    """Return the engine's error for a saved variable that has lost its node, word for word (torch 2.6 to 2.13)."""
    return RuntimeError(
        "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_()."
        "This is not supported, please use out-of-place `.detach()` instead"
    )


def stale_error(kept: Kept) -> RuntimeError:
    """Return the engine's error for a kept tensor that was overwritten; see NOTE [The version check is ours]."""
    tensor = kept.tensor
    beginning, is_bare, ending = _engine_wording()
    size = tensor._nested_tensor_size() if tensor.is_nested else list(tensor.shape)
    producer = kept.producer if isinstance(kept.producer, tuple) else _present_producer(kept)
    whose = ""
    if producer is not None:
        number, name = producer
        whose = f", which is output {number} of {_bare_name(name) if is_bare else name},"
    return RuntimeError(
        f"{beginning}[{tensor.type()} {size}]{whose} is at version {tensor._version}; "
        f"expected version {kept.version} instead.{ending}"
    )


def _present_producer(kept: Kept) -> tuple[int, str] | None:
    variable = kept.tensor if kept.producer is None else kept.producer()  # type: ignore[operator]
    node = None if variable is None else variable.grad_fn
    return None if node is None else (0, node.name())


def _bare_name(name: str) -> str:
    head, separator, tail = name.rpartition("Backward")
    return head if separator and head and (not tail or tail.isdigit()) else name


def _engine_wording() -> tuple[str, bool, str]:
    """Return how this version of the engine begins and ends the sentence, and whether it drops ``Backward0``.

    The ending depends on anomaly mode, so the engine is asked each time, with a conflict of our own.
    """
    with _example() as result:
        node: Any = result.grad_fn
        _ZERO(DETACH(result))
        try:
            node._saved_result  # noqa: B018
        except RuntimeError as error:
            text = str(error)
            return text[: text.index("[")], " of Exp," in text, text.partition(" instead.")[2]
    raise AssertionError("the engine accepted a saved tensor that was overwritten")


def _writing_hook_error() -> RuntimeError:
    """Return the engine's error for a pack hook that writes into its input."""
    with _example() as result:
        node: Any = result.grad_fn
        try:
            node._raw_saved_result.register_hooks(_ZERO, _same)
        except RuntimeError as error:
            return RuntimeError(*error.args)
    raise AssertionError("the engine accepted a pack hook that writes into its input")


def _same(tensor: Any) -> Any:
    return tensor


@contextmanager
def _example() -> Iterator[torch.Tensor]:
    """Yield a result that the engine saved without any hooks at work."""
    was_tracing = _engine()._saved_tensors_hooks_set_tracing(True)
    try:
        with torch.enable_grad(), torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
            yield torch.zeros(1, requires_grad=True).exp()
    finally:
        _engine()._saved_tensors_hooks_set_tracing(was_tracing)


def unpack_kept(kept: Kept) -> Any:
    """Return what a kept tensor stands for, as the engine would.

    Raises:
        RuntimeError: it was overwritten.
    """
    if kept.unpack_hook is not None:
        return kept.unpack_hook(kept.packed)
    tensor = kept.tensor
    if tensor._version != kept.version and kept.version >= 0:
        kept.producer = None
        raise stale_error(kept)
    return tensor


def settle(kept: Kept) -> None:
    """Take the version that a write beside a kept tensor left; see NOTE [Writes beside a kept tensor]."""
    if kept.version < 0 and kept.tensor._version != -1 - kept.version:
        kept.version = kept.tensor._version
