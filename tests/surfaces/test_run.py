"""`gradsan run` beside plain `python`: streams and exit status are the same to the byte, in the oddest programs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the programs run in forks of a process that has torch loaded"),
]

WARM = Path(__file__).with_name("warm_process.py")
ADDRESS = re.compile(r"at 0x[0-9a-f]+")
PYTHON = {"PYTHONSAFEPATH": "", "PYTHONHASHSEED": "0", "NO_COLOR": "1", "PYTHON_COLORS": "0", "COLUMNS": "80"}


class Ended(NamedTuple):
    status: int
    out: str
    err: str


class Run(Protocol):
    def __call__(self, *arguments: str, given: str = "", **environment: str) -> Ended: ...


@pytest.fixture(scope="session")
def warm() -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    environment = {**os.environ, **PYTHON}
    with subprocess.Popen([sys.executable, WARM], stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def run(warm: subprocess.Popen[str], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return what calls `gradsan run` in the test's folder."""

    def call(*arguments: str, given: str = "", **environment: str) -> Ended:
        streams = tmp_path_factory.mktemp("streams")
        for name in ("stdin", "stdout", "stderr"):
            (streams / name).write_text(given if name == "stdin" else "")
        request = {
            "arguments": ["run", *arguments],
            "folder": str(tmp_path),
            "streams": str(streams),
            "environment": environment,
        }
        assert warm.stdin is not None
        assert warm.stdout is not None
        warm.stdin.write(json.dumps(request) + "\n")
        warm.stdin.flush()
        status = int(warm.stdout.readline())
        return Ended(status, (streams / "stdout").read_text(), (streams / "stderr").read_text())

    return call


def plain(folder: Path, *arguments: str, given: str = "", **environment: str) -> Ended:
    environment = {**os.environ, **PYTHON, **environment}
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=folder, input=given, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


