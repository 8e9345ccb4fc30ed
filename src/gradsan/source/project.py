"""The files of a project: found, parsed, indexed, and forgotten again when they are too many.

# NOTE [What is followed]
A project is what stands beside a file's outermost package.  The framework is never followed into its source, wherever
it stands: the operation table knows better what its operations do.  Where packages are installed side by side, each is
a project of its own.  The framework's own files are followed too, but for what the table knows.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from gradsan import knowledge
from gradsan.model.errors import SourceError
from gradsan.source.digests import digest_of, presence
from gradsan.source.index import ClassInfo, FunctionInfo, ModuleInfo
from gradsan.source.read import read_source

MAX_LINES_KEPT = 160_000
"""How many lines of parsed files stay in memory; a syntax tree takes about 2 kB a line."""

_FRAMEWORK = "torch"
_INSTALLED = frozenset({"site-packages", "dist-packages"})
"""Folders of installed packages.  Source: docs.python.org/3/library/site.html; Debian's Python policy."""
_TABLED = frozenset(
    [
        "torch",
        "torch.autograd",
        "torch.distributed",
        "torch.fft",
        "torch.linalg",
        "torch.nn",
        "torch.nn.functional",
        "torch.nn.init",
        "torch.special",
    ]
)
"""The framework's public namespaces: what stands there is in the operation table."""

Definition: TypeAlias = FunctionInfo | ClassInfo | ModuleInfo | tuple[ModuleInfo, ast.expr]
"""What a dotted name stands for in the project; the pair is an assigned expression and its module."""


