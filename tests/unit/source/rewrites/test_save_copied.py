from __future__ import annotations

from pathlib import Path

from gradsan.source.rewrites import save_copied

FUNCTION = """\
class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, mean):
        ctx.save_for_backward({})
        return x * mean
"""


def saved(tmp_path: Path, arguments: str, *, function: str = "Scale", written: str = "") -> list[str]:
    """The arguments of ``save_for_backward`` as each fix makes them."""
    path = tmp_path / "scale.py"
    path.write_text(FUNCTION.format(arguments))
    out = []
    for fix in save_copied.propose([str(path)], function, written):
        line = list(path.read_text().splitlines()[3])
        for edit in sorted(fix.edits, reverse=True):
            line[edit.column - 1 : edit.end_column - 1] = edit.replacement
        out.append("".join(line).strip().removeprefix("ctx.save_for_backward(").removesuffix(")"))
    return out


def test_each_tensor_then_all(tmp_path: Path) -> None:
    assert saved(tmp_path, "x, mean") == ["x.clone(), mean", "x, mean.clone()", "x.clone(), mean.clone()"]


def test_what_was_written_comes_first(tmp_path: Path) -> None:
    assert saved(tmp_path, "x, mean", written="mean")[0] == "x, mean.clone()"


def test_a_single_tensor(tmp_path: Path) -> None:
    assert saved(tmp_path, "mean") == ["mean.clone()"]


def test_what_is_a_copy_stays(tmp_path: Path) -> None:
    assert saved(tmp_path, "x, mean.clone()") == ["x.clone(), mean.clone()"]


def test_not_of_another_function_nor_of_what_is_starred(tmp_path: Path) -> None:
    assert saved(tmp_path, "x", function="Shift") == []
    assert saved(tmp_path, "*tensors") == []
