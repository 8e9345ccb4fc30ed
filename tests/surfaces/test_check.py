"""`gradsan check` from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BROKEN = "import torch\n\ndef f(x):\n    y = torch.exp(x)\n    y += 1\n    return y\n"
CLEAN = "import torch\n\ndef f(x):\n    y = x * 2\n    y += 1\n    return y\n"
RISKY = "import torch\n\ndef f(data):\n    y = torch.exp(data)\n    y += 1\n    return y\n"


@pytest.fixture
def check(tmp_path: Path):
    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        return subprocess.run(
            [sys.executable, "-m", "gradsan", "check", *arguments],
            cwd=tmp_path,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def document(text: str) -> dict:
    return json.loads(text)


def test_finds_without_running(tmp_path: Path, check) -> None:
    (tmp_path / "a.py").write_text(BROKEN + "raise SystemExit('ran')\n")
    done = check(".")
    assert done.returncode == 1
    assert "error[GS101]: `y` may be modified in place after `exp` saved it for backward" in done.stdout
    assert "a.py:5:5" in done.stdout


def test_json_follows_the_contract(tmp_path: Path, check) -> None:
    (tmp_path / "a.py").write_text(BROKEN)
    (finding,) = document(check("a.py", "--output-format", "json").stdout)["findings"]
    assert (finding["code"], finding["severity"], finding["certainty"]) == ("GS101", "error", "inferred")
    assert [(span["role"], span["path"], span["line"]) for span in finding["spans"]] == [
        ("save", "a.py", 4),
        ("write", "a.py", 5),
    ]


def test_one_mistake_is_told_once_however_many_call(tmp_path: Path, check) -> None:
    (tmp_path / "layer.py").write_text(
        "import torch\n\ndef f(x, shift=None):\n    y = torch.exp(x)\n    if shift is not None:\n        y += shift\n    return y\n"
    )
    step = "import torch\nfrom layer import f\n\nx = torch.ones(3, requires_grad=True)\nf(x, 1).sum().backward()\n"
    (tmp_path / "one.py").write_text(step)
    (tmp_path / "two.py").write_text("\n" + step)
    (finding,) = document(check(".", "--output-format", "json").stdout)["findings"]
    assert [(span["role"], span["path"]) for span in finding["spans"]] == [
        ("save", "layer.py"),
        ("write", "layer.py"),
        ("raise", "one.py"),
    ]


def test_nothing_found(tmp_path: Path, check) -> None:
    (tmp_path / "a.py").write_text(CLEAN)
    assert check(".").returncode == 0


def test_what_looks_risky_is_shown_when_asked_for(tmp_path: Path, check) -> None:
    (tmp_path / "a.py").write_text(RISKY)
    assert check(".").returncode == 0
    for names in ("GS101", "saved-tensor-overwritten", "all"):
        done = check(".", "--select", names)
        assert done.returncode == 1
        assert "warning[GS101]" in done.stdout


def test_ignore(tmp_path: Path, check) -> None:
    (tmp_path / "a.py").write_text(BROKEN)
    assert check(".", "--ignore", "saved-tensor-overwritten").returncode == 0
    (tmp_path / "pyproject.toml").write_text('[tool.gradsan]\nignore = ["GS101"]\n')
    assert check(".").returncode == 0


def test_suppressed(tmp_path: Path, check) -> None:
    (tmp_path / "a.py").write_text(BROKEN.replace("+= 1", "+= 1  # gradsan: allow[saved-tensor-overwritten] meant"))
    done = check(".", "--statistics")
    assert done.returncode == 0
    assert "1  suppressed in the source" in done.stderr


def test_unused_suppression_is_a_finding(tmp_path: Path, check) -> None:
    (tmp_path / "a.py").write_text(CLEAN.replace("+= 1", "+= 1  # gradsan: allow[leaf-written] meant"))
    done = check(".")
    assert done.returncode == 1
    assert "GS901" in done.stdout


def test_a_file_that_does_not_parse_is_said_and_the_rest_goes_on(tmp_path: Path, check) -> None:
    (tmp_path / "a.py").write_text("def f(:\n")
    (tmp_path / "b.py").write_text(BROKEN)
    done = check(".")
    assert done.returncode == 2
    assert "a.py:1: syntax error" in done.stderr
    assert "b.py:5:5" in done.stdout


def test_standard_input(check) -> None:
    done = check("-", stdin=BROKEN)
    assert done.returncode == 1
    assert "<stdin>:5:5" in done.stdout


def test_notebook(tmp_path: Path, check) -> None:
    cells = [{"cell_type": "code", "source": BROKEN}]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells}))
    assert check("a.ipynb").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["missing.py"], "", "no such file or folder: `missing.py`"),
        ([".", "--select", "GS999"], "", "no rule `GS999`"),
        (["."], "[tool.gradsan]\ncolour = 1\n", "no setting `colour`"),
        (["."], "[tool.gradsan\n", "can't be read"),
        (["."], "[tool.gradsan]\nselect = 1\n", "`select` is a list of texts"),
    ],
)
def test_bad_input_gets_one_line(tmp_path: Path, check, arguments: list[str], settings: str, said: str) -> None:
    (tmp_path / "a.py").write_text(CLEAN)
    if settings:
        (tmp_path / "pyproject.toml").write_text(settings)
    done = check(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_needs_no_framework(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(BROKEN)
    program = (
        "import sys; sys.modules['torch'] = None; sys.modules['libcst'] = None\n"
        "from gradsan.surfaces.cli import main\n"
        "raise SystemExit(main(['check', '--no-cache', 'a.py']))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr


def test_several_processes_find_the_same(tmp_path: Path, check) -> None:
    for number in range(6):
        (tmp_path / f"m{number}.py").write_text(BROKEN if number % 2 else CLEAN)
    one = document(check(".", "--no-cache", "--jobs", "1", "--output-format", "json").stdout)
    two = document(check(".", "--no-cache", "--jobs", "2", "--output-format", "json").stdout)
    assert one["findings"] == two["findings"]
    assert len(one["findings"]) == 3


def test_a_second_run_sees_what_changed(tmp_path: Path, check) -> None:
    (tmp_path / "layers.py").write_text("import torch\n\ndef squash(x):\n    return torch.exp(x)\n")
    (tmp_path / "a.py").write_text(
        "import torch\nfrom layers import squash\n\ndef f(x):\n    y = squash(x)\n    y += 1\n    return y\n"
    )
    assert check("a.py").returncode == 1
    assert check("a.py").returncode == 1
    (tmp_path / "layers.py").write_text("import torch\n\ndef squash(x):\n    return x * 2\n")
    assert check("a.py").returncode == 0
