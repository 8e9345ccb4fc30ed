"""What a function can read beyond its arguments: closures, globals that it names, attributes of what it holds."""

from __future__ import annotations

import functools
import inspect
import sys
import weakref
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType, MethodType, SimpleNamespace
from typing import Any

import torch

from gradsan.record.frames import Site, UserCode, is_installed

MAX_DEPTH = 5
MAX_ELEMENTS = 64
_NAMESPACES = (SimpleNamespace, Namespace)
_RANDOM_MODULES = ("random", "numpy.random")
_DRAWS = frozenset(
    {
        *("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like"),
        *("bernoulli", "bernoulli_", "normal", "normal_", "uniform_", "exponential_", "geometric_", "log_normal_"),
        *("multinomial", "poisson", "rsample", "sample", "gumbel_softmax"),
        *("dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"),
    }
)
"""What draws from the framework's generators, by the names that programs call it."""


@dataclass(frozen=True, slots=True)
class Read:
    """A tensor or an array that a function can reach; ``name`` is the attribute or variable."""

    name: str
    value: Any


class Captured:
    """What is reachable from one function: tensors and arrays, modules, and the user's functions that may run."""

    def __init__(self, function: Any, user_code: UserCode, arguments: dict[str, Any] | None = None) -> None:
        self.reads: list[Read] = []
        self.tokens: dict[tuple[str, ...], object] = {}
        """By path: the value of a number or a text, a weak reference to a tensor, an array or a module."""
        self.modules: set[int] = set()
        """Identities, valid while the function lives."""
        self._functions: list[FunctionType] = []
        self._user_code = user_code
        self._array: Any = getattr(sys.modules.get("numpy"), "ndarray", ())
        self._seen: set[int] = set()
        for name, value in (arguments or {}).items():
            self._visit(("", name), value, MAX_DEPTH)
        self._visit(("",), function, MAX_DEPTH)

    def changed(self, before: dict[tuple[str, ...], object]) -> list[str]:
        """Return the names of what is another value than it was."""
        paths = [path for path, token in before.items() if path in self.tokens and not _is(self.tokens[path], token)]
        return list(dict.fromkeys(path[-1] for path in paths if not _is_entry(path)))

    def refilled(self, before: dict[tuple[str, ...], object]) -> list[str]:
        """Return the names of the lists that have other entries than they had."""
        entries = [path for path in {**before, **self.tokens} if _is_entry(path)]
        other = [path for path in entries if not _is(self.tokens.get(path), before.get(path))]
        return list(dict.fromkeys(_name_of(path) for path in other))

    def files(self) -> list[str]:
        """Return the program's own files, and those of the functions that may run."""
        own = [file for file in self._user_code.users if not is_installed(file)]
        return list(dict.fromkeys([*(each.__code__.co_filename for each in self._functions), *own]))[:MAX_ELEMENTS]

    def makers(self) -> frozenset[str]:
        """Return the functions inside which those that may run were made: their closures are variables of these."""
        nested = (each.__qualname__.split(".<locals>.") for each in self._functions)
        return frozenset(parts[-2] for parts in nested if len(parts) > 1)

    def draws(self) -> Iterator[Site]:
        """Yield the lines of the functions that name a random generator which checkpoint does not restore."""
        for function in self._functions:
            for code, line, value in _globals_named(function.__code__, function.__globals__):
                name = getattr(value, "__name__", "")
                is_numpy = name == "numpy" and "random" in code.co_names
                if name in _RANDOM_MODULES or is_numpy or type(value).__name__ in ("Generator", "RandomState"):
                    yield Site(code, -1, line)

    def draws_of_framework(self) -> Iterator[Site]:
        """Yield the lines of the functions that draw from the framework's generators."""
        for function in self._functions:
            for name, code, line in _calls_named(function.__code__):
                if name in _DRAWS:
                    yield Site(code, -1, line)

    def _visit(self, path: tuple[str, ...], value: Any, depth: int) -> None:
        if isinstance(value, torch.Tensor) or (self._array and isinstance(value, self._array)):
            self.tokens[path] = weakref.ref(value)
            if id(value) not in self._seen:
                self._seen.add(id(value))
                self.reads.append(Read(_name_of(path), value))
            return
        if value is None or isinstance(value, (int, float, str)):
            self.tokens[path] = value
            return
        if isinstance(value, torch.nn.Module):
            self.tokens[path] = weakref.ref(value)
        if depth == 0 or isinstance(value, bytes) or id(value) in self._seen:
            return
        self._seen.add(id(value))
        for name, inner in self._inside(value):
            self._visit((*path, name) if name else path, inner, depth - 1)

    def _inside(self, value: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(value, torch.nn.Module):
            yield from self._of_module(value)
        elif isinstance(value, functools.partial):
            yield from (("", each) for each in (value.func, *value.args, *value.keywords.values()))
        elif isinstance(value, MethodType):
            yield from (("", value.__func__), ("", value.__self__))
        elif isinstance(value, FunctionType):
            yield from self._of_function(value)
        elif isinstance(value, (list, tuple)):
            yield from ((f"[{n}]", each) for n, each in enumerate(value[:MAX_ELEMENTS]))
        elif isinstance(value, dict):
            yield from ((str(key), each) for key, each in list(value.items())[:MAX_ELEMENTS])
        elif isinstance(value, type):
            yield from self._of_class(value)
        elif isinstance(value, _NAMESPACES) or self._is_users(type(value)):
            yield from vars(value).items() if hasattr(value, "__dict__") else ()

    def _of_class(self, kind: type) -> Iterator[tuple[str, Any]]:
        """Yield the settings that a class of the program's holds itself."""
        file = getattr(sys.modules.get(kind.__module__), "__file__", None)
        if file in self._user_code.users and not is_installed(file):
            yield from (
                (name, each) for name, each in vars(kind).items() if isinstance(each, (int, float, torch.Tensor))
            )

    def _of_module(self, root: torch.nn.Module) -> Iterator[tuple[str, Any]]:
        for module in root.modules():
            self.modules.add(id(module))
            yield from module.named_parameters(recurse=False)
            yield from module.named_buffers(recurse=False)
            forward = getattr(type(module), "forward", None)
            if isinstance(forward, FunctionType) and self._user_code(forward.__code__):
                own = vars(module).items()
                yield from ((name, each) for name, each in own if not name.startswith("_") and name != "training")
                yield "", forward

    def _of_function(self, function: FunctionType) -> Iterator[tuple[str, Any]]:
        yield from closure_of(function).items()
        if self._user_code(function.__code__):
            self._functions.append(function)
            for name in dict.fromkeys(_names_in(function.__code__)):
                value = function.__globals__.get(name, function)  # an attribute's name is among them too
                if value is not function and type(value).__name__ != "module":
                    yield name, value

    def _is_users(self, kind: type) -> bool:
        functions = (each for each in vars(kind).values() if isinstance(each, FunctionType))
        return any(self._user_code(each.__code__) for each in functions)


def lists_given(function: Any, values: Sequence[Any], user_code: UserCode) -> dict[str, Any]:
    """Return the lists among the arguments of a call that is about to run.

    Their names are those of the function's parameters, and those that they have in the user's frames.
    """
    lists = {id(each): each for each in values if isinstance(each, list)}
    if not lists:
        return {}
    named = {name: each for name, each in zip(_parameters_of(function), values, strict=False) if isinstance(each, list)}
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if user_code(frame.f_code):
            named.update((name, lists[id(each)]) for name, each in frame.f_locals.items() if id(each) in lists)
        frame = frame.f_back
    return named


def closure_of(function: Any) -> dict[str, Any]:
    """Return what a function holds in its closure, by name."""
    found: dict[str, Any] = {}
    if not isinstance(function, FunctionType):
        return found
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    return found


def _parameters_of(function: Any) -> list[str]:
    """Return the names of the parameters of the function that checkpoint was given, of a module those of `forward`."""
    function = closure_of(function).get("fn", function)  # checkpoint's own, around it
    if isinstance(function, torch.nn.Module):
        function = function.forward
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def _is_entry(path: tuple[str, ...]) -> bool:
    return path[-1].startswith("[")


def _name_of(path: tuple[str, ...]) -> str:
    """Return the last variable or attribute of a path: of an entry of a list, that of the list."""
    return next(each for each in reversed(path) if not each.startswith("["))


def _is(one: object, other: object) -> bool:
    if isinstance(one, weakref.ref) and isinstance(other, weakref.ref):
        return one() is not None and one() is other()
    return type(one) is type(other) and bool(one == other)


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names_in(inner)


def _globals_named(code: CodeType, names: dict[str, Any]) -> Iterator[tuple[CodeType, int, Any]]:
    """Yield (code, line, value) for each global that a function loads."""
    for operation, name, line in instructions_of(code):
        if operation in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield code, line, names.get(name)


def _calls_named(code: CodeType) -> Iterator[tuple[str, CodeType, int]]:
    """Yield (name, code, line) for each global and attribute that a function loads."""
    for operation, name, line in instructions_of(code):
        if operation in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_ATTR", "LOAD_METHOD"):
            yield name, code, line


def instructions_of(code: CodeType) -> Iterator[tuple[str, str, int]]:
    """Yield operation, argument and line of each instruction."""
    import dis  # only where a finding is told

    line = code.co_firstlineno
    for instruction in dis.get_instructions(code):
        starts = instruction.starts_line
        if sys.version_info >= (3, 13):
            line = instruction.line_number or line  # type: ignore[attr-defined,unused-ignore]
        elif starts:
            line = int(starts)
        yield instruction.opname, str(instruction.argval), line
