"""Where a file assigns a name."""

from __future__ import annotations

from pathlib import Path

from gradsan.record.stores import MAX_STORES, refills_of, stores_of

SOURCE = """\
scale = 1.0
class Config:
    def __init__(self):
        self.rate = 1.0
    def anneal(self):
        self.rate = 0.5
for scale in (2.0, 3.0):
    state["mask"] = scale
loss = region()
scale = 0.5
def warm():
    global scale
    scale *= 2
"""


def lines(folder: Path, name: str, source: str = SOURCE, line: int = 0) -> list[int]:
    path = folder / "program.py"
    path.write_text(source, encoding="utf-8")
    return [span.line for span in stores_of(name, [str(path)], after=(str(path), line))]


def test_variables_attributes_and_entries(tmp_path: Path) -> None:
    assert lines(tmp_path, "scale") == [1, 7, 10, 13]
    assert lines(tmp_path, "rate") == [6]
    assert lines(tmp_path, "mask") == [8]


def test_what_ran_once_before_is_left_out(tmp_path: Path) -> None:
    assert lines(tmp_path, "scale", line=9) == [7, 10, 13]


def test_too_many_tell_nothing(tmp_path: Path) -> None:
    assert lines(tmp_path, "x", "x = 1\n" * (MAX_STORES + 1)) == []


def test_a_file_that_is_not_there_or_not_python(tmp_path: Path) -> None:
    assert stores_of("x", [str(tmp_path / "none.py")]) == []
    assert lines(tmp_path, "y", "y = = 1") == []


def test_a_list_is_refilled_by_its_entries_and_its_methods(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("held[0] = x\nself.held.append(x)\ndel held[1]\nheld = []\nother[0] = held[0]\nheld.count(x)\n")
    assert [span.line for span in refills_of("held", [str(path)])] == [1, 2, 3]
