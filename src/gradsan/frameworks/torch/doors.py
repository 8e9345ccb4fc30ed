"""Which callables write, and how they are wrapped.

# NOTE [Doors on methods] A wrapped method of `torch.Tensor` is a descriptor.  Reached through an instance it gives the
wrapper; reached through the class it gives the original, so that `torch.Tensor.add_` keeps its identity: tables keyed
by it (`__torch_function__` overrides, `torch.overrides`, Dynamo) find what they would have found.

# NOTE [Quiet doors] A for-loop optimizer calls five methods a parameter, and a descriptor written in Python costs each
of them a call.  A door is therefore a `property` underneath: while `Door.__get__` is absent, the interpreter's own
getter hands out the original, which it fetches by a second name (an `attrgetter` costs a third of calling
`original.__get__`).  Taking the doors themselves off `torch.Tensor` would void the interpreter's attribute cache of
that class twice a step.

# NOTE [Where the callers look things up] `F.dropout` calls `torch._VF.dropout_`, `F.leaky_relu` calls
`torch._C._nn.leaky_relu_`: a function is wrapped in every namespace from which the framework's own Python fetches it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from operator import attrgetter
from types import MethodType, ModuleType
from typing import Any

import torch
import torch.nn.functional

from gradsan.frameworks.torch.tracers import name_as_found, see_through

Callee = Callable[..., Any]

# These move no bytes and no counter, although their schema says that they write `self`.
_WRITES_NOTHING = frozenset({"requires_grad_", "retain_grad", "record_stream", "_coalesced_", "sort", "detach_"})

_OUT = re.compile(r"[,(]\s*out\s*=")
_CALL_WITH_OUT = re.compile(r"\b([A-Za-z_][\w.]*)\((?=(?:[^()]|\((?:[^()]|\([^()]*\))*\))*\bout\s*=[^=])")

# What Python calls for an augmented assignment.
_OPERATORS = (
    *("__iadd__", "__isub__", "__imul__", "__itruediv__", "__idiv__", "__ifloordiv__", "__imod__", "__ipow__"),
    *("__iand__", "__ior__", "__ixor__", "__ilshift__", "__irshift__", "__setitem__"),
)


class Door(property):
    """A wrapped method; see NOTE [Doors on methods]."""

    def __init__(self, original: Any, wrapper: Callee, second_name: str) -> None:
        super().__init__(attrgetter(second_name))
        self.original = original
        self.wrapper = wrapper

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the original: a quiet door can be reached through the class."""
        return self.original(*args, **kwargs)


def _get(door: Door, instance: Any, _owner: type | None = None) -> Any:
    return door.original if instance is None else MethodType(door.wrapper, instance)


def open_doors() -> None:
    """Let instances get the wrappers.

    Effect: of every door in this process.
    """
    Door.__get__ = _get  # type: ignore[assignment,method-assign]


def shut_doors() -> None:
    """Let instances get the originals; see NOTE [Quiet doors].

    Effect: of every door in this process, so only while there is one thread.
    """
    if "__get__" in vars(Door):
        del Door.__get__


@cache
def writing_operations() -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of the operations whose schema writes their first argument: a tensor; a list of tensors.

    Source: the alias annotations of the schemas registered in the running process; spelling proves nothing.
    """
    tensors, lists = set(), set()
    for schema in torch._C._jit_get_all_schemas():
        if not schema.name.startswith("aten::") or not schema.arguments:
            continue
        first = schema.arguments[0]
        if first.alias_info is None or not first.alias_info.is_write or first.is_out:
            continue
        name = schema.name[len("aten::") :]
        kind = str(first.type)
        if kind == "Tensor" and name not in _WRITES_NOTHING:
            tensors.add(name)
        elif kind == "List[Tensor]" and name.startswith("_"):
            lists.add(name)
    return frozenset(tensors), frozenset(lists)


def functions_given_out(source: str) -> Iterator[tuple[Any, str]]:
    """Yield (namespace, name) of each function of the framework that a source text calls with ``out=``.

    Those that it doesn't call stay as they are: overrides that a program keeps by function find them.
    """
    if _OUT.search(source) is None:  # ten times as fast
        return
    for found in _CALL_WITH_OUT.finditer(source):
        *path, name = found[1].split(".")
        namespace = getattr(torch, path[-1], torch) if path else torch
        if not isinstance(namespace, ModuleType):
            namespace = torch
        if callable(getattr(namespace, name, None)) and not isinstance(getattr(namespace, name), type):
            yield namespace, name


def methods_that_write(operations: frozenset[str]) -> Iterator[str]:
    """Yield the name of each method and operator of `torch.Tensor` that writes ``self``."""
    yield from (name for name in sorted({*operations, *_OPERATORS}) if hasattr(torch.Tensor, name))


def functions_that_write(operations: frozenset[str]) -> Iterator[tuple[Any, str]]:
    """Yield (namespace, name); see NOTE [Where the callers look things up]."""
    for namespace in (torch, torch._VF, torch._C._nn, torch.nn.functional):
        for name in operations:
            if callable(getattr(namespace, name, None)) and not isinstance(getattr(namespace, name), type):
                yield namespace, name


class Patches:
    """Replaced attributes, put back in reverse order."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any, Any, bool]] = []

    def set(self, owner: Any, attribute: str, value: Any) -> None:
        """Replace an attribute.

        Effect: until `restore`.
        """
        own = vars(owner)
        see_through(getattr(value, "wrapper", getattr(value, "__func__", value)))
        name_as_found(value, owner, attribute)
        self._undo.append((owner, attribute, value, own.get(attribute), attribute in own))
        setattr(owner, attribute, value)

    def set_door(self, owner: type, name: str, wrapper: Callee) -> None:
        """Replace a method by a door; see NOTE [Quiet doors].

        Effect: until `restore`.
        """
        original, second_name = getattr(owner, name), f"_gradsan_{name}"
        self.set(owner, second_name, original)
        self.set(owner, name, Door(original, wrapper, second_name))

    def restore(self) -> None:
        """Put everything back.

        Effect: an attribute that somebody else has replaced since is left to them.
        """
        while self._undo:
            owner, attribute, ours, value, was_own = self._undo.pop()
            if vars(owner).get(attribute) is not ours:
                continue
            if was_own:
                setattr(owner, attribute, value)
            else:
                delattr(owner, attribute)
