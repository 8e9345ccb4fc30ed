"""Whether the project itself calls a function with gradients, where only a caller could bring them.

# NOTE [Callers]
A function that breaks the gradient of its parameters is an error where somebody passes it what requires a gradient.
Where the project calls it, its calls tell: each caller is run on its own, and what it passes is looked at.  A caller
that hands its own parameters on is asked for in turn.  What nobody calls, and what a package offers by name, is there
for others, who may; unless the package itself has use for it without gradients only.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from gradsan.model.errors import SourceError
from gradsan.source.flow.conditions import runs_in_evaluation
from gradsan.source.flow.graph import Grad
from gradsan.source.flow.machine import Arguments, Frame, Probe
from gradsan.source.flow.tensors import grad_of, roots_of
from gradsan.source.flow.values import Choice, Class, Const, Instance, Layer, Opaque, Sequence, Tensor, Value
from gradsan.source.flow.weights import parameters_of
from gradsan.source.hierarchy import find_member
from gradsan.source.index import ClassInfo, FunctionInfo, ModuleInfo, dotted_name
from gradsan.source.parameters import defaults_of
from gradsan.source.plausible import is_data, layout_of, spells
from gradsan.source.program import arguments_of
from gradsan.source.project import Project
from gradsan.source.walking import walk, walk_lines

_DEPTH = 3
_DEPTH_OF_MODE = 6
"""Where gradients only have to be on: that is seldom switched near by."""
_CALLED_OTHERWISE = frozenset({"forward"})
"""Methods that are called without their name."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller must pass so that a function breaks a gradient.

    Attributes:
        gradients: The parameters one of which requires a gradient; where there are none, gradients only have to be on.
        given: The parameters that are neither none nor off.
        are_weights: The weights of a network that is passed are what is written.
    """

    gradients: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    are_weights: bool = False


Passed: TypeAlias = tuple[Grad, frozenset[str]]
"""The gradient of what a call passes, and the caller's own parameters that it hangs on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one call passes, as a run of its caller shows it.

    Attributes:
        is_off: Gradients are off there, or nothing is trained.
        is_exact: What each parameter is given is known.
        left_out: The parameters that are none, or off.
        gradients: What the parameters are given.
        has_frozen: A network is passed of which no weight requires a gradient.
    """

    is_off: bool = False
    is_exact: bool = True
    left_out: frozenset[str] = frozenset()
    gradients: dict[str, Passed] = field(default_factory=dict)
    has_frozen: bool = False


Site: TypeAlias = "tuple[FunctionInfo | None, bool]"
"""Who calls, and whether gradients are off there."""
Runner: TypeAlias = Callable[[FunctionInfo, Probe], None]
"""Runs a function on its own while a probe looks on."""


@dataclass(slots=True)
class Callers:
    """Asks the callers of one project's functions.

    Attributes:
        project: Where the names lead.
        run: How a caller is run.
    """

    project: Project
    run: Runner
    _asked: set[object] = field(default_factory=set)
    _seen: dict[tuple[FunctionInfo, FunctionInfo], list[Seen]] = field(default_factory=dict)

    def bring(self, info: FunctionInfo, wanted: Wanted, depth: int | None = None) -> bool:
        """Return whether a caller of a function may pass what is wanted.

        Effect: reads the files of the package that name it, and of those that call it.
        """
        if depth is None:
            self._asked.clear()
            depth = _DEPTH if wanted.gradients else _DEPTH_OF_MODE
        sites = self._sites(info, wanted) if depth and not _is_called_otherwise(info) else None
        parameters = frozenset(arguments_of(info.node))
        if not sites:
            return not _is_hidden(info)
        if all(is_off for _, is_off in sites):
            return False
        if wanted.gradients - parameters or self._is_exported(info):
            return True
        wanted = replace(wanted, given=wanted.given & parameters)
        for caller, is_off in sites:
            key = caller, info, wanted
            if is_off or key in self._asked:
                continue
            self._asked.add(key)
            if caller is None or self._passes(caller, info, wanted, depth):
                return True
        return False

    def _is_exported(self, info: FunctionInfo) -> bool:
        """Return whether a package offers a function by name: others call it as well."""
        if info.owner is not None:
            return False
        home = info.module
        if _is_offered(info):
            return True
        return f'"{info.name}"' in home.text or f"'{info.name}'" in home.text

    def _passes(self, caller: FunctionInfo, info: FunctionInfo, wanted: Wanted, depth: int) -> bool:
        calls = self._calls(caller, info)
        if not calls:
            return True
        for seen in calls:
            passed = _passed(seen, wanted)
            if passed is None:
                continue
            grad, own = passed
            own = frozenset(name for name in own if not is_data(name))
            if grad in (Grad.YES, Grad.UNKNOWN):
                return True
            if grad is Grad.FLOWS and not own and wanted.gradients:
                continue
            is_own = caller is info and own <= wanted.gradients
            if grad is Grad.FLOWS and not is_own and self.bring(caller, Wanted(own), depth - 1):
                return True
        return False

    def _calls(self, caller: FunctionInfo, info: FunctionInfo) -> list[Seen]:
        """Return what each call of a function in a caller passes; the caller is run once for all that is asked."""
        known = self._seen.get((caller, info))
        if known is not None:
            return known
        found: list[Seen] = []

        def look(frame: Frame, node: ast.Call, receiver: Value | None, arguments: Arguments) -> None:
            if _last(node.func) == info.name:
                is_bound = receiver is not None and not isinstance(receiver, Class)
                found.append(_seen_in(frame, arguments, info, is_bound=is_bound))

        self.run(caller, look)
        self._seen[caller, info] = found
        return found

    def forget(self) -> None:
        """Drop what calls passed: the functions are gone."""
        self._seen.clear()

    def _sites(self, info: FunctionInfo, wanted: Wanted) -> list[Site] | None:
        """Return who calls a function and whether gradients are off there; None where that can't be told."""
        sure: list[Site] = []
        likely: list[Site] = []
        for module in self._modules(info):
            functions = list(functions_of(module))
            called = set[int]()
            lines = [number for number, line in enumerate(module.lines, start=1) if info.name in line]
            for node in walk_lines(module.tree, lines):
                named: ast.expr | None = None
                if isinstance(node, ast.Call) and _last(node.func) == info.name:
                    named = node.func
                    called.add(id(named))
                elif isinstance(node, ast.expr) and _is_read(node, info.name) and id(node) not in called:
                    named = node
                if named is None:
                    continue
                caller = _enclosing(functions, named.lineno)
                meant = self._is_meant(module, caller, named, info)
                layout = layout_of(module)
                is_off = layout.is_off(named.lineno)
                # A constructor is differentiated by nobody, but what is refused is refused there too.
                is_constructor = caller is not None and caller.name == "__init__" and not wanted.gradients
                is_off_by_name = named is not node and not is_constructor and layout.is_off_by_name(named.lineno)
                is_off = is_off or is_off_by_name
                if meant and named is node and not is_off:
                    return None  # it is handed on as a value
                # What hands on to a part's method of the same name doesn't call itself.
                if meant or (meant is None and named is not node and caller is not info):
                    (sure if meant else likely).append((caller, is_off))
        return sure or likely

    def _modules(self, info: FunctionInfo) -> Iterator[ModuleInfo]:
        home = info.module
        yield home
        package = home.root / home.name.partition(".")[0]
        if not package.is_dir():
            return
        for path in self.project.files_of(package):
            if path != home.path and spells(path, info.name):
                self.project.links.setdefault(str(home.path), set()).add(str(path))
                try:
                    yield self.project.load_parsed(path)
                except SourceError:
                    continue

    def _is_meant(
        self, module: ModuleInfo, caller: FunctionInfo | None, func: ast.expr, info: FunctionInfo
    ) -> bool | None:
        """Return whether a name means the function; None where it is a method of an object that isn't known."""
        if isinstance(func, ast.Name) and caller is not None and func.id in _own_names(caller):
            return False
        dotted = dotted_name(func)
        if dotted and self.project.lookup(module, dotted) is info:
            return True
        if info.owner is None or isinstance(func, ast.Name):
            return False
        if dotted == f"self.{info.name}" and caller is not None and caller.owner is not None:
            member = find_member(self.project, caller.owner, info.name)
            return None if member is None else member[1] is info
        return None