PROGRAMS = {
    # how it ends
    "nothing": "",
    "exit with None": "import sys\nsys.exit(None)",
    "exit with a number": "import sys\nsys.exit(7)",
    "exit with a negative number": "import sys\nsys.exit(-1)",
    "exit with a large number": "import sys\nsys.exit(256)",
    "exit with True": "raise SystemExit(True)",
    "exit with a tuple": "raise SystemExit(1, 2)",
    "exit with a message": "import sys\nprint('out')\nsys.exit('that is all')",
    "exit by the site's function": "exit(4)",
    "exit in finally": "import sys\ntry:\n    1 / 0\nfinally:\n    sys.exit(5)",
    "exit at once": "import os\nprint('gone', flush=True)\nos._exit(9)",
    "exit functions in order": """
        import atexit
        for n in range(3):
            atexit.register(print, "exit", n)
        print("main")
    """,
    "an exit function raises": "import atexit\natexit.register(lambda: 1 / 0)\nprint('main')",
    "an exit function sees how it ended": """
        import atexit, sys
        atexit.register(lambda: print(sys.last_type, sys.last_value))
        raise LookupError("lost")
    """,
    "interrupted": """
        import atexit, os, signal
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may have it ignored
        atexit.register(print, "at exit", flush=True)
        def wait():
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                pass
        wait()
    """,
    "interrupted and caught": """
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            print("caught")
    """,
    "terminated by a handler": """
        import signal, sys
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
        signal.raise_signal(signal.SIGTERM)
    """,
    # what it raises
    "an error": "def f(x):\n    return 1 / x\n\nprint('before')\nf(0)",
    "an error in a nested call": "class A:\n    def f(self):\n        return {}['key']\n\n(lambda: A().f())()",
    "a chain of errors": """
        def f():
            try:
                {}["a"]
            except KeyError as error:
                raise ValueError("its own") from error
        try:
            f()
        except ValueError:
            raise TypeError("another")
    """,
    "an error of several lines": "assert sum(\n    [1, 2]\n) == 4, 'text\\nof lines'",
    "an error of its own class": "class Lost(Exception):\n    def __str__(self):\n        return 'gone'\nraise Lost",
    "a syntax error later": "print('ran')\nexec('a = (')",
    "a module that isn't there": "import no_such_module_of_mine",
    "a hook for errors": """
        import sys
        def hook(kind, error, traceback):
            print("hook", kind.__name__, error, traceback.tb_lineno, traceback.tb_next)
        sys.excepthook = hook
        raise ValueError("its own")
    """,
    "an error in a thread": """
        import threading
        def work():
            raise OSError("in a thread")
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        thread.join()
        print("main goes on")
    """,
    "an error in a finalizer": "class A:\n    def __del__(self):\n        raise ValueError('late')\nA()\nprint('on')",
    "warnings": """
        import warnings
        def old():
            warnings.warn("do not", DeprecationWarning, stacklevel=2)
        old()
        warnings.warn("do")
    """,
    # what it is
    "itself": """
        import __main__, inspect, pickle, sys
        class Kept:
            def __reduce__(self):
                return Kept, ()
        print(sys.argv, sys.path[0], __name__, __file__, __package__, __spec__, __doc__, type(__loader__).__name__)
        print(sorted(name for name in globals() if name.startswith("__")), __builtins__)
        print(type(pickle.loads(pickle.dumps(Kept()))) is Kept, __main__.Kept is Kept, sys.modules["__main__"])
        print(inspect.getsource(Kept), inspect.getfile(Kept), __loader__.get_source("__main__") is not None)
    """,
    "future imports stay ours": "def f(x: undefined): ...",
    "annotations at the top": "x: int = 1\nprint(__annotations__)",
    "a dataclass": """
        from dataclasses import dataclass
        from typing import get_type_hints
        @dataclass
        class Point:
            x: "int" = 1
        print(Point(), get_type_hints(Point))
    """,
    "an encoding": "# -*- coding: utf-8 -*-\nprint('größer', len('größer'))",
    "the stack": "import sys\ndef f():\n    return sys._getframe(1).f_code.co_name\nprint(f())",
    # its streams
    "standard input": "import sys\nprint(input('> '), sys.stdin.read().split())",
    "bytes": "import sys\nsys.stdout.buffer.write(b'raw\\n')\nsys.stdout.buffer.flush()\nprint('text')",
    "replaced streams": """
        import io, sys
        sys.stdout = io.StringIO()
        print("swallowed")
        sys.stdout = sys.__stdout__
        print(1)
    """,
    "closed output": "import sys\nprint('said')\nsys.stdout.close()",
    "closed errors": "import sys\nsys.stderr.close()\nprint('said')",
    "logging": "import logging\nlogging.basicConfig(level=10)\nlogging.info('told')\nlogging.getLogger('x').error('y')",
    # its threads and processes
    "a thread outlives main": """
        import threading, time
        def work():
            time.sleep(0.2)
            print("thread")
        threading.Thread(target=work).start()
        print("main")
    """,
    "a thread outlives an error": """
        import threading, time
        threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
        raise ValueError("main")
    """,
    "a daemon thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    "an executor left open": """
        from concurrent.futures import ThreadPoolExecutor
        executor = ThreadPoolExecutor(2)
        print(executor.submit(max, 1, 2).result())
    """,
    "a timer": "import threading\nthreading.Timer(0.1, print, ['late']).start()\nprint('main')",
    "asyncio": """
        import asyncio
        async def work(n):
            await asyncio.sleep(0)
            return n * n
        async def main():
            print(await asyncio.gather(*map(work, range(3))))
        asyncio.run(main())
    """,
    "a child process": """
        import os, sys
        child = os.fork()
        if child == 0:
            print("child", flush=True)
            os._exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """,
    "forked workers": """
        import multiprocessing as mp
        def square(x):
            return x * x
        if __name__ == "__main__":
            with mp.get_context("fork").Pool(2) as pool:
                print(pool.map(square, range(4)))
    """,
    "spawned workers": """
        import multiprocessing as mp, os, sys
        class Job:
            def __init__(self, n):
                self.n = n
        def square(job):
            return job.n * job.n, __name__
        if __name__ == "__main__":
            with mp.get_context("spawn").Pool(1) as pool:
                print(pool.map(square, map(Job, range(3))))
    """,
    "a subprocess": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(1 + 1)'], check=True)",
    "another folder": "import os, tempfile\nos.chdir(tempfile.gettempdir())\nprint(__file__)\n1 / 0",
    "generated code": """
        exec(compile("def f(x):\\n    return x + 1\\nprint(f(1))", "<made>", "exec"))
        print(eval("1 + 1"))
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_script_runs_as_under_python(name: str, run: Run, tmp_path: Path) -> None:
    write(tmp_path / "program.py", PROGRAMS[name])
    command = ("program.py", "--flag", "-m", "value with blanks", "--output", "x")
    given = "first line\nsecond line\n"
    assert scrubbed(run(*command, given=given)) == scrubbed(plain(tmp_path, *command, given=given))


def scrubbed(ended: Ended) -> Ended:
    """Leave out the addresses of objects, which no two runs share."""
    return ended._replace(out=ADDRESS.sub("at ADDRESS", ended.out), err=ADDRESS.sub("at ADDRESS", ended.err))


def test_a_recursion_ends_with_the_same_words(run: Run, tmp_path: Path) -> None:
    # Our own frames below the program take a few of its thousand.
    write(
        tmp_path / "program.py",
        "def f(n):\n    return f(n + 1)\ntry:\n    f(0)\nexcept RecursionError as e:\n    print(e)\n",
    )
    assert run("program.py")[:2] == plain(tmp_path, "program.py")[:2]


@pytest.mark.parametrize(
    ("last", "said"), [("", "another tracer"), ("sys.settrace(None)", "for a while `sys.settrace`")]
)
def test_another_tracer_keeps_its_place_and_this_is_said(run: Run, tmp_path: Path, last: str, said: str) -> None:
    program = f"""
        import sys
        seen = []
        sys.settrace(lambda *event: seen.append(event[1]))
        (lambda: 1)()
        {last}
        print(seen[:1])
    """
    write(tmp_path / "program.py", program)
    ended = run("program.py")
    assert ended[:2] == plain(tmp_path, "program.py")[:2]
    assert (said in ended.err) == (sys.version_info < (3, 12))


def package(folder: Path, main: str) -> None:
    write(folder / "package" / "__init__.py", "import sys\nprint('package', sys.argv, sys.path[0] == sys.path[0])\n")
    write(folder / "package" / "inner.py", "VALUE = 7\n\n\ndef fail():\n    raise ValueError(VALUE)\n")
    write(folder / "package" / "__main__.py", main)


MODULES = {
    "itself": """
        import sys
        from .inner import VALUE
        print(sys.argv, sys.path[0], __name__, __file__, __package__, __spec__.name, __spec__.parent)
    """,
    "an error": "from .inner import fail\nfail()",
    "an exit": "raise SystemExit('over')",
    "an import that fails": "import package.no_such",
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_runs_as_under_python(name: str, run: Run, tmp_path: Path) -> None:
    package(tmp_path, MODULES[name])
    assert run("-m", "package", "one", "-m") == plain(tmp_path, "-m", "package", "one", "-m")


def test_a_module_inside_a_package_runs_as_under_python(run: Run, tmp_path: Path) -> None:
    package(tmp_path, "")
    write(tmp_path / "package" / "tool.py", "import sys\nprint(sys.argv, __name__, __spec__.name)\n1 / 0\n")
    assert run("-m", "package.tool", "a") == plain(tmp_path, "-m", "package.tool", "a")


def test_a_package_that_fails_to_import_fails_as_under_python(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "package" / "__init__.py", "raise RuntimeError('at import')\n")
    write(tmp_path / "package" / "__main__.py", "")
    assert run("-m", "package") == plain(tmp_path, "-m", "package")


@pytest.mark.parametrize("name", ["folder", "archive.zip", "archive"])
def test_a_folder_or_an_archive_runs_as_under_python(name: str, run: Run, tmp_path: Path) -> None:
    source = "import sys, beside\nprint(sys.argv, sys.path[0], __name__, __package__, beside.VALUE)\n1 / 0\n"
    if name == "folder":
        write(tmp_path / name / "__main__.py", source)
        write(tmp_path / name / "beside.py", "VALUE = 3\n")
    else:
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("__main__.py", source)
            archive.writestr("beside.py", "VALUE = 3\n")
    assert run(name, "x") == plain(tmp_path, name, "x")


class TestBadInput:
    """One clear line each, exit status 2, and nothing of the program ran."""

    def one_line(self, ended: Ended, *words: str) -> None:
        assert (ended.status, ended.out) == (2, "")
        [line] = ended.err.splitlines()
        assert line.startswith("gradsan: error: ")
        assert all(word in line for word in words), line

    def test_no_such_script(self, run: Run) -> None:
        self.one_line(run("absent.py"), "absent.py", "no such file")

    def test_a_script_that_may_not_be_read(self, run: Run, tmp_path: Path) -> None:
        script = write(tmp_path / "secret.py", "print('ran')")
        script.chmod(0)
        if os.access(script, os.R_OK):
            pytest.skip("this user reads everything")
        self.one_line(run("secret.py"), "secret.py")

    def test_a_syntax_error(self, run: Run, tmp_path: Path) -> None:
        write(tmp_path / "torn.py", "print('ran')\nb = (\n")
        self.one_line(run("torn.py"), "torn.py:2")

    def test_an_unknown_encoding(self, run: Run, tmp_path: Path) -> None:
        write(tmp_path / "odd.py", "# coding: klingon\nprint('ran')\n")
        self.one_line(run("odd.py"), "odd.py", "klingon")

    def test_no_such_module(self, run: Run) -> None:
        self.one_line(run("-m", "no_such_module"), "no_such_module")

    def test_no_such_module_in_a_package(self, run: Run, tmp_path: Path) -> None:
        write(tmp_path / "package" / "__init__.py", "")
        self.one_line(run("-m", "package.absent"), "package.absent")

    def test_a_package_without_main(self, run: Run, tmp_path: Path) -> None:
        write(tmp_path / "package" / "__init__.py", "")
        self.one_line(run("-m", "package"), "package", "__main__")

    def test_a_module_with_a_syntax_error(self, run: Run, tmp_path: Path) -> None:
        write(tmp_path / "torn.py", "print('ran')\nb = (\n")
        self.one_line(run("-m", "torn"), "torn.py:2")

    def test_a_folder_without_main(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        self.one_line(run("folder"), "folder", "__main__")

    @pytest.mark.parametrize("output", ["no/such/folder/report.json", "."])
    def test_an_unwritable_output(self, output: str, run: Run, tmp_path: Path) -> None:
        write(tmp_path / "program.py", "print('ran')\n")
        self.one_line(run("--output", output, "program.py"), output)


BROKEN = """\
import torch
x = torch.ones(3, requires_grad=True)
y = x.exp()
y.add_(1)
y.sum().backward()
"""


def report_of(run: Run, folder: Path, *command: str) -> dict[str, object]:
    ended = run("--output-format", "json", "--output", "report.json", *command)
    return {"status": ended.status, "out": ended.out, **json.loads((folder / "report.json").read_text())}


def test_the_traceback_is_pythons_and_the_explanation_follows_it(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "program.py", BROKEN)
    own = plain(tmp_path, "program.py")
    ended = run("program.py")
    assert ended.status == own.status == 1
    assert ended.err.startswith(own.err)
    assert "error[GS101]" in ended.err.removeprefix(own.err)


def test_the_report_stays_where_it_was_asked_for(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    write(tmp_path / "program.py", "import os\nos.chdir('other')\n" + BROKEN)
    report = report_of(run, tmp_path, "program.py")
    assert [span["path"] for span in report["findings"][0]["spans"]] == ["program.py"] * 3  # type: ignore[index]


def test_findings_of_a_program_that_ends_well_give_status_1(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "program.py", BROKEN.replace("y.sum()", "try: y.sum()") + "except RuntimeError: print('caught')\n")
    report = report_of(run, tmp_path, "program.py")
    assert (report["status"], report["out"]) == (1, "caught\n")


def test_the_programs_own_status_wins(run: Run, tmp_path: Path) -> None:
    caught = BROKEN.replace("y.sum()", "try: y.sum()") + "except RuntimeError: raise SystemExit(5)\n"
    write(tmp_path / "program.py", caught)
    assert report_of(run, tmp_path, "program.py")["status"] == 5


def test_threads_that_outlive_main_are_watched(run: Run, tmp_path: Path) -> None:
    body = "".join(f"    {line}\n" for line in BROKEN.splitlines()[1:-1])
    program = f"import threading, time, torch\ndef work():\n    time.sleep(0.1)\n{body}    try: y.sum().backward()\n"
    program += "    except RuntimeError: print('caught')\nthreading.Thread(target=work).start()\n"
    write(tmp_path / "program.py", program)
    report = report_of(run, tmp_path, "program.py")
    assert report["out"] == "caught\n"
    assert [span["line"] for span in report["findings"][0]["spans"]] == [5, 6, 7]  # type: ignore[index]


def test_what_is_imported_at_the_top_of_a_package_is_watched(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "package" / "__init__.py", "from .train import main\n")
    body = "".join(f"    {line}\n" for line in BROKEN.splitlines()[1:])
    write(tmp_path / "package" / "train.py", f"import torch\ndef main():\n{body}")
    write(tmp_path / "package" / "__main__.py", "from . import main\nmain()\n")
    report = report_of(run, tmp_path, "-m", "package")
    spans = report["findings"][0]["spans"]  # type: ignore[index]
    assert [(span["path"], span["line"]) for span in spans] == [("package/train.py", line) for line in (4, 5, 6)]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_data_loader(method: str, run: Run, tmp_path: Path) -> None:
    program = f"""
        import torch
        from torch.utils.data import DataLoader, Dataset
        class Numbers(Dataset):
            def __len__(self):
                return 4
            def __getitem__(self, n):
                return torch.full((2,), float(n)).add_(1)
        if __name__ == "__main__":
            loader = DataLoader(Numbers(), batch_size=2, num_workers=1, multiprocessing_context="{method}")
            w = torch.ones(2, requires_grad=True)
            for batch in loader:
                loss = (batch * w).sum()
                loss.backward()
            print(w.grad.tolist())
    """
    write(tmp_path / "program.py", program)
    assert run("program.py") == Ended(0, "[10.0, 10.0]\n", "")
