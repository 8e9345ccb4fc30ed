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
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from gradsan.source.hierarchy import find_member, is_function_class, is_module_class, linearize_known
from gradsan.source.index import ClassInfo, FunctionInfo, ModuleInfo
from gradsan.source.mentions import Mentions, mentions_of
from gradsan.source.project import Project
from gradsan.source.writing import may_write, spells_write

_BUILTINS = frozenset(dir(builtins))
_INPLACE = re.compile(r"\binplace\b(?!\s*(?::\s*bool\s*)?=\s*False)|ReLU6?\(\s*True|ELU\([^()]*\bTrue|\bmax_norm\b")
_LAYERS = ("inplace", "LU", "max_norm")
"""One of these stands where the pattern matches: looking for them is much faster."""
_BACKWARD = (
    re.compile(r"backward(?<!def backward)\s*\("),
    re.compile(r"grad\((?<!no_grad\()(?<!enable_grad\()"),
)
"""Backward passes: not what defines one, nor what only switches gradients.  What begins with a text is found fast."""
_FOLLOWED = frozenset({"torch", "functools", "operator"})
"""Libraries whose functions data flow knows to write, or to call what writes."""
_DEPTH = 5
"""How far factories of modules are followed."""
_CALLED = frozenset({"forward", "__call__"})
"""What calling an object runs."""


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
    _mentions: dict[int, Mentions] = field(default_factory=dict)
    _texts: dict[int, Text] = field(default_factory=dict)
    _held: dict[int, Text] = field(default_factory=dict)
    _writes: dict[int, bool] = field(default_factory=dict)
    _members: dict[int, list[FunctionInfo]] = field(default_factory=dict)
    _kept: list[object] = field(default_factory=list)
    """Objects whose identity is used as a key."""

    def forget(self) -> None:
        """Drop all answers; the objects that they are about are gone."""
        for answers in (self._mentions, self._texts, self._held, self._writes, self._members, self._kept):
            answers.clear()

    def needs_run(self, info: FunctionInfo) -> bool:
        """Return whether data flow through a function may find anything."""
        if self.writes_itself(info):
            return True
        node = info.node
        owner = None if info.is_static else info.owner
        if owner is not None and (info.name == "__init__" or len(node.args.args) + len(node.args.kwonlyargs) < 2):
            return False
        mentioned = self.mentions_of(node)
        runs = self._runs_parts(info, owner, mentioned)
        if owner is not None:
            held = self.held_by(owner)
            if held.is_inplace and (runs or "inplace" in source_of(info)):
                return True
            if any(self._is_class_open(found, mentioned, is_run=runs, asker=info) for found in held.classes):
                return True
        return self._leads_to_open(self.text_of(info), mentioned, runs=runs)

    def _runs_parts(self, info: FunctionInfo, owner: ClassInfo | None, mentioned: Mentions) -> bool:
        """Return whether a function may call an object that it holds: anything that has no better known meaning."""
        for name in mentioned.calls:
            head, _, rest = name.partition(".")
            last = name.rpartition(".")[2]
            if owner is not None and head == "self" and rest == last:
                if find_member(self.project, owner, rest):
                    continue
                return True
            if head in info.module.imports:
                continue
            if rest and self.is_method(last):
                continue
            if not rest and (head in _BUILTINS or self._leads_somewhere(info.module, head)):
                continue
            return True
        return False

    def mentions_of(self, node: ast.AST) -> Mentions:
        """Return what a piece of a syntax tree mentions, remembered."""
        known = self._mentions.get(id(node))
        if known is None:
            known = self._mentions[id(node)] = mentions_of(node)
            self._kept.append(node)
        return known

    def program_needs_run(self, module: ModuleInfo) -> bool:
        """Return whether running a module's body may find anything."""
        body = [s for s in module.tree.body if not isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))]
        lines = ["\n".join(module.lines[s.lineno - 1 : s.end_lineno]) for s in body]
        wrapped = ast.Module(body, [])
        text = "\n".join(lines)
        mentioned, found = mentions_of(wrapped), Text()
        if (spells_write(text) and may_write(mentioned.nodes, has_backward=True)) or has_backward(module):
            return True
        self._collect(module, None, mentioned, found)
        homes = [function.module for function in found.functions]
        homes += [kin.module for known in found.classes for kin in linearize_known(self.project, known)[0]]
        if any(has_backward(home) for home in homes):
            return True
        return self._leads_to_open(found, mentioned)

    def is_open_by_text(self, info: FunctionInfo, depth: int = 2) -> bool:
        """Return whether a function that isn't run may be open, as far as its text tells."""
        if self.writes_itself(info) or (info.owner is not None and self.held_by(info.owner).is_inplace):
            return True
        return depth > 0 and any(self.is_open_by_text(inner, depth - 1) for inner in self.text_of(info).functions)

    def writes_itself(self, info: FunctionInfo) -> bool:
        """Return whether a function's own text may mutate a tensor."""
        known = self._writes.get(id(info))
        if known is None:
            known = spells_write(source_of(info)) and may_write(
                self.mentions_of(info.node).nodes,
                has_backward=has_backward(info.module),
                is_foreign=partial(self._leads_elsewhere, info),
            )
            self._writes[id(info)] = known
            self._kept.append(info)
        return known

    def _leads_elsewhere(self, info: FunctionInfo, dotted: str) -> bool:
        """Return whether a name that a function calls leads to no function of the framework."""
        head, _, rest = dotted.partition(".")
        if head == "self" and info.owner is not None:
            member = find_member(self.project, info.owner, rest)
            return member is not None and isinstance(member[1], FunctionInfo) and not member[1].is_property
        if self._leads_somewhere(info.module, head):
            return isinstance(self.project.lookup(info.module, dotted), (FunctionInfo, ClassInfo))
        home = info.module.imports.get(head)
        return home is not None and home.partition(".")[0] not in _FOLLOWED

    def text_of(self, info: FunctionInfo) -> Text:
        """Return what a function mentions."""
        known = self._texts.get(id(info))
        if known is None:
            known = self._texts[id(info)] = Text()
            self._kept.append(info)
            text = source_of(info)
            known.is_inplace = _spells_layer(text)
            self._collect(info.module, info.owner, self.mentions_of(info.node), known)
            # A call of itself isn't followed.
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
            known.is_inplace = _spells_layer(text)
            self._collect(home, None, self.mentions_of(expression), known)
        return known

    def _leads_to_open(self, text: Text, mentioned: Mentions, *, runs: bool = True) -> bool:
        return any(self.is_open(found) for found in text.functions) or any(
            self._is_class_open(found, mentioned, is_run=runs, is_constructed=True) for found in text.classes
        )

    def _is_class_open(
        self,
        info: ClassInfo,
        mentioned: Mentions,
        *,
        is_run: bool,
        is_constructed: bool = False,
        asker: FunctionInfo | None = None,
    ) -> bool:
        """Return whether calling an object of a class, or those of its methods that are mentioned, is open.

        ``asker`` is the method that asks: a call of itself isn't followed.
        """
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
            is_reached = (
                name in mentioned.members
                or name in mentioned.specials
                or (is_run and name in _CALLED)
                or (is_constructed and name == "__init__")
            )
            if is_reached and method is not asker and self.is_open(method):
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

    def _collect(self, module: ModuleInfo, owner: ClassInfo | None, mentioned: Mentions, found: Text) -> None:
        for name in mentioned.names:
            head, _, rest = name.partition(".")
            if owner is not None and head in ("self", "cls"):
                member = find_member(self.project, owner, rest.partition(".")[0]) if rest else None
                if member is not None and isinstance(member[1], FunctionInfo):
                    found.functions.append(member[1])
            elif self._leads_somewhere(module, head):
                self._file(module, name, found)
        if owner is not None and "super" in mentioned.names:
            for base in linearize_known(self.project, owner)[0][1:]:
                found.functions += [method for name, method in base.methods.items() if name in mentioned.members]

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


def _spells_layer(text: str) -> bool:
    """Return whether a text makes a layer that works in place, or passes the flag on."""
    return any(word in text for word in _LAYERS) and _INPLACE.search(text) is not None


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


def trains(module: ModuleInfo) -> bool:
    """Return whether a module steps an optimizer after a backward pass."""
    return ".step(" in module.text and has_backward(module)
