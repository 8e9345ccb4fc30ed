"""The recorder names the line that wrote and the line that saved, wherever a program keeps its code."""

from __future__ import annotations

import linecache
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.utils._pytree import tree_map_only  # noqa: E402

import gradsan  # noqa: E402
from gradsan.model.diagnostic import Diagnostic, Role  # noqa: E402
from gradsan.record.idle import CLEAN_RETURNS_IN_REACH, LINES_TO_SAMPLE  # noqa: E402

Places = dict[str, tuple[str, int]]


def places(finding: Diagnostic) -> Places:
    """The first place of each role: file name and line."""
    found: Places = {}
    for label in finding.labels:
        if label.span is not None:
            found.setdefault(label.role.value, (Path(label.span.path).name, label.span.line))
    return found


def marks(text: str, name: str = "program.py") -> Places:
    """Where a program's ``#~ role`` comments stand."""
    lines = enumerate(text.splitlines(), 1)
    return {role: (name, n) for n, line in lines if "#~" in line for role in line.partition("#~")[2].split()}


def watched(program: Callable[[], Any]) -> tuple[Diagnostic, ...]:
    with gradsan.watch() as session:
        program()
    assert not session.not_covered
    return session.findings


def execute(text: str, folder: Path, name: str = "program.py") -> tuple[Diagnostic, ...]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    code = compile(text, str(path), "exec")
    return watched(lambda: exec(code, {"__name__": "program"}))


HEAD = "import torch, contextlib\nw = torch.ones(3, requires_grad=True)\n"
TAIL = "with contextlib.suppress(RuntimeError):\n    loss.backward()  #~ raise\n"

