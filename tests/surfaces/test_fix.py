"""`gradsan fix` as people run it, on programs of our own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(find_spec("torch") is None, reason="there is nothing to run without torch"),
]


class Folder:
    """A project in a folder of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def fix(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gradsan", "fix", *arguments],
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def repair(self, *arguments: str) -> dict[str, Any]:
        done = self.fix("--output-format", "json", *arguments)
        assert done.returncode in (0, 1), done.stderr
        return {**json.loads(done.stdout)["repair"], "status": done.returncode}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


RESIDUAL = """
    import torch

    w = torch.randn(4, requires_grad=True)
    h = torch.sigmoid(w)
    h += 1  # residual
    loss = h.sum()
    loss.backward()
"""


def test_the_diff_is_shown_and_nothing_is_written(folder: Folder) -> None:
    before = folder.write("train.py", RESIDUAL).read_text()
    done = folder.fix("train.py")
    assert done.returncode == 0
    assert "-h += 1  # residual\n+h = h + 1  # residual\n" in done.stdout
    assert "repaired and proven; nothing was written" in done.stdout
    assert (folder.path / "train.py").read_text() == before


ROUNDED = """\
import torch

w = torch.randn(4, requires_grad=True)
h = w * 2
h.data = h.data.round()
h.sum().backward()
"""


def test_what_may_be_meant_is_told_and_left_alone(folder: Folder) -> None:
    folder.write("train.py", ROUNDED)
    done = folder.fix("train.py")
    assert done.returncode == 0
    assert "nothing to repair" in done.stdout
    assert "warning[GS303]" in done.stdout
    assert "train.py:5:1" in done.stdout


def test_written_once_and_never_again(folder: Folder) -> None:
    file = folder.write("train.py", RESIDUAL)
    first = folder.repair("--write", "train.py")
    assert (first["status"], first["outcome"], first["written"]) == (0, "repaired", True)
    text = file.read_text()
    assert "h = h + 1  # residual" in text
    second = folder.repair("--write", "train.py")
    assert (second["status"], second["outcome"], second["written"]) == (0, "nothing-to-repair", False)
    assert file.read_text() == text


def test_an_alias_that_reads_the_write_keeps_seeing_it(folder: Folder) -> None:
    folder.write(
        "train.py",
        """
        import torch

        w = torch.randn(4, requires_grad=True)
        h = torch.sigmoid(w)
        kept = h
        h += 1
        loss = (kept * 2).sum()
        loss.backward()
        """,
    )
    told = folder.repair("train.py")
    assert told["outcome"] == "repaired"
    assert "+h = torch.sigmoid(w).clone()" in told["diff"]


def test_a_function_that_writes_into_its_argument_in_another_file(folder: Folder) -> None:
    folder.write("parts/__init__.py", "")
    folder.write(
        "parts/shift.py",
        """
        def shift(x, by):
            x -= by
            return x
        """,
    )
    folder.write(
        "train.py",
        """
        import sys

        import torch

        from parts.shift import shift

        torch.manual_seed(int(sys.argv[1]))
        w = torch.randn(3, requires_grad=True)


        def loss():
            p = torch.softmax(w, 0)
            return (shift(p, 0.5) ** 2).sum()


        loss().backward()
        sys.exit(3)
        """,
    )
    told = folder.repair("--write", "train.py", "7")
    assert told["outcome"] == "repaired"
    assert "x = x - by" in (folder.path / "parts/shift.py").read_text()


def test_a_source_that_the_program_executes_itself(folder: Folder) -> None:
    folder.write(
        "model.py.cfg",
        """
        def gate(x):
            y = torch.sigmoid(x)
            return y.mul_(x)
        """,
    )
    folder.write(
        "train.py",
        """
        import pathlib

        import torch

        source = pathlib.Path("model.py.cfg")
        names = {"torch": torch}
        exec(compile(source.read_text(), str(source.resolve()), "exec"), names)
        w = torch.randn(4, requires_grad=True)
        loss = names["gate"](w).sum()
        loss.backward()
        """,
    )
    told = folder.repair("train.py")
    assert told["outcome"] == "repaired"
    assert "+    return y.mul(x)" in told["diff"]


def test_a_function_that_is_compiled(folder: Folder) -> None:
    folder.write(
        "parts.py",
        """
        import torch

        @torch.jit.script
        def gate(x):
            y = torch.sigmoid(x)
            y += 0.5
            return y * x
        """,
    )
    folder.write(
        "train.py",
        """
        import torch
        from parts import gate

        w = torch.randn(4, requires_grad=True)
        loss = gate(w * 2).sum()
        loss.backward()
        """,
    )
    told = folder.repair("train.py")
    assert told["outcome"] == "repaired"
    assert "+    y = y + 0.5" in told["diff"]


def test_a_leaf_whose_gradient_is_asked_for_stays_one(folder: Folder) -> None:
    folder.write(
        "train.py",
        """
        import torch

        w = torch.randn(4, requires_grad=True)
        total = torch.zeros(1, requires_grad=True)
        total += w.sum()
        loss = total.square().sum()
        loss.backward()
        print(total.grad)
        """,
    )
    assert folder.repair("train.py")["outcome"] != "repaired"


def test_a_module_by_name(folder: Folder) -> None:
    folder.write("pack/__init__.py", "")
    folder.write("pack/train.py", RESIDUAL)
    told = folder.repair("-m", "--write", "pack.train")
    assert told["outcome"] == "repaired"
    assert "h = h + 1" in (folder.path / "pack/train.py").read_text()


def test_a_graph_that_outlives_its_step_is_left_to_a_person(folder: Folder) -> None:
    """A clone would silence the error and let the graph grow; `detach` changes the gradient."""
    file = folder.write(
        "train.py",
        """
        import torch

        h = torch.zeros(3)
        w = torch.ones(3, requires_grad=True)
        opt = torch.optim.SGD([w], lr=0.1)
        for _ in range(3):
            h = torch.tanh(h * w + 1)
            opt.zero_grad()
            h.sum().backward(retain_graph=True)
            opt.step()
        """,
    )
    before = file.read_text()
    told = folder.repair("--write", "train.py")
    assert (told["status"], told["written"]) == (1, False)
    assert "`detach()`, which changes the gradient" in told["remains"][0]
    assert file.read_text() == before


def test_what_cannot_be_repaired_is_said(folder: Folder) -> None:
    folder.write(
        "train.py",
        """
        import torch

        w = torch.nn.Parameter(torch.ones(3))
        s = torch.nn.Parameter(torch.ones(1))
        w[0] = s * 2
        w.sum().backward()
        """,
    )
    told = folder.repair("--write", "train.py")
    assert (told["status"], told["written"]) == (1, False)
    assert any("gradient of the written value would be lost" in sentence for sentence in told["remains"])


def test_initialisation_stays_off_the_tape(folder: Folder) -> None:
    file = folder.write(
        "train.py",
        """
        import torch


        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = torch.nn.Linear(3, 2)
                self.fc.bias[0] = 1.5

            def forward(self, x):
                return self.fc(x)


        net = Net()
        net(torch.ones(3)).sum().backward()
        """,
    )
    assert folder.repair("--write", "train.py")["outcome"] == "repaired"
    assert "        with torch.no_grad():\n            self.fc.bias[0] = 1.5\n" in file.read_text()


def test_a_program_that_fails_for_another_reason(folder: Folder) -> None:
    folder.write("train.py", "import torch\nraise ValueError('no data')\n")
    told = folder.repair("train.py")
    assert (told["status"], told["outcome"]) == (1, "remains")
    assert "no data" in told["remains"][0]


def test_a_program_that_ends_its_process(folder: Folder) -> None:
    folder.write("train.py", "import os\nos._exit(0)\n")
    assert "ended its process" in folder.repair("train.py")["remains"][0]


def test_a_program_that_takes_too_long(folder: Folder) -> None:
    folder.write("train.py", "import time\ntime.sleep(60)\n")
    assert "did not end within 1 s" in folder.repair("--timeout", "1", "train.py")["remains"][0]


def test_a_write_that_the_graph_did_not_know_is_recorded(folder: Folder) -> None:
    file = folder.write(
        "train.py",
        """
        import torch

        w = torch.ones(4, requires_grad=True)
        h = torch.sigmoid(w * 2)
        h.data[2:] = 0.0
        with torch.no_grad():
            h[0] = 0.0
        loss = h.square().sum()
        loss.backward()
        """,
    )
    told = folder.repair("--write", "train.py")
    assert told["outcome"] == "repaired", told["remains"]
    assert "the original with each write recorded where a gradient flows" in told["proof"][0]
    text = file.read_text()
    assert "h[2:] = 0.0\nh[0] = 0.0\n" in text
    assert ".clone()" in text


def test_a_straight_through_estimate_is_left_alone(folder: Folder) -> None:
    folder.write(
        "train.py",
        """
        import torch

        w = torch.rand(4, requires_grad=True)
        h = w * 4
        h.data.round_()
        h.square().sum().backward()
        """,
    )
    assert folder.repair("--write", "train.py")["outcome"] == "nothing-to-repair"


def test_an_average_that_is_updated_too_early_is_updated_later(folder: Folder) -> None:
    file = folder.write(
        "train.py",
        """
        import torch


        class Average:
            def __init__(self, model):
                self.model = model

            @torch.no_grad()
            def update(self, weight):
                self.model.weight.mul_(0.9).add_(weight, alpha=0.1)


        torch.manual_seed(0)
        made = torch.randn(3, 2, requires_grad=True)
        student, average = torch.nn.Linear(2, 2), Average(torch.nn.Linear(2, 2).requires_grad_(False))
        gap = (student(made) - average.model(made)).square().mean()
        average.update(student.weight)
        gap.backward()
        print(gap.item())
        """,
    )
    assert folder.repair("--write", "train.py")["outcome"] == "repaired"
    assert "gap.backward()\naverage.update(student.weight)\n" in file.read_text()


def test_a_critic_that_steps_too_early_is_called_with_copies(folder: Folder) -> None:
    """The step can't be moved: the second backward would add to the gradients that it uses."""
    file = folder.write(
        "train.py",
        """
        import torch

        torch.manual_seed(0)
        made, critic = torch.randn(3, 2, requires_grad=True), torch.nn.Linear(2, 2)
        optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
        first, second = critic(made.detach()).square().mean(), -critic(made).exp().mean()
        first.backward()
        optimizer.step()
        second.backward()
        """,
    )
    told = folder.repair("--write", "train.py")
    assert told["outcome"] == "repaired", told["remains"]
    assert "copies = {name: each.clone() for name, each in critic.named_parameters()}\n" in file.read_text()


def test_one_loss_backpropagated_across_a_step_is_left_to_a_person(folder: Folder) -> None:
    folder.write(
        "train.py",
        """
        import torch

        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        loss = net(torch.ones(4, 2)).square().mean()
        for _ in range(2):
            loss.backward(retain_graph=True)
            optimizer.step()
        """,
    )
    told = folder.repair("--write", "train.py")
    assert (told["status"], told["written"]) == (1, False)


def test_what_the_runs_do_to_files_is_undone(folder: Folder) -> None:
    """It fails where its folder is there, and resumes from its checkpoint: no run may find what another one left."""
    folder.write(
        "train.py",
        """
        import os
        import torch

        os.mkdir("run")
        w = torch.ones(4, requires_grad=True)
        if os.path.exists("last.pt"):
            w = torch.load("last.pt").requires_grad_()
        with open("log.txt", "a") as log:
            log.write("begun")
        torch.save(w.detach() * 2, "last.pt")
        h = torch.sigmoid(w)
        h += 1
        h.square().sum().backward()
        """,
    )
    folder.write("log.txt", "mine\n")
    assert folder.repair("--write", "train.py")["outcome"] == "repaired"
    assert sorted(path.name for path in folder.path.iterdir()) == ["log.txt", "train.py"]
    assert (folder.path / "log.txt").read_text() == "mine\n"


def test_no_such_script(folder: Folder) -> None:
    done = folder.fix("absent.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such file" in done.stderr


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_uncommitted_changes_are_refused(folder: Folder) -> None:
    file = folder.write("train.py", RESIDUAL)
    before = file.read_text()
    subprocess.run(["git", "init", "-q"], cwd=folder.path, check=True)
    done = folder.fix("--write", "train.py")
    assert done.returncode == 2
    assert "--allow-dirty" in done.stderr
    assert file.read_text() == before
    assert folder.repair("--write", "--allow-dirty", "train.py")["written"]


def test_every_finding_of_run_carries_its_fixes(folder: Folder) -> None:
    folder.write("train.py", RESIDUAL)
    command = [sys.executable, "-m", "gradsan", "run", "--output-format", "json", "--output", "report.json", "train.py"]
    subprocess.run(command, cwd=folder.path, capture_output=True, timeout=120, check=False)
    (finding,) = json.loads((folder.path / "report.json").read_text())["findings"]
    assert finding["fixes"][0] == {
        "title": "write out of place",
        "applicability": "unsafe",
        "edits": [
            {
                "path": "train.py",
                "line": 5,
                "column": 1,
                "end_line": 5,
                "end_column": 7,
                "replacement": "h = h + 1",
            }
        ],
    }
