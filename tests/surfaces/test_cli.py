"""The command line from outside: `gradsan` and `python -m gradsan`, in their own processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gradsan
from gradsan.surfaces.cli import build_parser

GRADSAN = [sys.executable, "-m", "gradsan"]
INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
"""A script's first line: whoever runs the tests in the background has interrupts ignored."""
VERBS = sorted(next(a for a in build_parser()._actions if a.dest == "verb").choices)


def call(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "80", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


BROKEN = """
import torch
x = torch.ones(3, requires_grad=True)
y = x.exp()
y.add_(1)
y.sum().backward()
"""


def test_both_doors_say_the_version(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("gradsan")
    doors = [GRADSAN, *([[str(script)]] if script.exists() else [])]
    for door in doors:
        done = call(*door, "--version", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, f"gradsan {gradsan.__version__}\n")


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_every_verb_has_help_in_80_columns(verb: str, tmp_path: Path) -> None:
    done = call(*GRADSAN, *([verb] if verb else []), "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: gradsan")
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


class TestBadInput:
    """One clear line each, exit status 2, no traceback."""

    def one_line(self, done: subprocess.CompletedProcess[str], *words: str) -> None:
        assert done.returncode == 2
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("gradsan: error: ")
        for word in words:
            assert word in lines[0]

    def test_no_such_script(self, tmp_path: Path) -> None:
        self.one_line(call(*GRADSAN, "run", "absent.py", cwd=tmp_path), "absent.py")

    def test_a_folder_without_main(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        self.one_line(call(*GRADSAN, "run", "folder", cwd=tmp_path), "folder", "__main__")

    def test_a_syntax_error(self, tmp_path: Path) -> None:
        write(tmp_path / "torn.py", "a = 1\nb = (\n")
        self.one_line(call(*GRADSAN, "run", "torn.py", cwd=tmp_path), "torn.py:2")

    def test_a_null_byte(self, tmp_path: Path) -> None:
        write(tmp_path / "null.py", "a = 1\0\n")
        self.one_line(call(*GRADSAN, "run", "null.py", cwd=tmp_path), "null.py")

    def test_no_such_module(self, tmp_path: Path) -> None:
        self.one_line(call(*GRADSAN, "run", "-m", "no_such_module", cwd=tmp_path), "no_such_module")

    def test_a_package_without_main(self, tmp_path: Path) -> None:
        write(tmp_path / "bare" / "__init__.py", "")
        self.one_line(call(*GRADSAN, "run", "-m", "bare", cwd=tmp_path), "bare")

    def test_no_torch(self, tmp_path: Path) -> None:
        write(tmp_path / "script.py", "print('ran')\n")
        without = "import sys, runpy, importlib.util as u; f = u.find_spec\n"
        without += "u.find_spec = lambda name, *a: None if name == 'torch' else f(name, *a)\n"
        without += "sys.argv = ['gradsan', 'run', 'script.py']; runpy.run_module('gradsan', run_name='__main__')"
        done = call(sys.executable, "-c", without, cwd=tmp_path)
        self.one_line(done, "torch", "not installed", "pip install")

    @pytest.mark.parametrize("output", ["no/such/folder/report.json", "."])
    def test_an_unwritable_output(self, output: str, tmp_path: Path) -> None:
        write(tmp_path / "script.py", "print('ran')\n")
        done = call(*GRADSAN, "run", "--output", output, "script.py", cwd=tmp_path)
        self.one_line(done, output)

    def test_an_unknown_rule(self, tmp_path: Path) -> None:
        self.one_line(call(*GRADSAN, "explain", "GS000", cwd=tmp_path), "GS000")


@pytest.mark.torch
class TestRun:
    """The program sees what it sees under plain Python."""

    def both(self, *arguments: str, cwd: Path) -> tuple[subprocess.CompletedProcess[str], ...]:
        environment = {"PYTHONSAFEPATH": ""}
        bare = call(sys.executable, *arguments, cwd=cwd, **environment)
        return bare, call(*GRADSAN, "run", *arguments, cwd=cwd, **environment)

    def test_a_script_is_run_as_python_runs_it(self, tmp_path: Path) -> None:
        write(tmp_path / "beside.py", "VALUE = 5\n")
        write(tmp_path / "package" / "__init__.py", "")
        program = """
            import json, os, pickle, sys
            import beside
            class Kept: pass
            found = pickle.loads(pickle.dumps(Kept()))
            print(json.dumps([sys.argv, sys.path[0], __name__, __file__, beside.VALUE, type(found).__module__,
                              sys.modules["__main__"].__dict__ is globals(), __package__, __spec__ is None,
                              sorted(name for name in globals() if name.startswith("__"))]))
            print("to stderr", file=sys.stderr)
            sys.exit(3)
        """
        write(tmp_path / "script.py", "\n".join(line[12:] for line in program.splitlines()))
        bare, run = self.both("script.py", "--flag", "value", "--help", cwd=tmp_path)
        assert json.loads(run.stdout) == json.loads(bare.stdout)
        assert (run.returncode, run.stderr) == (3, "to stderr\n")

    def test_a_module_is_run_as_python_runs_it(self, tmp_path: Path) -> None:
        write(tmp_path / "package" / "__init__.py", "")
        write(tmp_path / "package" / "inner.py", "VALUE = 7\n")
        program = "import json, sys\nfrom .inner import VALUE\n"
        program += "print(json.dumps([sys.argv, sys.path[0], __name__, __file__, __package__, __spec__.name, VALUE]))\n"
        write(tmp_path / "package" / "__main__.py", program)
        bare, run = self.both("-m", "package", "one", "-m", cwd=tmp_path)
        assert bare.returncode == 0
        assert json.loads(run.stdout) == json.loads(bare.stdout)
        assert (run.returncode, run.stderr) == (0, "")

    def test_another_error_is_left_alone(self, tmp_path: Path) -> None:
        write(tmp_path / "script.py", "def f():\n    raise ValueError('its own')\nprint('out')\nf()\n")
        bare, run = self.both("script.py", cwd=tmp_path)
        assert (run.returncode, run.stdout) == (bare.returncode, bare.stdout)
        assert run.stderr.replace(str(tmp_path) + os.sep, "") == bare.stderr.replace(str(tmp_path) + os.sep, "")

    def test_a_message_as_exit_status(self, tmp_path: Path) -> None:
        write(tmp_path / "script.py", "import sys\nsys.exit('that is all')\n")
        bare, run = self.both("script.py", cwd=tmp_path)
        assert (run.returncode, run.stdout, run.stderr) == (bare.returncode, bare.stdout, bare.stderr)

    def test_exit_functions_and_threads_end(self, tmp_path: Path) -> None:
        program = "import atexit, threading, time\natexit.register(print, 'at exit')\n"
        program += "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()\nprint('main')\n"
        write(tmp_path / "script.py", program)
        bare, run = self.both("script.py", cwd=tmp_path)
        assert run.stdout == bare.stdout == "main\nthread\nat exit\n"
        assert run.returncode == 0

    def test_the_failure_is_explained_and_stays(self, tmp_path: Path) -> None:
        write(tmp_path / "script.py", BROKEN)
        done = call(*GRADSAN, "run", "script.py", cwd=tmp_path)
        assert done.returncode == 1
        assert "Traceback (most recent call last)" in done.stderr
        assert "modified by an inplace operation" in done.stderr
        assert "error[GS101]: `y` was modified in place after `exp` saved it for backward" in done.stderr
        assert "script.py:5" in done.stderr

    def test_the_report_as_a_file(self, tmp_path: Path) -> None:
        write(tmp_path / "script.py", BROKEN)
        done = call(*GRADSAN, "run", "--output-format", "json", "--output", "report.json", "script.py", cwd=tmp_path)
        assert done.returncode == 1
        report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
        assert report["schema"] == "gradsan/1"
        assert report["command"] == "run"
        finding = report["findings"][0]
        lines = {span["role"]: (span["path"], span["line"]) for span in finding["spans"]}
        assert lines == {"save": ("script.py", 4), "write": ("script.py", 5), "raise": ("script.py", 6)}

    def test_an_error_that_the_program_catches_is_a_finding(self, tmp_path: Path) -> None:
        caught = BROKEN.replace("y.sum().backward()", "try:\n    y.sum().backward()\nexcept RuntimeError:\n    pass\n")
        write(tmp_path / "script.py", caught)
        done = call(*GRADSAN, "run", "script.py", cwd=tmp_path)
        assert done.returncode == 1
        assert "error[GS101]" in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_quiet_program_is_left_quiet(self, tmp_path: Path) -> None:
        write(tmp_path / "script.py", BROKEN.replace("y.add_(1)", "y = y + 1"))
        done = call(*GRADSAN, "run", "script.py", cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to another process")
    def test_an_interrupt_ends_it_as_python_ends(self, tmp_path: Path) -> None:
        write(tmp_path / "script.py", f"{INTERRUPTIBLE}import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
        with subprocess.Popen(
            [*GRADSAN, "run", "script.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as running:
            assert running.stdout is not None
            assert running.stdout.readline() == "ready\n"
            time.sleep(0.2)
            running.send_signal(signal.SIGINT)
            _, errors = running.communicate(timeout=60)
        assert running.returncode == -signal.SIGINT
        assert errors.rstrip().endswith("KeyboardInterrupt")


def test_the_output_pipe_may_close_early(tmp_path: Path) -> None:
    done = call("bash", "-c", f"set -o pipefail; {sys.executable} -m gradsan explain GS101 | head -1", cwd=tmp_path)
    assert "Traceback" not in done.stderr
