"""What a notebook shows: cells by IPython's name for them, objects by its printer."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from gradsan.model.span import Span
from gradsan.report.text import place

from .told import FINDINGS, report

CELL = "/tmp/ipykernel_7/2933019965.py"


def _cells(name: str) -> tuple[str, str] | None:
    return ("Cell", "In[2]") if name == CELL else None


@pytest.fixture
def ipython(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("IPython")
    module.get_ipython = lambda: SimpleNamespace(compile=SimpleNamespace(format_code_name=_cells))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", module)
    return module


@pytest.mark.usefixtures("ipython")
def test_a_cell_has_the_name_that_tracebacks_give_it() -> None:
    assert place(Span(CELL, 3, 5, 3, 9), report()) == "Cell In[2]:3:5"
    assert place(Span("/elsewhere/net.py", 3, 5, 3, 9), report()) == "/elsewhere/net.py:3:5"


@pytest.mark.parametrize("shell", [None, SimpleNamespace(), SimpleNamespace(compile=SimpleNamespace())])
def test_where_ipython_names_no_cells_the_path_stays(ipython: ModuleType, shell: object) -> None:
    ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]
    assert place(Span(CELL, 3, 5, 3, 9), report()) == f"{CELL}:3:5"


def test_a_finding_is_shown_as_one_line() -> None:
    finding = next(iter(FINDINGS.values()))
    assert finding.primary is not None
    shown: list[str] = []
    finding._repr_pretty_(SimpleNamespace(text=shown.append), False)
    assert shown == [str(finding)]
    assert str(finding).startswith(f"{finding.primary.path}:{finding.primary.line}:")
    assert str(finding).endswith(f"error[{finding.code}]: {finding.message}")
