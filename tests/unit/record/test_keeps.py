"""Which lines of a file keep an attribute by reference."""

from __future__ import annotations

from pathlib import Path

from gradsan.record.keeps import keeps

SOURCE = """\
grads.append(p.grad)
grads = [p.grad for p in parameters]
g = p.grad
table = {name: p.grad.detach() for name, p in named}
pair = (p, p.grad if p.grad is not None else zero)
norm = p.grad.norm()
p.grad.zero_()
grads.append(p.grad.clone())
p.grad = None
check(p.grad)
return_value = [
    p.grad.data
    for p in parameters
]
"""


def test_what_is_kept_and_what_is_computed_with(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(SOURCE, encoding="utf-8")
    assert [line for line in range(1, 15) if keeps(str(path), line, "grad")] == [1, 2, 3, 4, 5, 12]


def test_a_file_that_is_not_there_or_not_python(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("g = = p.grad", encoding="utf-8")
    assert not keeps(str(tmp_path / "none.py"), 1, "grad")
    assert not keeps(str(tmp_path / "broken.py"), 1, "grad")
