"""The rooms of the package, and the only imports that may cross their borders."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "gradsan"

# What each room may import beside the standard library and itself.  `gradsan.X` names a room, other names are
# distributions.  A room that isn't listed may not exist.
ALLOWED: dict[str, set[str]] = {
    "model": set(),
    "knowledge": {"gradsan.model"},
    "rules": {"gradsan.model", "gradsan.knowledge"},
    # pathspec: which files a project ignores.
    "source": {"gradsan.model", "gradsan.knowledge", "libcst", "pathspec"},
    "record": {"gradsan.model", "gradsan.knowledge"},
    # The adapters' common door: names the contract that the tasks call.
    "frameworks": {"gradsan.model", "gradsan.knowledge", "gradsan.record"},
    "frameworks/torch": {"gradsan.model", "gradsan.knowledge", "gradsan.record", "torch", "torchgen"},
    "tasks": {
        "gradsan.model",
        "gradsan.knowledge",
        "gradsan.rules",
        "gradsan.source",
        "gradsan.record",
        "gradsan.frameworks",
    },
    "report": {"gradsan.model", "rich"},
    # The library's door, `gradsan.watch()`, is a single file.
    "surfaces": {"gradsan.tasks", "gradsan.report", "gradsan.model"},
    "surfaces/cli": {"gradsan.tasks", "gradsan.report", "gradsan.model"},
}

# The package's own two files: lazy names and the version, and the door of `python -m gradsan`.
TOP_LEVEL: dict[str, set[str]] = {
    "__init__.py": {"gradsan.surfaces.library"},
    "__main__.py": {"gradsan.surfaces.cli"},
}

# Older Pythons lack a module that later ones have in the standard library.
BACKPORTS = {"tomli", "tomllib"}


@dataclass(frozen=True, slots=True)
class Import:
    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(SOURCE)}:{self.line} imports {self.module}"


def room_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).parts
    if len(parts) == 1:
        return ""
    if parts[0] in ("frameworks", "surfaces") and len(parts) > 2:
        return f"{parts[0]}/{parts[1]}"
    return parts[0]


def imports_of(file: Path) -> list[Import]:
    """Every import of a file, in functions and under `TYPE_CHECKING` too; names of `gradsan` modules in full."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            found += [Import(file, node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node, file)
            if module == "gradsan" or module == "gradsan.surfaces" or module == "gradsan.frameworks":
                found += [Import(file, node.lineno, f"{module}.{alias.name}") for alias in node.names]
            else:
                found.append(Import(file, node.lineno, module))
    return found


def absolute(node: ast.ImportFrom, file: Path) -> str:
    if node.level == 0:
        return node.module or ""
    package = ["gradsan", *file.relative_to(SOURCE).parent.parts]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def is_allowed(imported: Import) -> bool:
    room, module = room_of(imported.file), imported.module
    distribution = module.split(".")[0]
    if distribution != "gradsan":
        allowed = ALLOWED.get(room, set())
        return distribution in sys.stdlib_module_names or distribution in BACKPORTS or distribution in allowed
    if module in ("gradsan.__version__", "gradsan"):
        return True
    if room == "":
        return any(is_below(module, home) for home in TOP_LEVEL[imported.file.name])
    own = "gradsan." + room.replace("/", ".")
    if room == "tasks" and is_below(module, "gradsan.frameworks"):
        # Adapters only through the door: `frameworks.load`, and the contract's own types.
        return module.removeprefix("gradsan.frameworks").lstrip(".").split(".")[0] in ("", "load", "Adapter", "base")
    if room.startswith("frameworks/") and is_below(module, "gradsan.frameworks.base"):
        return True
    if is_below(module, own):
        return True
    return any(is_below(module, home) for home in ALLOWED[room] if home.startswith("gradsan."))


def is_below(module: str, home: str) -> bool:
    return module == home or module.startswith(home + ".")


FILES = sorted(SOURCE.rglob("*.py"))


def test_every_room_is_known() -> None:
    unknown = {room_of(file) for file in FILES} - set(ALLOWED) - {""}
    assert not unknown, f"rooms without a row in the table: {sorted(unknown)}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_stay_in_their_room(file: Path) -> None:
    crossing = [str(found) for found in imports_of(file) if not is_allowed(found)]
    assert not crossing, "\n".join(crossing)


def test_rules_do_not_import_each_other() -> None:
    crossing = [
        str(found)
        for file in FILES
        if room_of(file) == "rules" and file.name != "__init__.py"
        for found in imports_of(file)
        if is_below(found.module, "gradsan.rules") and found.module != "gradsan.rules.base"
    ]
    assert not crossing, "\n".join(crossing)


def test_only_the_text_format_draws_with_rich() -> None:
    drawing = {"text", "svg"}
    crossing = [
        str(found)
        for file in FILES
        if room_of(file) == "report" and not any(word in file.stem for word in drawing)
        for found in imports_of(file)
        if is_below(found.module, "rich")
    ]
    assert not crossing, "\n".join(crossing)


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("model/span.py", "rich"),
        ("model/span.py", "gradsan.rules"),
        ("rules/base.py", "torch"),
        ("record/session.py", "gradsan.frameworks.base"),
        ("record/session.py", "torch"),
        ("tasks/run.py", "gradsan.frameworks.torch"),
        ("tasks/run.py", "gradsan.report"),
        ("report/text.py", "gradsan.tasks"),
        ("surfaces/cli/__init__.py", "gradsan.frameworks"),
        ("surfaces/cli/__init__.py", "gradsan.surfaces.pytest_plugin"),
        ("__init__.py", "torch"),
    ],
)
def test_the_walk_sees_a_crossing(file: str, module: str) -> None:
    assert not is_allowed(Import(SOURCE / file, 1, module))
