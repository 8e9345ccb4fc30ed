from __future__ import annotations

from pathlib import Path

from gradsan.source.index import ClassInfo, FunctionInfo, ModuleInfo
from gradsan.source.project import Project


def project_of(folder: Path, **files: str) -> tuple[Project, dict[str, ModuleInfo]]:
    project = Project()
    modules = {}
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        for parent in path.relative_to(folder).parents:
            if str(parent) != ".":
                (folder / parent / "__init__.py").touch()
        path.write_text(text)
    for name in files:
        modules[name] = project.load(folder / (name.replace("__", "/") + ".py"))
    return project, modules


def test_names_of_a_module(tmp_path: Path) -> None:
    _, modules = project_of(
        tmp_path, a="import torch as t\nX = 1\ndef f(): pass\nclass C:\n    y = 2\n    def m(self): pass\n"
    )
    module = modules["a"]
    assert module.imports == {"t": "torch"}
    assert set(module.functions) == {"f"}
    assert module.classes["C"].methods["m"].qualified_name == "C.m"
    assert set(module.assigned) == {"X"}
    assert module.absolute("t.nn.Linear") == "torch.nn.Linear"


def test_imports_lead_to_other_files(tmp_path: Path) -> None:
    project, modules = project_of(
        tmp_path,
        pkg__a="from .b import f\nfrom pkg import b\nfrom .sub.c import *\n",
        pkg__b="def f(): pass\n",
        pkg__sub__c="class D: pass\n",
    )
    module = modules["pkg__a"]
    assert isinstance(project.lookup(module, "f"), FunctionInfo)
    assert isinstance(project.lookup(module, "b.f"), FunctionInfo)
    assert isinstance(project.lookup(module, "D"), ClassInfo)
    assert project.lookup(module, "missing") is None


def test_a_cycle_of_imports_ends(tmp_path: Path) -> None:
    project, modules = project_of(tmp_path, a="from b import x\n", b="from a import x\n")
    assert project.lookup(modules["a"], "x") is None


def test_what_a_file_was_read_with(tmp_path: Path) -> None:
    project, modules = project_of(tmp_path, a="from b import f\n", b="def f(): pass\n")
    project.lookup(modules["a"], "f")
    assert set(project.reads(tmp_path / "a.py")) >= {str(tmp_path / "a.py"), str(tmp_path / "b.py")}
