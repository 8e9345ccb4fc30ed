"""What a module of the project defines, by name; nothing is evaluated here.

# NOTE [Lazy modules]
Names lead from a file to most of its project, and to little of what stands there.  So a module is read when a name
leads to it, and parsed when something is asked of it that its text alone doesn't answer: a module that doesn't mention
a name and imports nothing with a star doesn't define it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_STAR = re.compile(r"import\s*\*")
_INDENTED_CLASS = re.compile(r"class (?<=[ \t]class )\w+\(")
"""Where one may stand; what begins with a text is found fast."""


@dataclass(slots=True, eq=False, repr=False)
class FunctionInfo:
    """One function or method, as it stands in the source."""

    name: str
    qualified_name: str
    node: FunctionNode
    module: ModuleInfo
    owner: ClassInfo | None = None
    decorators: tuple[str, ...] = ()
    """Dotted names, ``torch.no_grad``; a called decorator without its arguments."""

    @property
    def is_static(self) -> bool:
        """Whether the first parameter is an ordinary one."""
        return "staticmethod" in self.decorators

    @property
    def is_class_method(self) -> bool:
        """Whether the first parameter is the class."""
        return "classmethod" in self.decorators

    @property
    def is_property(self) -> bool:
        """Whether reading the attribute calls it."""
        return any(d in _PROPERTIES or d.endswith("property") for d in self.decorators)


_PROPERTIES = frozenset({"property", "cached_property", "functools.cached_property"})


@dataclass(slots=True, eq=False, repr=False)
class ClassInfo:
    """One class, as it stands in the source."""

    name: str
    node: ast.ClassDef
    module: ModuleInfo
    methods: dict[str, FunctionInfo] = field(default_factory=dict)
    setters: dict[str, FunctionInfo] = field(default_factory=dict)
    assigned: dict[str, ast.expr] = field(default_factory=dict)
    """Class attributes that are assigned in the body."""

    @property
    def bases(self) -> tuple[str, ...]:
        """The dotted names of the bases as the class spells them; an expression that is no name is left out."""
        return tuple(name for name in map(dotted_name, self.node.bases) if name)


class ModuleInfo:
    """One file, parsed when its names are first asked for; see NOTE [Lazy modules].

    Attributes:
        name: Dotted name below the import root, ``package.module``.
        root: The folder that absolute imports of the project start from.
        imports: Local name -> dotted name; relative imports are made absolute.
        stars: The modules that are imported with a star.
        assigned: Module-level names that are assigned once, at top level.
        remembered: What was worked out about the module and is worth keeping as long as it is in memory, by what
            asked for it.
    """

    __slots__ = (
        "_parse",
        "assigned",
        "classes",
        "functions",
        "imports",
        "is_package",
        "is_parsed",
        "lines",
        "name",
        "path",
        "remembered",
        "root",
        "stars",
        "text",
        "tree",
    )
    tree: ast.Module
    lines: list[str]
    imports: dict[str, str]
    stars: list[str]
    functions: dict[str, FunctionInfo]
    classes: dict[str, ClassInfo]
    assigned: dict[str, ast.expr]

    def __init__(
        self, path: Path, name: str, root: Path, text: str, *, parse: Callable[[ModuleInfo], ast.Module]
    ) -> None:
        self.path = path
        self.name = name
        self.root = root
        self.text = text
        self.is_package = path.name == "__init__.py"
        self.is_parsed = False
        self.remembered: dict[object, object] = {}
        self._parse = parse

    def __getattr__(self, name: str) -> object:
        """Parse the file: Python asks here for what isn't set yet."""
        self.is_parsed = True
        self.tree = self._parse(self)
        self.lines = self.text.split("\n")
        self.imports, self.stars = {}, []
        self.functions, self.classes, self.assigned = {}, {}, {}
        index_module(self)
        return object.__getattribute__(self, name)

    def may_define(self, name: str) -> bool:
        """Return whether the module may define a name or import it, without parsing it to see."""
        return self.is_parsed or name in self.text or self.has_star

    def may_export(self, name: str) -> bool:
        """Return whether importing the module with a star may bring a name, without parsing it to see.

        Where there is an ``__all__`` and nothing else imported with a star, the name stands there as a text.
        """
        if self.has_star:
            return True
        if "__all__" in self.text:
            return f'"{name}"' in self.text or f"'{name}'" in self.text
        return not name.startswith("_") and name in self.text

    @property
    def has_star(self) -> bool:
        """Whether the module imports anything with a star."""
        if self.is_parsed:
            return bool(self.stars)
        known = self.remembered.get(_STAR)
        if not isinstance(known, bool):
            known = self.remembered[_STAR] = _STAR.search(self.text) is not None
        return known

    def release(self) -> None:
        """Let go of what refers back to the module: its memory is free then, without the garbage collector's help."""
        local = local_classes(self) if local_classes in self.remembered else []
        self.remembered.clear()
        if self.is_parsed:
            for info in [*self.classes.values(), *local]:
                info.methods.clear()
                info.setters.clear()
            self.functions.clear()
            self.classes.clear()
            self.assigned.clear()
            self.tree.body.clear()

    def absolute(self, dotted: str) -> str:
        """Return a dotted name with its first part replaced by what was imported under it."""
        head, _, rest = dotted.partition(".")
        home = self.imports.get(head, head)
        return f"{home}.{rest}" if rest else home


