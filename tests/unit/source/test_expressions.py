from __future__ import annotations

import linecache
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from gradsan.model.span import Span
from gradsan.source import expressions
from gradsan.source.program import load

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a program and return its path."""
    number = iter(range(1000))

    def write(text: str) -> str:
        path = tmp_path / f"program{next(number)}.py"
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return str(path)

    return write


def at_line(path: str, line: int, function: str = "f") -> Span:
    """A span of which only the line is known."""
    return Span(path, line, 1, line, 1, function)


def text_at(span: Span) -> str:
    program = load(span.path)
    assert program is not None
    return program.text_at((span.line, span.column, span.end_line, span.end_column))


def span_of(path: str, text: str) -> Span:
    """The first place at which a text stands."""
    lines = Path(path).read_text(encoding="utf-8").split("\n")
    first = text.split("\n")[0]
    line = next(number for number, source in enumerate(lines, 1) if first in source)
    column = lines[line - 1].index(first) + 1
    last = text.split("\n")[-1]
    end_line = line + text.count("\n")
    end_column = len(last) + (column if end_line == line else 1)
    return Span(path, line, column, end_line, end_column)


@pytest.mark.parametrize(
    ("source", "operation", "expected"),
    [
        ("y = torch.sigmoid(x) * 2", "sigmoid", "torch.sigmoid(x)"),
        ("y = torch.sigmoid(x) * 2", "mul", "torch.sigmoid(x) * 2"),
        ("y = x.sigmoid().mean()", "sigmoid", "x.sigmoid()"),
        ("y = torch.nn.Sigmoid()(x) + 1", "sigmoid", "torch.nn.Sigmoid()(x)"),
        ("y = self.sigmoid(x) + 1", "sigmoid", "self.sigmoid(x)"),
        ("y = F.log_softmax(x, dim=1).sum()", "_log_softmax", "F.log_softmax(x, dim=1)"),
        ("y = nn.LogSoftmax(dim=1)(x).sum()", "_log_softmax", "nn.LogSoftmax(dim=1)(x)"),
        ("y = self.norm(F.layer_norm(x, (3,)))", "native_layer_norm", "F.layer_norm(x, (3,))"),
        ("y = self.fn(self.norm1(x))", "native_layer_norm", "self.norm1(x)"),
        ("w, v = torch.linalg.eigh(x @ x)", "_linalg_eigh", "torch.linalg.eigh(x @ x)"),
        ("loss = (a - b).pow(2).mean()", "sub", "a - b"),
        ("loss = (a - b).pow(2).mean()", "pow", "(a - b).pow(2)"),
        ("y = x ** 2 + 1", "pow", "x ** 2"),
        ("y = a / b + c", "div", "a / b"),
        ("y = 1 / b + c", "reciprocal", "1 / b"),
        ("y = a @ b + c", "mm", "a @ b"),
        ("y = -x * 2", "neg", "-x"),
        ("y = (x > 0) * 2", "gt", "x > 0"),
        ("y = x[0] * 2", "select", "x[0]"),
        ("y = F.linear(x, w) + 1", "addmm", "F.linear(x, w)"),
        ("y = x.T + 1", "t", "x.T"),
        ("y = torch.relu(self.conv(x))", "convolution", "self.conv(x)"),
        ("y = self.act(len(x), self.conv(x))", "relu", "y = self.act(len(x), self.conv(x))"),
        ("y = Norm.apply(x) + 1", "Norm", "Norm.apply(x)"),
        ("h += 1", "add_", "h += 1"),
        ("h += h + 1", "add_", "h += h + 1"),
        ("h += h + 1", "__iadd__", "h += h + 1"),
        ("y = h.add_(1).mul(2)", "add_", "h.add_(1)"),
        ("y = h.add(1).add_(2)", "add_", "h.add(1).add_(2)"),
        ("h[0] = x[1]", "__setitem__", "h[0] = x[1]"),
        ("h[0] = x[1]", "copy_", "h[0] = x[1]"),
        ("h.data = x", "data", "h.data = x"),
        ("y = F.relu(h, inplace=True) + F.relu(x)", "relu_", "F.relu(h, inplace=True)"),
        ("optimizer.step(); scheduler.step()", "AdamW.step", "optimizer.step(); scheduler.step()"),
        ("optimizer.step()", "AdamW.step", "optimizer.step()"),
    ],
)
def test_narrow(source: str, operation: str, expected: str, write: Write) -> None:
    path = write(f"def f():\n    {source}\n")
    assert text_at(expressions.narrow(at_line(path, 2), operation)) == expected


@pytest.mark.parametrize(
    ("source", "operation"),
    [
        ("y = torch.sigmoid(torch.sigmoid(x))", "sigmoid"),
        ("y = a * b * c", "mul"),
        ("y = a * b + 2 / c", "mul"),
        ("y = self.head(self.fc(x))", "addmm"),
        ("y = self.first(x) + self.second(x)", "convolution"),
        ("y = 1 * 2", "mul"),
        ("y = x", "sigmoid"),
        ("y = torch.sigmoid(x)", ""),
        ("y = f'{torch.sigmoid(x)}'", "sigmoid"),
    ],
)
def test_narrow_takes_the_statement_where_it_can_not_tell(source: str, operation: str, write: Write) -> None:
    path = write(f"def f():\n    {source}\n")
    assert text_at(expressions.narrow(at_line(path, 2), operation)) == source


def test_narrow_leaves_an_exact_span_alone(write: Write) -> None:
    span = Span(write("y = torch.sigmoid(x)\n"), 1, 1, 1, 2)
    assert expressions.narrow(span, "sigmoid") == span


def test_narrow_keeps_the_function(write: Write) -> None:
    assert (
        expressions.narrow(at_line(write("y = torch.exp(x)\n"), 1, "Block.forward"), "exp").function == "Block.forward"
    )


def test_narrow_in_a_statement_of_several_lines(write: Write) -> None:
    path = write(
        """
        y = torch.cat([
            torch.exp(a),
            torch.exp(b),
        ]).exp()
        z = (x
             .exp()
             .exp())
        """
    )
    assert text_at(expressions.narrow(at_line(path, 2), "exp")) == "torch.exp(a)"
    assert text_at(expressions.narrow(at_line(path, 3), "exp")) == "torch.exp(b)"
    assert text_at(expressions.narrow(at_line(path, 1), "cat")).startswith("torch.cat([")
    assert text_at(expressions.narrow(at_line(path, 6), "exp")) == "x\n     .exp()"


def test_narrow_in_headers(write: Write) -> None:
    path = write(
        """
        for x in torch.exp(a):
            if torch.sigmoid(x).sum() > 0: y = torch.tanh(x)
        """
    )
    assert text_at(expressions.narrow(at_line(path, 1), "exp")) == "torch.exp(a)"
    assert text_at(expressions.narrow(at_line(path, 2), "sigmoid")) == "torch.sigmoid(x)"
    assert text_at(expressions.narrow(at_line(path, 2), "tanh")) == "torch.tanh(x)"


def test_columns_count_characters(write: Write) -> None:
    path = write("é = '重'; y = torch.exp(重み) * 2\n")
    span = expressions.narrow(at_line(path, 1), "exp")
    assert text_at(span) == "torch.exp(重み)"
    assert (span.column, span.end_column) == (14, 27)


def test_statement_at(write: Write) -> None:
    path = write(
        """
        @decorate(
            1)
        def f(x=torch.exp(1)):
            '''Say
            nothing.'''
            with a(), b():
                while x.any():
                    y = g(
                        1)

            match x:
                case 1 if y > 2:
                    pass
            try:
                z = 1
            except E:
                pass
        """
    )

    def at(line: int) -> str | None:
        span = expressions.statement_at(path, line)
        return None if span is None else " ".join(text_at(span).split())

    assert [at(line) for line in (1, 2, 3)] == ["decorate( 1)", "decorate( 1)", "torch.exp(1)"]
    assert at(5) == "'''Say nothing.'''"
    assert [at(line) for line in (6, 7, 8, 9, 10)] == ["a(), b()", "x.any()", "y = g( 1)", "y = g( 1)", None]
    assert [at(line) for line in (11, 12, 13, 14, 15, 16)] == ["x", "y > 2", "pass", None, "z = 1", "E"]
    assert at(99) is None
    assert expressions.statement_at("/no/such/file.py", 1) is None


@pytest.mark.parametrize(
    ("source", "place", "expected"),
    [
        ("h += 1", "h += 1", "h"),
        ("self.total += x", "self.total += x", "self.total"),
        ("h[0] += 1", "h[0] += 1", "h[0]"),
        ("h.add_(1)", "h.add_(1)", "h"),
        ("y = h.exp_()", "h.exp_()", "h"),
        ("y = h.exp_()", "y = h.exp_()", "h"),
        ("return h.exp_()", "return h.exp_()", "h"),
        ("x.mul_(a).add_(b)", "x.mul_(a).add_(b)", "x"),
        ("h[0] = 1", "h[0]", "h"),
        ("h[0] = 1", "h[0] = 1", "h"),
        ("self.queue[:, a:b] = k", "self.queue[:, a:b]", "self.queue"),
        ("torch.relu_(h)", "torch.relu_(h)", "h"),
        ("nn.init.normal_(tensor=w)", "nn.init.normal_(tensor=w)", "w"),
        ("relu_(h)", "relu_(h)", "h"),
        ("y = F.relu(h, inplace=True)", "F.relu(h, inplace=True)", "h"),
        ("y = F.relu(input=h, inplace=True)", "F.relu(input=h, inplace=True)", "h"),
        ("y = F.relu(h, inplace=False)", "F.relu(h, inplace=False)", ""),
        ("torch.add(a, b, out=c)", "torch.add(a, b, out=c)", "c"),
        ("w.data = v", "w.data", "w"),
        ("w.data.add_(v)", "w.data.add_(v)", "w.data"),
        ("y = self.relu(x)", "self.relu(x)", "x"),
        ("y = self.flag(x)", "self.flag(x)", "x"),
        ("y = self.tanh(x)", "self.tanh(x)", ""),
        ("y = self.net(x)", "self.net(x)", ""),
        ("y = self.own(x)", "self.own(x)", ""),
        ("y = nn.ReLU(inplace=True)(x)", "nn.ReLU(inplace=True)(x)", "x"),
        ("optimizer.step()", "optimizer.step()", ""),
        ("y = torch.exp(x)", "torch.exp(x)", ""),
        ("cache[some_function(a, b, c, d), other_function(e, f, g, h)][0].add_(1)", "cache", ""),
        (
            "cache[some_function(a, b, c, d), other_function(e, f, g, h)].add_(1)",
            "cache[some_function(a, b, c, d), other_function(e, f, g, h)].add_(1)",
            "cache[...]",
        ),
    ],
)
def test_target_of(source: str, place: str, expected: str, write: Write) -> None:
    path = write(
        f"""
        import torch, torch.nn as nn, torch.nn.functional as F
        class Block(nn.Module):
            def __init__(self):
                self.relu = nn.ReLU(inplace=True)
                self.flag = nn.ReLU(True)
                self.tanh = nn.Tanh()
                self.net = nn.Sequential(nn.ReLU(inplace=True))
                self.own = make_layers(inplace=True)
            def forward(self, x, h):
                {source}
        """
    )
    line = Path(path).read_text().split("\n").index(f"        {source}") + 1
    column = 9 + source.index(place)
    assert expressions.target_of(Span(path, line, column, line, column + len(place))) == expected


def test_target_of_a_line(write: Write) -> None:
    assert expressions.target_of(at_line(write("h.add_(1)\n"), 1)) == "h"
    assert expressions.target_of(at_line(write("h.add_(1); y.add_(1)\n"), 1)) == ""


@pytest.mark.parametrize(
    ("code", "operation", "given"),
    [
        ("h += 1", "__iadd__", "1"),
        ("h *= a + b", "__imul__", "(a + b)"),
        ("h.add_(x, alpha=2)", "add_", "x, alpha=2"),
        ("h.relu_()", "relu_", ""),
        ("y = h.mul_(2)", "mul_", None),
        ("import torch; torch.relu_(h)", "relu_", None),
        ("self.act(h)", "relu_", None),
        ("h.mul_(2).add_(1)", "add_", None),
        ("h += " + " + ".join(["number"] * 20), "__iadd__", None),
    ],
)
def test_given_at_a_line(code: str, operation: str, given: str | None, write: Write) -> None:
    assert expressions.given_at(at_line(write(code + "\n"), 1), operation) == given


def test_given_to_a_function(write: Write) -> None:
    path = write("import torch\ntorch.sigmoid_(h)\ntorch.clamp_(h, 0)\n")
    assert expressions.given_at(at_line(path, 2), "sigmoid_") == ""
    assert expressions.given_at(at_line(path, 3), "clamp_") == "0"


def test_loop_around(write: Write) -> None:
    path = write(
        """
        for i in a:
            x = 1
            while b:
                y = 2
            def f():
                z = 3
        else:
            w = 4
        v = 5
        """
    )
    assert expressions.loop_around(path, 2, 4)
    assert expressions.loop_around(path, 4, 2)
    assert expressions.loop_around(path, 2, 2)
    assert not expressions.loop_around(path, 2, 6)
    assert not expressions.loop_around(path, 2, 8)
    assert not expressions.loop_around(path, 2, 9)
    assert not expressions.loop_around(path, 9, 9)


def test_function_of(write: Write) -> None:
    path = write(
        """
        x = 1
        class Block:
            y = 2
            def forward(self):
                def inner():
                    return 3
                return inner
            @property
            def p(self,
                  q=1):
                return 1
        def f(): return 1
        """
    )
    assert [expressions.function_of(path, line) for line in range(1, 13)] == [
        "<module>",
        "<module>",
        "Block",
        "Block",
        "Block.forward",
        "Block.forward.<locals>.inner",
        "Block.forward",
        "Block",
        "Block",
        "Block",
        "Block.p",
        "f",
    ]


@pytest.mark.parametrize(
    "text", ["", "def (", "\x00", "x = (" * 500, "é" * 10, "\ufeffx = 1\n", "\x0cx = 1\r\ny = 2\r"]
)
def test_odd_files_are_survived(text: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.py"
    path.write_bytes(text.encode())
    for place in (Span(str(path), 1, 1, 1, 1), Span(str(path), 1, 1, 3, 9), Span(str(path), 99, 1, 99, 1)):
        expressions.narrow(place, "sigmoid")
        expressions.target_of(place)
        expressions.given_at(place, "add_")
        expressions.statement_at(place.path, place.line)
        expressions.function_of(place.path, place.line)
        expressions.loop_around(place.path, place.line, 2)


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("h.add_(1)\n")
    assert expressions.target_of(at_line(str(path), 1)) == "h"
    path.write_text("hidden.add_(1)\n")
    assert expressions.target_of(at_line(str(path), 1)) == "hidden"


def test_code_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "h.add_(1)\n"
    monkeypatch.setitem(linecache.cache, "<cell 1>", (len(text), None, [text], "<cell 1>"))
    assert expressions.target_of(at_line("<cell 1>", 1)) == "h"


def test_declared_encoding(tmp_path: Path) -> None:
    path = tmp_path / "latin.py"
    path.write_bytes(b"# coding: latin-1\nh\xe4.add_(1)\n")
    assert expressions.target_of(at_line(str(path), 2)) == "hä"


@pytest.mark.parametrize(
    ("line", "is_heading"),
    [(1, True), (2, True), (3, False), (5, False), (7, True), (8, True), (9, False)],
)
def test_the_line_on_which_a_function_begins(write: Write, line: int, is_heading: bool) -> None:
    """A decorator's too, as in code objects; not where the body stands on the same line."""
    path = write(
        """\
        @decorated
        def f(x):
            return x + 1

        def g(x): return x + 1

        async def h(
            x):
            return x + 1
        """
    )
    assert expressions.is_heading(at_line(path, line)) is is_heading
    assert not expressions.is_heading(Span(path, line, 1, line, 4, "f"))