def _is_offered(info: FunctionInfo) -> bool:
    """Return whether an ``__init__.py`` above a function names it."""
    package = info.module.root
    for part in info.module.name.split(".")[:-1]:
        package /= part
        if spells(package / "__init__.py", info.name):
            return True
    return False


def _is_hidden(info: FunctionInfo) -> bool:
    """Return whether a function stands in a private folder, and is offered nowhere: none but the package can call it.

    Where the package doesn't call it by its name, it is one of several implementations, handed on in a table.
    """
    folders = info.module.name.split(".")[:-1]
    is_private = any(part.startswith("_") and not part.startswith("__") for part in folders)
    return is_private and info.owner is None and not _is_offered(info)


def _is_called_otherwise(info: FunctionInfo) -> bool:
    name = info.name
    is_special = name.startswith("__") or (info.owner is not None and name in _CALLED_OTHERWISE)
    return is_special or info.is_property or not name.isidentifier()


def functions_of(module: ModuleInfo) -> Iterator[FunctionInfo]:
    """Yield the functions of a module and the methods of its classes."""
    yield from module.functions.values()
    for owner in module.classes.values():
        yield from _methods(owner)


def _methods(owner: ClassInfo) -> Iterator[FunctionInfo]:
    yield from owner.methods.values()
    yield from owner.setters.values()


