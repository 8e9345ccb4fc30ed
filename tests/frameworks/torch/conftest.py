"""Fixtures of the torch adapter's tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], ModuleType]:
    """Return a function that imports a text as a module of an installed package."""

    def make(name: str, text: str) -> ModuleType:
        home = tmp_path / "site-packages"
        home.mkdir()
        (home / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(home)
        monkeypatch.setitem(sys.modules, name, ModuleType(name))  # so that it is taken away again
        del sys.modules[name]
        return import_module(name)

    return make