def dotted_name(node: ast.expr) -> str:
    """Return ``a.b.c`` for such an expression; empty for any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    parts.append(node.id)
    return ".".join(reversed(parts))


def index_module(module: ModuleInfo) -> None:
    """Fill a module's imports, functions, classes and assigned names from its tree."""
    twice: set[str] = set()
    for statement in _top_level(module.tree.body):
        match statement:
            case ast.Import() | ast.ImportFrom():
                _index_import(module, statement)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                module.functions[statement.name] = describe_function(module, statement, statement.name)
            case ast.ClassDef():
                module.classes[statement.name] = describe_class(module, statement)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                twice |= {name} & module.assigned.keys()
                module.assigned[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                module.assigned[name] = value
    for name in twice:
        del module.assigned[name]


def _top_level(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return the statements of a body, those under ``if`` and ``try`` included, alternatives first."""
    found: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.If):
            found += _top_level(statement.orelse) + _top_level(statement.body)
        elif isinstance(statement, ast.Try):
            for handler in statement.handlers:
                found += _top_level(handler.body)
            found += _top_level(statement.body)
        else:
            found.append(statement)
    return found


def _index_import(module: ModuleInfo, statement: ast.Import | ast.ImportFrom) -> None:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            if alias.asname:
                module.imports[alias.asname] = alias.name
            else:
                head = alias.name.partition(".")[0]
                module.imports[head] = head
        return
    home = import_home(module, statement)
    for alias in statement.names:
        if alias.name == "*":
            module.stars.append(home)
        else:
            module.imports[alias.asname or alias.name] = f"{home}.{alias.name}" if home else alias.name


def import_home(module: ModuleInfo, statement: ast.ImportFrom) -> str:
    """Return the absolute dotted module that a ``from`` import reads."""
    if not statement.level:
        return statement.module or ""
    parts = module.name.split(".")
    drop = statement.level - (1 if module.is_package else 0)
    parts = parts[: len(parts) - drop] if drop else parts
    return ".".join([*parts, *([statement.module] if statement.module else [])])


def describe_function(
    module: ModuleInfo, node: FunctionNode, qualified_name: str, *, owner: ClassInfo | None = None
) -> FunctionInfo:
    """Describe one function, without looking into it."""
    decorators: list[str] = []
    for decorator in getattr(node, "decorator_list", ()):
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = dotted_name(target)
        if isinstance(decorator, ast.Call) and name.endswith("set_grad_enabled"):
            continue
        decorators.append(module.absolute(name))
    name = getattr(node, "name", "<lambda>")
    return FunctionInfo(name, qualified_name, node, module, owner, tuple(decorators))


def describe_class(module: ModuleInfo, node: ast.ClassDef, prefix: str = "") -> ClassInfo:
    """Describe one class: its methods and what its body assigns."""
    info = ClassInfo(node.name, node, module)
    for statement in _top_level(node.body):
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                name = f"{prefix}{node.name}.{statement.name}"
                method = describe_function(module, statement, name, owner=info)
                if any(d.endswith(".setter") for d in method.decorators):
                    info.setters[statement.name] = method
                elif not any(d.endswith((".deleter", ".getter", "overload")) for d in method.decorators):
                    info.methods[statement.name] = method
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Name):
                        info.assigned[target.id] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                info.assigned[name] = value
    return info


def local_classes(module: ModuleInfo) -> list[ClassInfo]:
    """Return the classes with bases that the functions of a module define, remembered with the module."""
    known = module.remembered.get(local_classes)
    if not isinstance(known, list):
        is_any = _INDENTED_CLASS.search(module.text) is not None
        known = module.remembered[local_classes] = list(_local_classes(module, module.tree, "")) if is_any else []
    return known


def _local_classes(module: ModuleInfo, outer: ast.AST, prefix: str, *, is_local: bool = False) -> Iterator[ClassInfo]:
    for node in ast.iter_child_nodes(outer):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield from _local_classes(module, node, f"{prefix}{name}.<locals>.", is_local=True)
            case ast.ClassDef(name=name):
                if is_local and node.bases:
                    yield describe_class(module, node, prefix)
                yield from _local_classes(module, node, f"{prefix}{name}.", is_local=False)
            case ast.stmt() | ast.ExceptHandler() | ast.match_case():
                yield from _local_classes(module, node, prefix, is_local=is_local)
