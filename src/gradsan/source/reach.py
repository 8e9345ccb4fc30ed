"""Which functions need data flow at all: those that mutate something themselves, or call what mutates their tensors.

# NOTE [Open functions]
A function that was run on its own, with unknown arguments, and that mutated nothing but what it made itself, and broke
nothing on the way, is *closed*: whoever calls it finds nothing new by following the call.  So a caller that mutates
nothing itself, and whose callees are all closed, isn't run.  What can't be told is open: an unknown network that may
work in place, an unknown object that may be a tensor.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gradsan.source.flow.user_operators import FOLLOWED
from gradsan.source.hierarchy import find_member, is_function_class, is_module_class, linearize_known
from gradsan.source.index import ClassInfo, FunctionInfo, ModuleInfo
from gradsan.source.project import Project
from gradsan.source.writing import may_write

_NAMES = re.compile(r"[A-Za-z_][\w.]*")
_CALLS = re.compile(r"(\]|[A-Za-z_][\w.]*|\))\s*\(")
_BUILTINS = frozenset({*dir(builtins), *keyword.kwlist, "self", "super"})
_MEMBERS = re.compile(r"\.\s*([A-Za-z_]\w*)")
_INPLACE = re.compile(r"\binplace\b(?!\s*(?::\s*bool\s*)?=\s*False)|ReLU6?\(\s*True|ELU\([^()]*\bTrue|\bmax_norm\b")
_BACKWARD = (
    re.compile(r"backward(?<!def backward)\s*\("),
    re.compile(r"grad\((?<!no_grad\()(?<!enable_grad\()"),
)
"""Backward passes: not what defines one, nor what only switches gradients.  What begins with a text is found fast."""
_DEPTH = 5
"""How far factories of modules are followed."""
_CALLED = frozenset({"forward", "__call__"})


@dataclass(slots=True)
class Text:
    """What a piece of source mentions."""

    functions: list[FunctionInfo] = field(default_factory=list)
    classes: list[ClassInfo] = field(default_factory=list)
    values: list[tuple[ModuleInfo, ast.expr]] = field(default_factory=list)
    is_inplace: bool = False
    """It constructs layers that work in place, or passes the flag on."""


@dataclass(slots=True)
class Reach:
    """Answers, remembered.

    Attributes:
        project: Where the names lead.
        is_open: Whether running a function showed it to be open; see NOTE [Open functions].
        is_method: Whether tensors, lists, dicts or texts have a method of a name.
    """

    project: Project
    is_open: Callable[[FunctionInfo], bool]
    is_method: Callable[[str], bool]
    _texts: dict[int, Text] = field(default_factory=dict)
    _held: dict[int, Text] = field(default_factory=dict)
    _writes: dict[int, bool] = field(default_factory=dict)
    _members: dict[int, list[FunctionInfo]] = field(default_factory=dict)
    _kept: list[object] = field(default_factory=list)
    """Objects whose identity is used as a key."""

    def forget(self) -> None:
        """Drop all answers; the objects that they are about are gone."""
        for answers in (self._texts, self._held, self._writes, self._members, self._kept):
            answers.clear()

    def needs_run(self, info: FunctionInfo) -> bool:
        """Return whether data flow through a function may find anything."""
        if self.writes_itself(info):
            return True
        node = info.node
        owner = None if info.is_static else info.owner
        if owner is not None and (info.name == "__init__" or len(node.args.args) + len(node.args.kwonlyargs) < 2):
            return False
        text = source_of(info)
        called = {*_MEMBERS.findall(text)}
        runs = self._runs_parts(info, owner, text)
        if owner is not None:
            held = self.held_by(owner)
            if held.is_inplace and (runs or "inplace" in text):
                return True
            if any(self._is_class_open(found, called, is_run=runs) for found in held.classes):
                return True
        return self._leads_to_open(self.text_of(info), called, runs=runs)

    def _runs_parts(self, info: FunctionInfo, owner: ClassInfo | None, text: str) -> bool:
        """Return whether a function may call an object that it holds: anything that has no better known meaning."""
        for name in set(_CALLS.findall(text)) - {info.name}:
            head, _, rest = name.partition(".")
            last = name.rpartition(".")[2]
            if owner is not None and head == "self" and rest == last and find_member(self.project, owner, rest):
                continue
            if not rest and (
                head in info.module.imports or head in _BUILTINS or self._leads_somewhere(info.module, head)
            ):
                continue
            if rest and (head in info.module.imports or self.is_method(last)):
                continue
            return True
        return False

    def program_needs_run(self, module: ModuleInfo) -> bool:
        """Return whether running a module's body may find anything."""
        body = [s for s in module.tree.body if not isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))]
        lines = ["\n".join(module.lines[s.lineno - 1 : s.end_lineno]) for s in body]
        wrapped = ast.Module(body, [])
        text = "\n".join(lines)
        if may_write(text, wrapped, has_backward=True) or has_backward(module):
            return True
        mentioned = Text()
        self._collect(module, None, text, mentioned)
        homes = [function.module for function in mentioned.functions] + [found.module for found in mentioned.classes]
        if any(has_backward(home) for home in homes):
            return True
        return self._leads_to_open(mentioned, {*_MEMBERS.findall(text)})

    def is_open_by_text(self, info: FunctionInfo, depth: int = 2) -> bool:
        """Return whether a function that isn't run may be open, as far as its text tells."""
        if self.writes_itself(info) or (info.owner is not None and self.held_by(info.owner).is_inplace):
            return True
        return depth > 0 and any(self.is_open_by_text(inner, depth - 1) for inner in self.text_of(info).functions)

    def writes_itself(self, info: FunctionInfo) -> bool:
        """Return whether a function's own text may mutate a tensor."""
        known = self._writes.get(id(info))
        if known is None:
            known = may_write(source_of(info), info.node, has_backward=has_backward(info.module))
            self._writes[id(info)] = known
            self._kept.append(info)
        return known

    def text_of(self, info: FunctionInfo) -> Text:
        """Return what a function mentions."""
        known = self._texts.get(id(info))
        if known is None:
            known = self._texts[id(info)] = Text()
            self._kept.append(info)
            text = source_of(info)
            known.is_inplace = _INPLACE.search(text) is not None
            self._collect(info.module, info.owner, text, known)
            # Its own name stands in its first line, and a call of itself isn't followed.
            known.functions = [found for found in known.functions if found is not info]
        return known

    def held_by(self, info: ClassInfo) -> Text:
        """Return the classes of what the constructors of a class build, factories of the project followed."""
        known = self._held.get(id(info))
        if known is not None:
            return known
        known = self._held[id(info)] = Text()
        self._kept.append(info)
        seen: set[int] = set()
        for owner in linearize_known(self.project, info)[0]:
            constructor = owner.methods.get("__init__")
            if constructor is not None:
                self._follow(self.text_of(constructor), known, seen, _DEPTH)
            for expression in owner.assigned.values():
                self._follow(self._expression(owner.module, expression), known, seen, _DEPTH)
        return known

    def _follow(self, text: Text, held: Text, seen: set[int], depth: int) -> None:
        held.is_inplace = held.is_inplace or text.is_inplace
        if not depth:
            return
        for function in text.functions:
            if id(function) not in seen:
                seen.add(id(function))
                self._follow(self.text_of(function), held, seen, depth - 1)
        for home, expression in text.values:
            if id(expression) not in seen:
                seen.add(id(expression))
                self._follow(self._expression(home, expression), held, seen, depth - 1)
        for found in text.classes:
            if id(found) in seen:
                continue
            seen.add(id(found))
            held.classes.append(found)
            if not any(find_member(self.project, found, name) for name in _CALLED):
                constructor = find_member(self.project, found, "__init__")
                if constructor is not None and isinstance(constructor[1], FunctionInfo):
                    self._follow(self.text_of(constructor[1]), held, seen, depth - 1)

    def _expression(self, home: ModuleInfo, expression: ast.expr) -> Text:
        known = self._texts.get(id(expression))
        if known is None:
            known = self._texts[id(expression)] = Text()
            self._kept.append(expression)
            text = "\n".join(home.lines[expression.lineno - 1 : expression.end_lineno])
            known.is_inplace = _INPLACE.search(text) is not None
            self._collect(home, None, text, known)
        return known

    def _leads_to_open(self, text: Text, called: set[str], *, runs: bool = True) -> bool:
        return any(self.is_open(found) for found in text.functions) or any(
            self._is_class_open(found, called, is_run=runs, is_constructed=True) for found in text.classes
        )

    def _is_class_open(
        self, info: ClassInfo, called: set[str], *, is_run: bool = True, is_constructed: bool = False
    ) -> bool:
        """Return whether calling an object of a class, or those of its methods that are named, is open."""
        if is_function_class(self.project, info):
            return any(self.writes_itself(method) for method in info.methods.values())
        members = self._members.get(id(info))
        if members is None:
            # The constructor of a network is run apart, when the network is first looked into.
            is_network = is_module_class(self.project, info)
            members = [m for m in self._methods(info) if not (is_network and m.name == "__init__")]
            self._members[id(info)] = members
            self._kept.append(info)
        for method in members:
            name = method.name
            is_special = name in FOLLOWED or name == "forward"
            is_reached = name in called or (is_special and is_run) or (name == "__init__" and is_constructed)
            if is_reached and self.is_open(method):
                return True
        return False

    def _methods(self, info: ClassInfo) -> Iterator[FunctionInfo]:
        seen: set[str] = set()
        for owner in linearize_known(self.project, info)[0]:
            for name, method in owner.methods.items():
                if name not in seen:
                    seen.add(name)
                    yield method
            yield from owner.setters.values()

    def _collect(self, module: ModuleInfo, owner: ClassInfo | None, text: str, found: Text) -> None:
        for name in set(_NAMES.findall(text)):
            head, _, rest = name.partition(".")
            if owner is not None and head in ("self", "cls"):
                member = find_member(self.project, owner, rest.partition(".")[0]) if rest else None
                if member is not None and isinstance(member[1], FunctionInfo):
                    found.functions.append(member[1])
            elif self._leads_somewhere(module, head):
                self._file(module, name, found)
        if owner is not None and "super(" in text:
            named = {*_MEMBERS.findall(text)}
            for base in linearize_known(self.project, owner)[0][1:]:
                found.functions += [method for name, method in base.methods.items() if name in named]

    def _file(self, module: ModuleInfo, name: str, found: Text) -> None:
        while name:
            meant = self.project.lookup(module, name)
            match meant:
                case FunctionInfo():
                    found.functions.append(meant)
                case ClassInfo():
                    found.classes.append(meant)
                case (home, expression):
                    found.values.append((home, expression))
                case None:
                    name = name.rpartition(".")[0]
                    continue
            return

    def _leads_somewhere(self, module: ModuleInfo, name: str) -> bool:
        """Return whether a name of a module may lead to a function or a class of the project."""
        if name in module.functions or name in module.classes or name in module.assigned:
            return True
        dotted = module.imports.get(name)
        if dotted is not None:
            return self.project.is_within(module, dotted)
        return bool(module.stars) and self.project.lookup(module, name) is not None


def source_of(info: FunctionInfo) -> str:
    """Return the lines of a function, but for its docstring."""
    node, lines = info.node, info.module.lines
    doc = None if isinstance(node, ast.Lambda) else _docstring(node.body, lines)
    if doc is None:
        return "\n".join(lines[node.lineno - 1 : node.end_lineno])
    return "\n".join([*lines[node.lineno - 1 : doc.lineno - 1], *lines[doc.end_lineno : node.end_lineno]])


def _docstring(body: list[ast.stmt], lines: list[str]) -> ast.stmt | None:
    """Return the docstring of a body, where nothing else stands on its lines."""
    match body:
        case [ast.Expr(value=ast.Constant(value=str())) as first, *rest]:
            is_alone = not lines[first.lineno - 1][: first.col_offset].strip()
            return first if is_alone and not (rest and rest[0].lineno == first.end_lineno) else None
        case _:
            return None


def has_backward(module: ModuleInfo) -> bool:
    """Return whether a module runs backward passes."""
    known = module.remembered.get(has_backward)
    if not isinstance(known, bool):
        known = any(pattern.search(module.text) for pattern in _BACKWARD)
        module.remembered[has_backward] = known
    return known