@dataclass(slots=True)
class Project:
    """Modules by path, and what their names resolve to.

    ``links`` are, for the cache, the files that each file's names led to; an absent one stands there too.
    ``errors`` say of the files that are no Python why not; for whoever imports them they are empty.
    """

    modules: dict[Path, ModuleInfo] = field(default_factory=dict)
    errors: dict[Path, str] = field(default_factory=dict)
    links: dict[str, set[str]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    _paths: dict[tuple[Path, str], Path | None] = field(default_factory=dict)
    _lookups: dict[tuple[ModuleInfo, str], Definition | None] = field(default_factory=dict)
    _heads: dict[tuple[Path, str], bool] = field(default_factory=dict)
    _listings: dict[Path, list[Path]] = field(default_factory=dict)
    _packages: dict[Path, tuple[Path, tuple[str, ...]]] = field(default_factory=dict)
    hierarchies: dict[int, tuple[list[ClassInfo], list[str]]] = field(default_factory=dict)
    members: dict[tuple[ClassInfo, str, bool], tuple[ClassInfo, FunctionInfo | ast.expr] | None] = field(
        default_factory=dict
    )
    _n_lines: int = 0

    def load(self, path: Path, *, text: str | None = None) -> ModuleInfo:
        """Return the module of a file; see NOTE [Lazy modules].

        Effect: reads the file when it isn't in memory.

        Raises:
            SourceError: The file can't be read.
        """
        module = self.modules.get(path)
        if module is None:
            source = read_source(path) if text is None else text
            self.digests[str(path)] = digest_of(source)
            root, name = self._import_root(path, source)
            module = self.modules[path] = ModuleInfo(path, name, root, source, parse=self._parse)
        return module

    def load_parsed(self, path: Path, *, text: str | None = None) -> ModuleInfo:
        """Return the module of a file that has to be Python.

        Effect: reads the file when it isn't in memory.

        Raises:
            SourceError: The file can't be read or parsed; the message names the line.
        """
        module = self.load(path, text=text)
        if path not in self.errors:
            _ = module.tree
        if path in self.errors:
            raise SourceError(self.errors[path])
        return module

    def _parse(self, module: ModuleInfo) -> ast.Module:
        try:
            tree = parse(module.text, str(module.path))
        except SourceError as error:
            self.errors[module.path] = str(error)
            return ast.Module([], [])
        self._n_lines += module.text.count("\n") + 1
        return tree

    def is_full(self) -> bool:
        """Return whether more is in memory than should be."""
        return self._n_lines > MAX_LINES_KEPT

    def forget(self) -> None:
        """Drop every parsed file."""
        for module in self.modules.values():
            module.release()
        self.modules.clear()
        self.errors.clear()
        self._lookups.clear()
        self._paths.clear()
        self._heads.clear()
        self._listings.clear()
        self._packages.clear()
        self.hierarchies.clear()
        self.members.clear()
        self._n_lines = 0

    def find_module(self, asker: ModuleInfo, dotted: str) -> ModuleInfo | None:
        """Return the project's module of an absolute dotted name; None when it isn't part of the project."""
        if not _is_followed(asker, dotted):
            return None
        root = asker.root
        path = self._find_path(root, dotted)
        led_to = str(path) if path is not None else os.path.join(root, dotted.partition(".")[0])
        self.links.setdefault(str(asker.path), set()).add(led_to)
        if path is None:
            return None
        try:
            return self.load(path)
        except SourceError:
            return None

    def is_within(self, asker: ModuleInfo, dotted: str) -> bool:
        """Return whether the first part of a dotted name stands beside the asker's outermost package, and is followed.

        See NOTE [What is followed].
        """
        if not _is_followed(asker, dotted):
            return False
        head = dotted.partition(".")[0]
        key = (asker.root, head)
        known = self._heads.get(key)
        if known is None:
            known = self._heads[key] = bool(head) and bool(presence(asker.root / head))
        if not known:
            self.links.setdefault(str(asker.path), set()).add(str(asker.root / head))
        return known

    def reads(self, path: Path) -> dict[str, str]:
        """Return every file that a file's names led to, itself included, with its digest; empty where it was absent."""
        seen: set[str] = set()
        stack = [str(path)]
        while stack:
            at = stack.pop()
            if at not in seen:
                seen.add(at)
                stack += self.links.get(at, ())
        return {at: self.digests.get(at) or presence(Path(at)) for at in seen}

    def files_of(self, package: Path) -> list[Path]:
        """Return the Python files of a package, in order.

        Effect: lists its folders, once.
        """
        known = self._listings.get(package)
        if known is None:
            known = self._listings[package] = sorted(package.rglob("*.py"))
        return known

    def _import_root(self, path: Path, text: str) -> tuple[Path, str]:
        """Return the folder that a file's imports start from, and the file's dotted name below it."""
        package_root, package = self._package(path.parent)
        if package and _is_run_beside(path, text, package_root, package[0]):
            return path.parent, path.stem
        root = self._namespace_root(package_root, text)
        own = [] if path.name == "__init__.py" else [path.stem]
        return root, ".".join([*package_root.relative_to(root).parts, *package, *own])

    def _namespace_root(self, root: Path, text: str) -> Path:
        """Return the folder above a file's outermost package, those without ``__init__.py`` included.

        What stands below ``net/`` and imports ``net.layers`` is run from the folder above.
        """
        for folder in (root, *root.parents[:2]):
            name = folder.name
            if not name or f" {name}." not in text or presence(root / name):
                continue
            imported = re.findall(rf"^\s*(?:from|import) ({re.escape(name)}\.[\w.]+)", text, re.MULTILINE)
            if any(self._find_path(folder.parent, dotted) is not None for dotted in imported):
                return folder.parent
        return root

    def _package(self, folder: Path) -> tuple[Path, tuple[str, ...]]:
        """Return the folder above the outermost package that a folder is in, and the folder's place below it."""
        known = self._packages.get(folder)
        if known is None:
            known = folder, ()
            if (folder / "__init__.py").is_file() and folder.parent != folder:
                root, outer = self._package(folder.parent)
                known = root, (*outer, folder.name)
            self._packages[folder] = known
        return known

    def _find_path(self, root: Path, dotted: str) -> Path | None:
        key = (root, dotted)
        if key not in self._paths:
            self._paths[key] = _probe(root, dotted)
        return self._paths[key]

    def lookup(self, module: ModuleInfo, dotted: str, *, depth: int = 0) -> Definition | None:
        """Return what a dotted name of a module stands for; None when it leaves the project."""
        key = (module, dotted)  # by identity: a path would be hashed each time
        if key in self._lookups:
            return self._lookups[key]
        self._lookups[key] = None  # a cycle of imports ends here
        found = self._lookup(module, dotted, depth)
        self._lookups[key] = found
        return found

    def _lookup(self, module: ModuleInfo, dotted: str, depth: int) -> Definition | None:
        head, _, rest = dotted.partition(".")
        found = self._local(module, head, depth) if module.may_define(head) else None
        for part in rest.split(".") if rest else ():
            match found:
                case ModuleInfo():
                    inner = self.lookup(found, part, depth=depth + 1)
                    found = inner if inner is not None else self.find_module(found, f"{found.name}.{part}")
                case ClassInfo():
                    found = found.methods.get(part)
                case _:
                    return None
        return found

    def _local(self, module: ModuleInfo, name: str, depth: int) -> Definition | None:
        if name in module.classes:
            return module.classes[name]
        if name in module.functions:
            return module.functions[name]
        if name in module.imports:
            return self._imported(module, module.imports[name], depth)
        if name in module.assigned:
            return module, module.assigned[name]
        if depth < 6:
            for star in module.stars:
                home = self.find_module(module, star)
                if home is None or home is module or not home.may_export(name):
                    continue
                found = self.lookup(home, name, depth=depth + 1)
                if found is not None:
                    return found
        return None

    def _imported(self, module: ModuleInfo, dotted: str, depth: int) -> Definition | None:
        if depth > 8 or (_is_framework(module) and knowledge.load().lookup(dotted) is not None):
            return None
        whole = self.find_module(module, dotted)
        if whole is not None:
            return whole
        home_name, _, name = dotted.rpartition(".")
        if not home_name:
            return None
        home = self.find_module(module, home_name)
        if home is None:
            return None
        return self.lookup(home, name, depth=depth + 1)


_IMPORTED = re.compile(r"^[ \t]*(?:from|import)[ \t]+(\.|\w+)", re.MULTILINE)


def _is_run_beside(path: Path, text: str, root: Path, package: str) -> bool:
    """Return whether a file of a package finds the files beside it by their plain names: the folder is run from inside.

    What is imported relatively, or by the package's name, is run from outside.
    """
    if "\nfrom ." in text or f"\nfrom {package}." in text:  # of most files that is told at a glance
        return False
    names = set(_IMPORTED.findall(text))
    if "." in names or package in names:
        return False
    return any(
        (path.parent / f"{name}.py").is_file() and not presence(root / name)
        for name in names - sys.stdlib_module_names - {path.stem, _FRAMEWORK}
    )


def _is_framework(module: ModuleInfo) -> bool:
    """Return whether a module is a file of the framework itself."""
    return module.name.partition(".")[0] == _FRAMEWORK


def _is_followed(asker: ModuleInfo, dotted: str) -> bool:
    """Return whether names of a module lead into another one; see NOTE [What is followed]."""
    head, own = dotted.partition(".")[0], asker.name.partition(".")[0]
    if head == own:
        return dotted not in _TABLED
    return head != _FRAMEWORK and asker.root.name not in _INSTALLED


def _probe(root: Path, dotted: str) -> Path | None:
    """Return the file of a module; most names are none, and a path that isn't kept needs no `Path`."""
    head, *rest = dotted.split(".")
    base = os.path.join(root, head)
    if not head or not (os.path.isfile(f"{base}.py") or os.path.isdir(base)):
        return None
    base = os.path.join(base, *filter(None, rest))
    candidates = (os.path.join(base, "__init__.py"), f"{base}.py")
    return next((Path(candidate) for candidate in candidates if os.path.isfile(candidate)), None)


def parse(text: str, path: str) -> ast.Module:
    """Parse source text.

    Raises:
        SourceError: It isn't Python; the message names file and line.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text, filename=path)
        except SyntaxError as error:
            raise SourceError(f"{path}:{error.lineno or 1}: syntax error: {error.msg}") from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise SourceError(f"{path}:1: can't be parsed: {error}") from None
