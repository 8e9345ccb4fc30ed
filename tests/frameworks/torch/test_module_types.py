"""What the data flow knows of the types of modules, beside the framework's own classes."""

from __future__ import annotations

import inspect

import pytest

torch = pytest.importorskip("torch")

from gradsan.source.flow.reflection import DERIVED  # noqa: E402

pytestmark = pytest.mark.torch


def test_the_modules_that_derive_from_another_one_are_known() -> None:
    public = {name: kind for name, kind in vars(torch.nn).items() if inspect.isclass(kind)}
    modules = {name: kind for name, kind in public.items() if issubclass(kind, torch.nn.Module) and name != "Module"}
    derived = {
        name: base
        for name, kind in modules.items()
        for base in modules
        if base != name and issubclass(kind, modules[base]) and not name.startswith("Lazy")
    }
    assert derived == DERIVED
