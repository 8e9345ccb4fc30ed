"""Modules: where they were constructed, what they are called, which of their tensors a storage is."""

from __future__ import annotations

import functools
import gc
import inspect
import sys
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch

from gradsan.frameworks.torch.root_names import names_of
from gradsan.frameworks.torch.storages import storage_key
from gradsan.model.history import Subject, TensorKind
from gradsan.record.frames import Site, UserCode


def classes_with_inplace_flag() -> Iterator[type]:
    """Yield the framework's module classes whose constructor takes ``inplace``."""
    for value in vars(torch.nn.modules).values():
        own = vars(value).get("__init__") if isinstance(value, type) else None
        if own is not None and "inplace" in inspect.signature(own).parameters:
            yield value
    yield torch.nn.modules.dropout._DropoutNd


class Constructions:
    """Where modules were constructed, for a while also those that are gone: ``Net()(x)`` holds none until its backward.

    A module is known by its one plain weak reference, which writes on its behalf keep as well.
    """

    MAX_MODULES = 8192

    def __init__(self) -> None:
        self._sites: dict[int, tuple[weakref.ref[object], Site]] = {}

    def note(self, module: object, site: Site) -> None:
        """Remember where a module was constructed."""
        reference = weakref.ref(module)
        self._sites[id(reference)] = (reference, site)
        if len(self._sites) > self.MAX_MODULES:
            self._forget()

    def of(self, agent: Callable[[], object] | None) -> Site | None:
        """Return where the module behind a weak reference was constructed."""
        reference, site = self._sites.get(id(agent), (None, None))
        return site if reference is agent else None

    def _forget(self) -> None:
        """Forget the older half of those that are gone, or of all."""
        known = list(self._sites.items())
        gone = [number for number, (reference, _) in known if reference() is None]
        numbers = gone if len(gone) > len(known) // 2 else list(self._sites)
        for number in numbers[: len(numbers) // 2]:
            del self._sites[number]


def construction_wrapper(
    original: Callable[..., None], constructions: Constructions, user_code: UserCode
) -> Callable[..., None]:
    """Return a ``Module.__init__`` that also notes the user's line that constructs a module with the flag.

    The constructors themselves stay what they are: programs look at their parameters, to learn which take ``inplace``.
    """
    owners = tuple(classes_with_inplace_flag())

    def note(module: Any, frame: FrameType) -> None:
        user_frame = user_code.innermost(frame) if isinstance(module, owners) else None
        if user_frame is not None:
            constructions.note(module, Site(user_frame.f_code, user_frame.f_lasti))

    # A compiler that traces a construction looks into the cells of this closure: they hold functions only.
    @functools.wraps(original)
    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if not torch.compiler.is_compiling():
            note(self, sys._getframe(1))

    return construct


def module_of_frame(frame: FrameType) -> Callable[[], object] | None:
    """Return a weak reference to the module whose ``forward`` a frame runs; None where it is no module's.

    What a tracer made of the user's own code is no module that writes for it.
    """
    module = frame.f_locals.get("self")
    is_module = isinstance(module, torch.nn.Module) and not isinstance(module, torch.fx.GraphModule)
    return weakref.ref(module) if is_module else None


@dataclass(frozen=True, slots=True)
class Owner:
    """Which parameter or buffer of which module a storage is."""

    qualified_name: str
    """From its root, ``fc.weight``; with what the program calls the root where that alone tells little."""
    path: str
    """Of the module that holds it, from its root."""
    kind: TensorKind
    tensor: weakref.ref[torch.Tensor]


def subject_of(
    tensor: torch.Tensor, owner: Owner | None = None, *, name: str = "", kind: TensorKind = TensorKind.INTERMEDIATE
) -> Subject:
    """Return what is told of a tensor; ``kind`` is that of one without an owner."""
    return Subject(
        name=name,
        qualified_name=owner.qualified_name if owner else "",
        shape=None if tensor.is_nested else tuple(tensor.shape),
        dtype=str(tensor.dtype).removeprefix("torch."),
        kind=owner.kind if owner else kind,
    )


_MAX_SHARE_OF_TIME = 0.05
_tree: ModuleTree | None = None


def module_tree() -> ModuleTree:
    """Return the living modules by their paths.

    A program may provoke errors in a loop: the tree, which asks every object of the process, is built again only
    when that has taken less than a twentieth of the time since.
    """
    global _tree
    if _tree is None or time.monotonic() - _tree.built_at_s > _tree.cost_s / _MAX_SHARE_OF_TIME:
        _tree = ModuleTree()
    return _tree


class ModuleTree:
    """The living modules, by path from their roots; built when a finding needs names."""

    def __init__(self) -> None:
        start_s = time.monotonic()
        self._paths: dict[int, str] = {}
        self._types: dict[str, set[str]] = {}
        self._owners: dict[int, Owner] = {}
        trees = [(root, list(root.named_modules())) for root in _roots()]
        names = names_of(root for root, _ in trees)
        n_holders = Counter(path for _, modules in trees for path, _ in modules)
        for root, modules in trees:
            for path, module in modules:
                self._paths.setdefault(id(module), path)
                self._types.setdefault(path, set()).update(kind.__qualname__ for kind in type(module).__mro__)
                # `2.weight`, of a bare `nn.Sequential`, may be of any; so may what several networks have.
                is_telling = not path or (n_holders[path] == 1 and not path[0].isdecimal())
                self._add_tensors(path, module, "" if is_telling else names.get(id(root), ""))
        self.built_at_s = time.monotonic()
        self.cost_s = self.built_at_s - start_s

    def _add_tensors(self, path: str, module: torch.nn.Module, root: str) -> None:
        shown = f"{root}.{path}" if root else path
        kinds = ((module._parameters, TensorKind.PARAMETER), (module._buffers, TensorKind.BUFFER))
        for tensors, kind in kinds:
            for name, tensor in tensors.items():
                key = None if tensor is None else storage_key(tensor)
                if tensor is not None and key is not None:
                    owner = Owner(f"{shown}.{name}" if shown else name, path, kind, weakref.ref(tensor))
                    self._owners.setdefault(key, owner)

    def path_of(self, module: object) -> str:
        """Return the path of a module from its root; its type's name for a root or an unknown one."""
        return self._paths.get(id(module), "") or type(module).__name__

    def enclosing(self, path: str, class_name: str) -> str:
        """Return the innermost module at or above ``path`` that is of a class; empty where none is."""
        while path:
            if class_name in self._types.get(path, ()):
                return path
            path = path.rpartition(".")[0]
        return ""

    def owner_of(self, key: int | None) -> Owner | None:
        """Return the parameter or buffer that lives in a storage."""
        owner = None if key is None else self._owners.get(key)
        tensor = None if owner is None else owner.tensor()
        return owner if tensor is not None and storage_key(tensor) == key else None


def _roots() -> list[torch.nn.Module]:
    # `type(...)` and not `isinstance`: a lazy proxy's `__class__` may run code of the user.
    found = [each for each in gc.get_objects() if issubclass(type(each), torch.nn.Module) and "_modules" in vars(each)]
    children = {id(child) for module in found for child in module._modules.values()}
    return [module for module in found if id(module) not in children]
