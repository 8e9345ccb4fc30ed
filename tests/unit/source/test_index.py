from __future__ import annotations

from pathlib import Path

import pytest

from gradsan.model.errors import SourceError
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


def test_a_module_is_parsed_when_its_names_are_asked_for(tmp_path: Path) -> None:
    project, modules = project_of(tmp_path, a="from b import f\n", b="def f(): pass\n")
    assert project.lookup(modules["a"], "missing") is None
    assert not modules["b"].is_parsed
    assert isinstance(project.lookup(modules["a"], "f"), FunctionInfo)
    assert modules["b"].is_parsed


def test_a_star_may_define_any_name(tmp_path: Path) -> None:
    project, modules = project_of(tmp_path, a="from b import f\n", b="from c import*\n", c="def f(): pass\n")
    assert isinstance(project.lookup(modules["a"], "f"), FunctionInfo)


def test_a_file_that_is_no_python_defines_nothing(tmp_path: Path) -> None:
    project, modules = project_of(tmp_path, a="from b import f\n", b="def f(:\n")
    assert project.lookup(modules["a"], "f") is None
    with pytest.raises(SourceError, match=r"b\.py:1: syntax error"):
        project.load_parsed(tmp_path / "b.py")


def test_the_framework_is_not_followed_into_its_source(tmp_path: Path) -> None:
    project, modules = project_of(
        tmp_path,
        pkg__a="import torch\nimport torch.nn.functional as F\nimport other.b\n",
        torch__nn__functional="from torch._refs import g\ndef relu(x): return torch.relu(x)\n",
        torch___refs="def g(): pass\n",
        other__b="def f(): pass\n",
    )
    module = modules["pkg__a"]
    assert project.lookup(module, "torch.nn.functional.relu") is None
    assert project.lookup(module, "F.relu") is None
    assert isinstance(project.lookup(module, "other.b.f"), FunctionInfo)
    own = modules["torch__nn__functional"]
    assert isinstance(project.lookup(own, "g"), FunctionInfo)
    assert project.lookup(own, "torch.nn.functional.relu") is None


def test_installed_packages_are_projects_of_their_own(tmp_path: Path) -> None:
    home = tmp_path / "site-packages"
    home.mkdir()
    project, modules = project_of(
        home, pkg__a="import pkg.c\nimport other.b\n", pkg__c="def f(): pass\n", other__b="def f(): pass\n"
    )
    assert isinstance(project.lookup(modules["pkg__a"], "pkg.c.f"), FunctionInfo)
    assert project.lookup(modules["pkg__a"], "other.b.f") is None
