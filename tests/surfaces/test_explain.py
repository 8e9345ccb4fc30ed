"""``gradsan explain``: pages, the list, error texts on standard input."""

from __future__ import annotations

import io
import json

import pytest

from gradsan.rules import all_rules
from gradsan.surfaces.cli import main
from gradsan.tasks.explain import read_error

OVERWRITTEN = (
    "one of the variables needed for gradient computation has been modified by an inplace operation:"
    " [torch.FloatTensor {shape}]{output} is at version {found}; expected version {expected} instead."
)
TRACEBACK = """Traceback (most recent call last):
  File "train.py", line 31, in <module>
    fit(model)
  File "{user}", line 12, in fit
    loss.backward()
  File "/env/lib/python3.11/site-packages/torch/_tensor.py", line 581, in backward
    torch.autograd.backward(
RuntimeError: {text}
"""


def explain(monkeypatch: pytest.MonkeyPatch, *arguments: str, given: str = "") -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    return main(["explain", *arguments])


@pytest.mark.parametrize("what", ["GS101", "gs101", "saved-tensor-overwritten"])
def test_page_of_a_rule(what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(monkeypatch, what) == 0
    out = capsys.readouterr().out
    assert out.startswith("# GS101: saved-tensor-overwritten\n")
    for heading in ("## Why the gradient breaks", "## Example", "## Instead", "## Source"):
        assert heading in out
    prose = [line for line in out.splitlines() if not line.startswith("    ")]
    assert max(map(len, prose)) <= 80


def test_list_names_every_rule(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(monkeypatch) == 0
    out = capsys.readouterr().out
    assert all(f"- {rule.code} {rule.name}:" in out for rule in all_rules())


def test_unknown_rule_names_the_nearest(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(monkeypatch, "leaf-writen") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "`leaf-written`" in said.err


def test_unrecognised_text_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(monkeypatch, "-", given="ValueError: too many values to unpack") == 2
    assert "recognised" in capsys.readouterr().err


def test_traceback_on_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = OVERWRITTEN.format(shape="[32, 128]", output=", which is output 0 of Relu,", found=3, expected=1)
    assert explain(monkeypatch, "-", given=TRACEBACK.format(user="loop.py", text=text)) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "shape (32, 128)" in out
    assert "output 0 of Relu: the tensor is what `relu` returned. `relu` saves its own result" in out
    assert "version 3, expected 1: two in-place writes came after it was saved" in out
    assert "loop.py, line 12: the backward that needed the old value" in out
    assert "`gradsan run train.py`" in out
    assert "GS101 saved-tensor-overwritten" in out


def test_json_of_a_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = OVERWRITTEN.format(shape="[4]", output=", which is output 1 of SplitBackward0,", found=1, expected=0)
    assert explain(monkeypatch, "-", "--output-format", "json", given=text) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "gradsan/1"
    assert (said["shape"], said["producer"], said["output_number"]) == ([4], "SplitBackward0", 1)
    assert said["rules"][0]["code"] == "GS101"


def test_json_of_all_rules_into_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: pytest.TempPathFactory) -> None:
    file = f"{tmp_path}/rules.json"
    assert explain(monkeypatch, "--output-format", "json", "--output", file) == 0
    with open(file, encoding="utf-8") as opened:
        rules = json.load(opened)["rules"]
    assert [rule["code"] for rule in rules] == [rule.code for rule in all_rules()]


def test_unwritable_output_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(monkeypatch, "GS101", "--output", "/no/such/folder/page.md") == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("output", "shape", "expected", "first"),
    [
        (", which is output 0 of Exp,", "[3]", 0, "GS101"),
        (", which is output 0 of AsStrided,", "[2, 3, 4]", 0, "GS105"),
        (", which is output 0 of AsStridedBackward0,", "[128, 64]", 1, "GS102"),
        ("", "[128]", 0, "GS102"),
    ],
)
def test_likeliest_rule_comes_first(output: str, shape: str, expected: int, first: str) -> None:
    text = OVERWRITTEN.format(shape=shape, output=output, found=expected + 1, expected=expected)
    assert read_error(text).rules[0].code == first


def test_result_that_the_operation_does_not_save() -> None:
    text = OVERWRITTEN.format(shape="[3]", output=", which is output 0 of AddBackward0,", found=1, expected=0)
    assert any("`add` does not save its own result" in sentence for sentence in read_error(text).meaning)


def test_write_through_the_base_is_said() -> None:
    reading = read_error(
        "Output 0 of Split is a view and its base or another view of its base has been modified inplace."
        " This view is the output of a function that returns multiple views."
    )
    assert any("The write itself went through" in sentence for sentence in reading.meaning)
    assert [rule.code for rule in reading.rules] == ["GS203"]
