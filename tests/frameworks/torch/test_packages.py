"""Writes that an installed package makes: the call of the program's own that led to them is told too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import gradsan  # noqa: E402
from gradsan.model.diagnostic import Role  # noqa: E402

PACKAGE = """
def double(values):
    multiply(values)


def multiply(values):
    values.mul_(2)


def copy_to(parameter, value):
    parameter.data.copy_(value)
"""


@pytest.fixture
def package(install: Callable[[str, str], ModuleType]) -> ModuleType:
    return install("package_of_test", PACKAGE)


def told(session: Any) -> list[tuple[str, str, str]]:
    """Return role, file and function of each label."""
    spans = [(label.role, label.span) for label in session.findings[0].labels]
    return [(role.name, Path(span.path).name, span.function.rpartition(".")[2]) for role, span in spans]


def lead_to_write(package: ModuleType, values: torch.Tensor) -> None:
    package.double(values)


def test_a_counted_write(package: ModuleType) -> None:
    with gradsan.watch() as session:
        values = torch.ones(3, requires_grad=True).exp()
        lead_to_write(package, values)
        lead_to_write(package, values)
        with pytest.raises(RuntimeError):
            values.sum().backward()
    write = [("RELATED", "test_packages.py", "lead_to_write"), ("WRITE", "package_of_test.py", "multiply")]
    assert told(session)[1:3] == write
    assert len(session.findings[0].labels_of(Role.WRITE)) == 1


def test_two_calls_of_the_program(package: ModuleType) -> None:
    with gradsan.watch() as session:
        values = torch.ones(3, requires_grad=True).exp()
        lead_to_write(package, values)
        package.multiply(values)
        with pytest.raises(RuntimeError):
            values.sum().backward()
    functions = [function for role, _, function in told(session) if role == "RELATED"]
    assert functions == ["lead_to_write", "test_two_calls_of_the_program"]


def test_a_write_unseen_by_the_counter(package: ModuleType) -> None:
    with gradsan.watch() as session:
        weight = torch.nn.Parameter(torch.ones(3))
        loss = (weight * torch.ones(3, requires_grad=True)).sum()
        package.copy_to(weight, torch.zeros(3))
        loss.backward()
    called = ("RELATED", "test_packages.py", "test_a_write_unseen_by_the_counter")
    assert told(session)[1:3] == [called, ("WRITE", "package_of_test.py", "copy_to")]


def test_what_is_proposed_is_for_the_program_to_do(package: ModuleType) -> None:
    with gradsan.watch() as session:
        values = torch.ones(3, requires_grad=True).exp()
        package.double(values)
        with pytest.raises(RuntimeError):
            values.sum().backward()
    finding = session.report.findings[0]
    assert finding.helps[0].text == "let the package write to a copy, made before the call"
    assert finding.fixes[0].title == "clone `values` before the call that writes to it"
    assert {Path(edit.path).name for fix in finding.fixes for edit in fix.edits} == {"test_packages.py"}


def test_a_write_of_the_program_itself() -> None:
    with gradsan.watch() as session:
        values = torch.ones(3, requires_grad=True).exp()
        values.mul_(2)
        with pytest.raises(RuntimeError):
            values.sum().backward()
    assert not session.findings[0].labels_of(Role.RELATED)
