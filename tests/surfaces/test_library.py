"""The library's doors: `enable`, `disable`, `watch`, `inspect_graph`; in this process, and in bare ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import gradsan
from gradsan.model.errors import UsageError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def stale() -> object:
    y = torch.ones(3, requires_grad=True).exp()
    y.add_(1)
    return y.sum()


def test_the_note_rides_on_the_exception() -> None:
    gradsan.enable()
    try:
        with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
            stale().backward()  # type: ignore[attr-defined]
    finally:
        gradsan.disable()
    [note] = caught.value.__notes__
    assert "error[GS101]: `y` was modified in place after `exp` saved it for backward" in note
    assert str(caught.value).startswith("one of the variables needed for gradient computation")


def test_after_disable_nothing_is_explained() -> None:
    gradsan.enable()
    gradsan.disable()
    with pytest.raises(RuntimeError) as caught:
        stale().backward()  # type: ignore[attr-defined]
    assert not hasattr(caught.value, "__notes__")


def test_an_error_that_is_caught_is_a_finding() -> None:
    with gradsan.watch() as session:
        for _ in range(3):
            with pytest.raises(RuntimeError):
                stale().backward()  # type: ignore[attr-defined]
        assert [finding.code for finding in session.findings] == ["GS101"]
    assert session.findings[0].count == 3
    assert session.report.command == "watch"
    assert "GS101" in str(session)


def test_an_error_that_leaves_the_block_passes_through() -> None:
    with pytest.raises(RuntimeError) as caught, gradsan.watch() as session:
        stale().backward()  # type: ignore[attr-defined]
    assert [finding.code for finding in session.findings] == ["GS101"]
    assert len(caught.value.__notes__) == 1


def test_another_error_passes_untouched() -> None:
    error = ValueError("its own")
    with pytest.raises(ValueError, match="its own") as caught, gradsan.watch() as session:
        raise error
    assert caught.value is error
    assert not hasattr(error, "__notes__")
    assert session.findings == ()


def test_nothing_to_say_is_said_shortly() -> None:
    with gradsan.watch() as session:
        torch.ones(3, requires_grad=True).exp().sum().backward()
    assert session.findings == ()
    assert session.not_covered == ()


def test_a_graph_is_inspected_before_backward() -> None:
    with gradsan.watch():
        x = torch.ones(3, requires_grad=True)
        a, b = x.exp(), x.sigmoid()
        c = x.tanh()
        a.add_(1)
        b.mul_(2)
        loss = (a + b + c).sum()
        findings = gradsan.inspect_graph(loss)
        assert gradsan.inspect_graph(c) == ()
    lines = sorted(label.span.line for finding in findings for label in finding.labels if label.role.value == "write")
    first = test_a_graph_is_inspected_before_backward.__code__.co_firstlineno
    assert lines == [first + 5, first + 6]


def test_a_graph_is_inspected_without_a_watch() -> None:
    [finding] = gradsan.inspect_graph(stale())
    assert finding.code == "GS101"
    assert gradsan.inspect_graph(torch.ones(3)) == ()
    assert gradsan.inspect_graph() == ()


def test_an_inspected_graph_can_still_be_used() -> None:
    x = torch.ones(3, requires_grad=True)
    loss = x.exp().sum()
    assert gradsan.inspect_graph(loss) == ()
    loss.backward()
    assert x.grad is not None


DESTRUCTOR = """
import torch

import gradsan

class Log:
    def __del__(self, write=print):
        write("closed", self.lines())

    def lines(self):
        return [n for n in range(3)]

gradsan.enable()
torch.log = Log()  # dies with its module, after gradsan's own
"""


def python(folder: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        input=given,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


BROKEN = """\
import gradsan, torch
gradsan.enable()
y = torch.ones(3, requires_grad=True).exp()
y.add_(1)
y.sum().backward()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 11), reason="tracebacks show notes from Python 3.11 on")
@pytest.mark.parametrize("way", ["-c", "-", "file"])
def test_the_traceback_shows_it(way: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(BROKEN)
    arguments = {"-c": ("-c", BROKEN), "-": ("-",), "file": ("program.py",)}[way]
    done = python(tmp_path, *arguments, given=BROKEN)
    assert done.returncode == 1
    assert "modified by an inplace operation" in done.stderr
    assert re.search(
        r"error\[GS101\]: .* was modified in place after (`exp` saved|it was saved)", re.sub(r"\s+", " ", done.stderr)
    )
    name = "program.py" if way == "file" else "<string>" if way == "-c" else "<stdin>"
    assert f"{name}:4" in done.stderr


def test_without_torch_there_is_one_clear_error(tmp_path: Path) -> None:
    program = """
        import importlib.util as util
        find = util.find_spec
        util.find_spec = lambda name, *rest: None if name == "torch" else find(name, *rest)
        import gradsan
        from gradsan.model.errors import FrameworkMissing
        for door in (gradsan.enable, lambda: gradsan.watch().__enter__(), lambda: gradsan.inspect_graph(1)):
            try:
                door()
            except FrameworkMissing as error:
                print(error)
        gradsan.disable()
    """
    done = python(tmp_path, "-c", textwrap.dedent(program))
    lines = done.stdout.splitlines()
    assert (done.returncode, len(lines), done.stderr) == (0, 3, "")
    assert all("torch is not installed" in line and "pip install" in line for line in lines)


def test_an_older_torch_is_refused_where_it_tells_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "2.8.1")
    leaf = torch.ones(2, requires_grad=True)
    for door in (gradsan.audit().__enter__, gradsan.protect().__enter__, lambda: gradsan.verify(torch.exp, leaf)):
        with pytest.raises(UsageError, match=r"needs PyTorch 2\.9 or newer, and this is 2\.8\.1"):
            door()
    with gradsan.watch() as session, pytest.raises(RuntimeError):
        stale().backward()  # type: ignore[attr-defined]
    assert [finding.code for finding in session.findings] == ["GS101"]


def test_a_destructor_that_runs_while_modules_are_taken_down(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(DESTRUCTOR)
    ended = python(tmp_path, "train.py")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "closed [0, 1, 2]\n", "")
