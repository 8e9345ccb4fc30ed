"""What the forward of a custom Function leaves on objects that outlive the call, and its backward reads there.

# NOTE [State of one call] ``ctx.scratch = scratch; scratch.difference = x - y`` keeps nothing for the call: a second
one, before the backward of the first, replaces it.  So does a first backward that adds to it, for a second backward of
the same graph.  An attribute counts if the forward assigns it and the backward reads it; what a backward only adds up
(norms of gradients, calls) is not assigned by the forward, and what it assigns before it reads is its own.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from functools import lru_cache
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.captured import instructions_of
from gradsan.frameworks.torch.contexts import tensor_of
from gradsan.frameworks.torch.fingerprints import fingerprint, same
from gradsan.frameworks.torch.marked import Marked
from gradsan.model.event import Written
from gradsan.record.frames import Site

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit

_FOREIGN = ("torch", "numpy", "builtins")
_NO_OBJECTS = (torch.Tensor, type, ModuleType, FunctionType, MethodType)


class State:
    """An attribute of an object as the forward of one call left it; something to watch by."""

    __slots__ = ("__weakref__", "mark", "name", "owner", "path", "site", "value", "version")

    def __init__(self, owner: Any, name: str, path: str, value: Any, mark: object, site: Site | None) -> None:
        self.owner = owner
        self.name = name
        self.path = path
        """As the backward reads it."""
        self.value = weakref.ref(value)
        self.mark = mark
        self.site = site
        """Where it is assigned; None where that isn't known."""
        self.version = 0 if not isinstance(value, torch.Tensor) else value._version

    @property
    def now(self) -> Any:
        """What is there now."""
        return attribute_of(self.owner, self.name)

    @property
    def is_replaced(self) -> bool:
        """Whether another value is there now."""
        return self.value() is not self.now

    def differs(self, *, is_full: bool) -> bool:
        """Return whether what is there now contains something else."""
        tensor = tensor_of(self.now)
        return tensor is not None and not same(fingerprint(tensor, is_full=is_full), self.mark)


def state_of(owner: Any, name: str, path: str, site: Site | None, *, is_full: bool) -> Iterator[State]:
    """Yield what an attribute is now, if that is a tensor or an array whose content can be compared."""
    value = attribute_of(owner, name)
    tensor = tensor_of(value)
    mark = None if tensor is None else fingerprint(tensor, is_full=is_full)
    if mark is not None:
        yield State(owner, name, path, value, mark, site)


class FunctionStates:
    """Compares what forwards left on objects with what their backwards find there."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._of_node: weakref.WeakKeyDictionary[Any, list[State]] = weakref.WeakKeyDictionary()

    def note(self, node: Any, cls: Any) -> None:
        """Note what the forward that has just run left.

        Effect: what others can write to is compared after each line from now on.
        """
        states = list(_states_of(node, cls, is_full=self._audit.is_full))
        if not states:
            return
        self._of_node[node] = states
        for state in states:
            tensor = tensor_of(state.now)
            if tensor is not None and self._audit.is_to_watch(tensor):
                self._audit.watch(state, tensor, state.mark)

    def overwritten(self, node: Any) -> Iterator[tuple[Marked, Written | None]]:
        """Yield what the backward of a node that is about to run will find other than its forward left it.

        The write is None where only the log of writes, or the line after which it differed, can tell it.
        """
        for state in self._of_node.get(node, ()):
            if not state.differs(is_full=self._audit.is_full):
                continue
            marked = Marked(state.path, tensor_of(state.now), state.mark)
            if state.is_replaced:
                yield marked, self._audit.written(state.site, f"{state.name} =")
            else:
                line = self._audit.line_of(state)
                marked.version = state.version
                yield marked, None if line is None else self._audit.written(line)


def _states_of(node: Any, cls: Any, *, is_full: bool) -> Iterator[State]:
    """Yield what the forward that has just run left on objects, and the backward of its node will read."""
    names = _handed_over(getattr(cls.forward, "__code__", None), getattr(cls.backward, "__code__", None))
    if not names:
        return
    owners = {name: value for name, value in vars(node).items() if is_object(value)}
    owners[cls.__name__] = cls
    for prefix, owner in owners.items():
        for name, site in names.items():
            yield from state_of(owner, name, f"{prefix}.{name}", site, is_full=is_full)


@lru_cache(maxsize=256)
def _handed_over(forward: CodeType | None, backward: CodeType | None) -> dict[str, Site]:
    """Return the attributes that a forward assigns and a backward reads before it assigns them, and where."""
    if forward is None or backward is None:
        return {}
    first: dict[str, str] = {}
    for operation, name, _ in _uses_of_attributes(backward):
        first.setdefault(name, operation)
    assigned = {name: line for operation, name, line in _uses_of_attributes(forward) if operation == "STORE_ATTR"}
    read = (name for name, operation in first.items() if operation == "LOAD_ATTR" and name in assigned)
    return {name: Site(forward, -1, assigned[name]) for name in read}


def _uses_of_attributes(code: CodeType) -> Iterator[tuple[str, str, int]]:
    """Yield the loads and stores of attributes, except those of the context itself, the first parameter."""
    context = code.co_varnames[0] if code.co_varnames else ""
    of_context = False
    for operation, name, line in instructions_of(code):
        if operation in ("LOAD_ATTR", "STORE_ATTR") and not of_context:
            yield operation, name, line
        # Newer versions of Python load two variables at once.
        of_context = operation.startswith("LOAD_FAST") and (name == context or name.endswith(f"'{context}')"))


def is_object(value: Any) -> bool:
    """Return whether a value is an object of the program, or a module, on which a call may leave something."""
    if isinstance(value, _NO_OBJECTS) or not hasattr(value, "__dict__"):
        return False
    return isinstance(value, torch.nn.Module) or type(value).__module__.partition(".")[0] not in _FOREIGN


def attribute_of(owner: Any, name: str) -> Any:
    """Return an attribute, a buffer, a global of a namespace, or what a cell holds; None where there is none."""
    if isinstance(owner, dict):
        return owner.get(name)
    if isinstance(owner, CellType):
        try:
            return owner.cell_contents
        except ValueError:  # not filled yet
            return None
    value = vars(owner).get(name)
    return vars(owner).get("_buffers", {}).get(name) if value is None else value