PROGRAMS = {
    "at the top": """
        y = w.exp()  #~ save
        y.add_(1)  #~ write
        loss = y.sum()
    """,
    "in a class": """
        class Model:
            def forward(self, x):
                self.h = x.sigmoid()  #~ save
                return self.change(self.h)
            def change(self, h):
                h[0] = 1  #~ write
                return h
        loss = Model().forward(w).sum()
    """,
    "in a closure": """
        def outer():
            y = w.tanh()  #~ save
            def inner():
                nonlocal y
                y *= 2  #~ write
            inner()
            return y.sum()
        loss = outer()
    """,
    "in a lambda": """
        save = lambda x: x.exp()  #~ save
        write = lambda x: x.mul_(2)  #~ write
        loss = write(save(w)).sum()
    """,
    "after a call in the same line": """
        def three():
            a = 1
            return 3
        def one(x):
            return x * 1
        y = one(w) * three() + (one(w).exp() * three()).clone() * one(w).exp()  #~ save
        z = w.exp() * three()
        y = w.exp()  ; q = three(); y2 = one(w).tanh(); y2.zero_()  #~ save write
        loss = y2.sum()
    """,
    "in a generator, after a yield in the middle of a line": """
        def rows(x):
            y = (yield x * 2) * x.exp()
            y = y + (yield 1) * x.sigmoid()
            h = (yield y).tanh()  #~ save
            h.add_(1)  #~ write
            yield h.sum()
        g = rows(w)
        next(g); g.send(w * 3)
        g.send(w * 4)
        loss = g.send(w * 5)
    """,
    "in a generator that is iterated": """
        def layers():
            yield lambda x: x * 2
            yield lambda x: x + 1
        y = w
        for layer in layers():
            y = layer(y)
        y = sum(layer(y).exp() for layer in layers())
        h = y.exp()  #~ save
        h += 1  #~ write
        loss = h.sum()
    """,
    "in a coroutine": """
        import asyncio
        async def save():
            await asyncio.sleep(0)
            y = w * 1
            return y.exp()  #~ save
        async def main():
            y, z = await asyncio.gather(save(), asyncio.sleep(0))
            y.relu_()  #~ write
            return y.sum()
        loss = asyncio.run(main())
    """,
    "in a comprehension": """
        ys = [x.exp() for x in (w, w * 2)]  #~ save
        for y in ys:
            y.add_(1)  #~ write
        loss = sum(ys).sum()
    """,
    "over several lines": """
        y = torch.exp(  #~ save
            w
        )
        y.mul_(  #~ write
            2
        )
        loss = y.sum()
    """,
    "after an exception in the middle of a line": """
        class Lazy:
            @property
            def scale(self):
                z = w.exp()
                raise AttributeError("scale")
        y = getattr(Lazy(), "scale", w).sigmoid()  #~ save
        y.zero_()  #~ write
        loss = y.sum()
    """,
    "in a context manager": """
        @contextlib.contextmanager
        def scope():
            x = w * 2
            yield x
            x.mul_(2)
        with scope() as x:
            y = x.exp()  #~ save
            y.sub_(1)  #~ write
        loss = y.sum()
    """,
    "in a decorated function": """
        import functools
        def logged(f):
            @functools.wraps(f)
            def inner(*args):
                before = w * 2
                result = f(*args)
                after = w * 2
                return result
            return inner
        @logged
        def block(x):
            y = x.exp()  #~ save
            y.add_(1)  #~ write
            return y
        loss = block(w).sum()
    """,
    "in a metaclass and operators": """
        class Number:
            def __init__(self, value):
                self.value = value
            def __add__(self, other):
                return Number(self.value.exp())  #~ save
            def __iadd__(self, other):
                self.value += other  #~ write
                return self
        n = Number(w) + 1
        n += 1
        loss = n.value.sum()
    """,
    "in a finally": """
        y = None
        try:
            y = w.exp()  #~ save
            raise ValueError
        except ValueError:
            z = w * 2
        finally:
            y.add_(1)  #~ write
        loss = y.sum()
    """,
    "by functions": """
        y = torch.exp(w)  #~ save
        torch.nn.functional.relu_(y)  #~ write
        loss = y.sum()
    """,
    "by a list of tensors": """
        y = torch.exp(w)  #~ save
        torch._foreach_mul_([y], 2.0)  #~ write
        loss = y.sum()
    """,
    "by a module": """
        y = torch.exp(w)  #~ save
        net = torch.nn.Sequential(torch.nn.ReLU(inplace=True))  #~ create
        y = net(y)  #~ write
        loss = y.sum()
    """,
    "by a keyword": """
        y = torch.exp(w)  #~ save
        torch.relu_(input=y)  #~ write
        loss = y.sum()
    """,
    "by operator and delegation": """
        import operator
        from functools import reduce
        y = w.exp()  #~ save
        y = operator.iadd(y, 1)  #~ write
        loss = y.sum()
    """,
    "in code it makes": """
        scope = {"w": w}
        exec(compile("y = w.exp()\\ny.add_(1)", "made.py", "exec"), scope)
        loss = scope["y"].sum()
    """,
    "with letters of two bytes": """
        größe = w.exp()  #~ save
        "ärger"; größe.add_(1)  #~ write
        loss = größe.sum()
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_lines(name: str, tmp_path: Path) -> None:
    text = HEAD + textwrap.dedent(PROGRAMS[name]).lstrip() + TAIL
    [finding] = execute(text, tmp_path)
    expected = marks(text)
    if name == "in code it makes":
        expected |= {"save": ("made.py", 1), "write": ("made.py", 2)}
    assert finding.code == "GS101"
    assert places(finding) == expected


def test_the_exact_expression(tmp_path: Path) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("columns are known from Python 3.11 on")
    text = HEAD + 'größe = w.exp()\n"ärger"; größe.add_(1); w.sum()\nloss = größe.sum()\n' + TAIL
    [finding] = execute(text, tmp_path)
    write = next(label.span for label in finding.labels if label.role is Role.WRITE)
    assert text.splitlines()[write.line - 1][write.column - 1 : write.end_column - 1] == "größe.add_(1)"


def test_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "recorded_layers.py").write_text("def save(x):\n    return x.exp()\n")
    (tmp_path / "recorded_losses.py").write_text("def change(x):\n    x.clamp_(0, 1)\n    return x.sum()\n")
    body = "import recorded_layers, recorded_losses\nloss = recorded_losses.change(recorded_layers.save(w))\n"
    [finding] = execute(HEAD + body + TAIL, tmp_path)
    assert places(finding) == {
        "save": ("recorded_layers.py", 2),
        "write": ("recorded_losses.py", 2),
        "raise": ("program.py", 6),
    }


def test_threads_of_the_program(tmp_path: Path) -> None:
    text = HEAD + textwrap.dedent("""\
        import threading
        made = {}
        def work(n):
            y = (w * n).exp()  #~ save
            for _ in range(50):
                z = w.sigmoid() + w.tanh()
            y.add_(1)  #~ write
            made[n] = y.sum()
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        loss = sum(made.values())
    """)
    [finding] = execute(text + TAIL, tmp_path)
    assert places(finding) == marks(text + TAIL)


def test_a_backward_in_another_thread(tmp_path: Path) -> None:
    text = HEAD + textwrap.dedent("""\
        import threading
        y = w.exp()  #~ save
        y.add_(1)  #~ write
        def work():
            with contextlib.suppress(RuntimeError):
                y.sum().backward()  #~ raise
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    """)
    [finding] = execute(text, tmp_path)
    assert places(finding) == marks(text)


def test_replicas_in_threads_as_data_parallel_runs_them(tmp_path: Path) -> None:
    text = HEAD + textwrap.dedent("""\
        from torch.nn.parallel.parallel_apply import parallel_apply
        class Net(torch.nn.Module):
            def forward(self, x):
                h = (x * w).sigmoid()  #~ save
                h.add_(1)  #~ write
                return h.sum()
        net = Net()
        out = []
        import threading
        def replica(n):
            out.append(net(torch.ones(3)))
        threads = [threading.Thread(target=replica, args=(n,)) for n in range(2)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        loss = out[0] + out[1]
    """)
    [finding] = execute(text + TAIL, tmp_path)
    assert places(finding) == marks(text + TAIL)


def test_cells_of_a_notebook() -> None:
    cells = [
        "import torch, contextlib\nw = torch.ones(3, requires_grad=True)\n",
        "def block(x):\n    y = x.exp()\n    return y\n",
        "y = block(w)\ny += 1\nwith contextlib.suppress(RuntimeError):\n    y.sum().backward()\n",
    ]

    def run() -> None:
        scope: dict[str, Any] = {"__name__": "__main__"}
        for n, text in enumerate(cells):
            name = f"<ipython-input-{n}-abc>"
            linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
            exec(compile(text, name, "exec"), scope)

    [finding] = watched(run)
    assert places(finding) == {
        "save": ("<ipython-input-1-abc>", 2),
        "write": ("<ipython-input-2-abc>", 2),
        "raise": ("<ipython-input-2-abc>", 4),
    }


def test_each_failure_is_told_once_though_it_comes_often(tmp_path: Path) -> None:
    body = "for _ in range(5):\n    y = w.exp()\n    y.add_(1)\n    with contextlib.suppress(RuntimeError):\n"
    [finding] = execute(HEAD + body + "        y.sum().backward()\n", tmp_path)
    assert finding.count == 5


def test_a_write_in_a_thread_that_was_there_before() -> None:
    go, done = threading.Event(), threading.Event()
    shared: dict[str, Any] = {}

    def wait() -> None:
        go.wait(30)
        shared["y"].add_(1)
        done.set()

    thread = threading.Thread(target=wait)
    thread.start()
    with gradsan.watch() as session:
        shared["y"] = torch.ones(3, requires_grad=True).exp()
        go.set()
        assert done.wait(30)
        with pytest.raises(RuntimeError):
            shared["y"].sum().backward()
    thread.join()
    [finding] = session.findings
    assert places(finding)["write"] == (Path(__file__).name, wait.__code__.co_firstlineno + 2)


def test_a_write_by_a_function_whose_lines_are_followed_no_more() -> None:
    def clear(held: dict[str, Any]) -> None:
        for _ in range(LINES_TO_SAMPLE // 8):
            pass
        tree_map_only(torch.Tensor, torch.nn.init.zeros_, held)

    with gradsan.watch() as session:
        for _ in range(2 * CLEAN_RETURNS_IN_REACH):
            clear({"values": [torch.ones(3)]})
        value = torch.ones(3, requires_grad=True).exp()
        clear({"values": [value]})
        with pytest.raises(RuntimeError):
            value.sum().backward()
    writers = [label.span.function for each in session.findings for label in each.labels_of(Role.WRITE)]
    assert writers
    assert {function.rpartition(".")[2] for function in writers} == {"clear"}