def _enclosing(functions: list[FunctionInfo], line: int) -> FunctionInfo | None:
    return next((f for f in functions if f.node.lineno <= line <= (f.node.end_lineno or f.node.lineno)), None)


def _last(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_read(node: ast.AST, name: str) -> bool:
    return _last(node) == name and isinstance(getattr(node, "ctx", None), ast.Load)


def _own_names(info: FunctionInfo) -> frozenset[str]:
    """Return the names that a function binds itself, whatever its module calls so."""
    key = _own_names, info
    known = info.module.remembered.get(key)
    if not isinstance(known, frozenset):
        nodes = list(walk(info.node))
        stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        outer = {name for node in nodes if isinstance(node, (ast.Global, ast.Nonlocal)) for name in node.names}
        known = info.module.remembered[key] = frozenset(stored - outer) | frozenset(arguments_of(info.node))
    return known


def _seen_in(frame: Frame, arguments: Arguments, info: FunctionInfo, *, is_bound: bool) -> Seen:
    """Return what a call passes for each parameter of a function."""
    if not frame.machine.grad_enabled or runs_in_evaluation(frame.machine, frame.machine.guard):
        return Seen(is_off=True)
    if not arguments.is_exact:
        return Seen(is_exact=False)
    left_out: set[str] = set()
    gradients: dict[str, Passed] = {}
    for name in frozenset(arguments_of(info.node)):
        value = _argument(arguments, info, name, is_bound=is_bound)
        if value is not None:
            gradients[name] = _gradient_of(value)
        if _is_left_out(value, info, name):
            left_out.add(name)
    has_frozen = any(_is_frozen(frame, value) for value in arguments.values())
    return Seen(left_out=frozenset(left_out), gradients=gradients, has_frozen=has_frozen)


def _is_frozen(frame: Frame, value: Value) -> bool:
    """Return whether a value is a network none of whose weights requires a gradient."""
    if not isinstance(value, (Instance, Layer)):
        return False
    weights = list(parameters_of(frame, value))
    return bool(weights) and all(grad_of(weight) is Grad.NO for weight in weights)


def _passed(seen: Seen, wanted: Wanted) -> Passed | None:
    """Return the gradient of what a call passes for the wanted parameters; None where the call doesn't matter.

    Where no parameter has to bring it, it is for the callers of the caller to say whether gradients are on.
    """
    if seen.is_off or wanted.given & seen.left_out or (wanted.are_weights and seen.has_frozen):
        return None
    if not seen.is_exact:
        return Grad.UNKNOWN, frozenset()
    most, own = (Grad.NO if wanted.gradients else Grad.FLOWS), frozenset[str]()
    for name in wanted.gradients & seen.gradients.keys():
        grad, more = seen.gradients[name]
        most, own = max(most, grad), own | more
    return most, own


def _is_left_out(value: Value | None, info: FunctionInfo, name: str) -> bool:
    """Return whether a parameter is none, or off: given so, or by default."""
    if value is not None:
        return isinstance(value, Const) and not value.value
    default = defaults_of(info.node).get(name)
    return default is not None and isinstance(default, ast.Constant) and not default.value


def _gradient_of(value: Value, depth: int = 4) -> Passed:
    """Return whether a gradient flows to a value; what isn't known to be free of it may have one."""
    match value:
        case Const():
            return Grad.NO, frozenset()
        case Opaque(tensor=None):
            known = Grad.NO if value.is_number else Grad.FLOWS if value.roots else Grad.UNKNOWN
            return (Grad.YES if value.node is not None else known), value.roots
        case Tensor() | Opaque(tensor=Tensor()):
            tensor = value if isinstance(value, Tensor) else value.tensor
            assert tensor is not None
            return grad_of(tensor), roots_of(tensor)
        case Choice() | Sequence() if depth:
            inside = value.items if isinstance(value, Sequence) else [option for option, _ in value.options]
            parts = [_gradient_of(part, depth - 1) for part in inside]
            return max((grad for grad, _ in parts), default=Grad.NO), frozenset().union(*(own for _, own in parts))
        case _:
            return Grad.UNKNOWN, frozenset()


def _argument(arguments: Arguments, info: FunctionInfo, name: str, *, is_bound: bool) -> Value | None:
    spec = info.node.args
    names = [p.arg for p in (*spec.posonlyargs, *spec.args)]
    if info.owner is not None and not info.is_static and is_bound:
        names = names[1:]
    return arguments.get(names.index(name) if name in names else len(arguments.positional), name)
