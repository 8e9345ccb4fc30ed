from __future__ import annotations

from pathlib import Path

import pytest

from gradsan.tasks import check_files as task
from gradsan.tasks.check import CheckOptions, check

BROKEN = "import torch\nfrom layers import squash\n\ndef f(x):\n    y = squash(x)\n    y += 1\n    return y\n"

RISKY = "import torch\n\ndef predict(x):\n    y = torch.exp(x)\n    y += 1\n    return y\n"


@pytest.fixture
def looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    whole = task.analyse

    def spy(analyst, module):
        names.append(module.path.name)
        return whole(analyst, module)

    monkeypatch.setattr(task, "analyse", spy)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layers.py").write_text("import torch\nimport missing\n\ndef squash(x):\n    return torch.exp(x)\n")
    (tmp_path / "a.py").write_text(BROKEN)
    (tmp_path / "b.py").write_text("import torch\n")
    return names


def run(folder: Path) -> list[tuple[str, int]]:
    findings = check([folder], CheckOptions(n_jobs=1)).report.findings
    return [(finding.code, finding.primary.line) for finding in findings if finding.primary is not None]


def test_nothing_is_looked_at_twice(tmp_path: Path, looked_at: list[str]) -> None:
    first = run(tmp_path)
    assert sorted(looked_at) == ["a.py", "b.py", "layers.py"]
    looked_at.clear()
    assert run(tmp_path) == first == [("GS101", 6)]
    assert looked_at == []


def test_a_file_is_looked_at_again_when_what_it_imports_differs(tmp_path: Path, looked_at: list[str]) -> None:
    run(tmp_path)
    looked_at.clear()
    (tmp_path / "layers.py").write_text("import torch\n\ndef squash(x):\n    return x * 2\n")
    assert run(tmp_path) == []
    assert sorted(looked_at) == ["a.py", "layers.py"]


def test_a_module_that_appears_counts(tmp_path: Path, looked_at: list[str]) -> None:
    (tmp_path / "layers.py").unlink()
    assert run(tmp_path) == []
    looked_at.clear()
    (tmp_path / "layers.py").write_text("import torch\n\ndef squash(x):\n    return torch.exp(x)\n")
    assert run(tmp_path) == [("GS101", 6)]
    assert "a.py" in looked_at


def test_a_broken_entry_counts_as_none(tmp_path: Path, looked_at: list[str]) -> None:
    run(tmp_path)
    for entry in (tmp_path / "cache").rglob("*"):
        if entry.is_file():
            entry.write_bytes(b"nonsense")
    assert run(tmp_path) == [("GS101", 6)]


def test_what_is_no_error_is_kept_as_well(tmp_path: Path, looked_at: list[str]) -> None:
    (tmp_path / "a.py").write_text(RISKY)
    every = CheckOptions(n_jobs=1, select=("all",))
    first = check([tmp_path], every).report.findings
    assert [finding.severity.value for finding in first] == ["warning"]
    looked_at.clear()
    assert check([tmp_path], every).report.findings == first
    assert run(tmp_path) == []
    assert check([tmp_path], CheckOptions(n_jobs=1, counts_all=True)).counts
    assert looked_at == []


def test_what_is_allowed_is_of_use_the_second_time(tmp_path: Path, looked_at: list[str]) -> None:
    (tmp_path / "a.py").write_text(RISKY.replace("y += 1", "y += 1  # gradsan: allow[GS101] fine"))
    first = check([tmp_path], CheckOptions(n_jobs=1)).report
    looked_at.clear()
    second = check([tmp_path], CheckOptions(n_jobs=1)).report
    assert not first.findings
    assert len(first.suppressed) == 1
    assert (second.findings, second.suppressed) == (first.findings, first.suppressed)
    assert looked_at == []
