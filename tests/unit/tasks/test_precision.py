from __future__ import annotations

from pathlib import Path

from gradsan.model.event import Saved, SequenceNumber, Version, Writer, Written
from gradsan.model.history import History, Subject
from gradsan.model.span import Span
from gradsan.tasks.precision import make_precise


def told(path: Path, source: str, *, save: int, write: int, module: str = "", writer: str = "") -> History:
    path.write_text(source, encoding="utf-8")

    def at(line: int) -> Span:
        return Span(str(path), line, 1, line, 1, "f")

    zero, one = Version(0), Version(1)
    events = (
        Saved(span=at(save), operation="abs", operand="self", version=zero, sequence=SequenceNumber(1)),
        Written(
            span=at(write),
            operation="__setitem__",
            version_before=zero,
            version=one,
            sequence=SequenceNumber(2),
            module=writer,
            writer=Writer.MODULE if writer else Writer.PROGRAM,
        ),
    )
    return make_precise(History(subject=Subject(module=module), events=events))


def test_one_statement_over_several_lines_is_no_earlier_call(tmp_path: Path) -> None:
    source = "def f(x):\n    x[0] = sign(x) * sqrt(\n        x.abs()\n    )\n"
    assert told(tmp_path / "a.py", source, save=3, write=2).notes == ()


def test_write_above_the_save_is_of_an_earlier_call(tmp_path: Path) -> None:
    source = "def f(x):\n    x[0] = 1\n    y = x.abs()\n"
    assert told(tmp_path / "b.py", source, save=3, write=2).notes == ("it was saved in an earlier call of `f`",)


def test_one_line_that_two_modules_ran_is_two_calls(tmp_path: Path) -> None:
    source = "def f(self, x):\n    return self.body(x)\n"
    history = told(tmp_path / "c.py", source, save=2, write=2, module="branches.0", writer="branches.1.relu")
    assert history.notes == ("it was saved in an earlier call of `f`",)
    assert history.subject.name == "x"
    same = told(tmp_path / "d.py", source, save=2, write=2, module="branches.0", writer="branches.0.relu")
    assert same.notes == ()
