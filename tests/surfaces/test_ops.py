"""`gradsan ops`, as a person and as a tool meet it."""

import json

import pytest

from gradsan.surfaces.cli import main


def test_an_operation_is_explained(capsys):
    assert main(["ops", "sigmoid"]) == 0
    said = capsys.readouterr().out
    assert "You may modify `input` in place afterwards" in said
    assert "Do not modify the result in place before backward" in said
    assert "grad * result * (1 - result)" in said
    assert "sigmoid_" in said
    assert "torch.nn.functional.gelu` saves `input`" in said


def test_json_has_the_promised_keys(capsys):
    assert main(["ops", "torch.sigmoid", "--output-format", "json"]) == 0
    (operation,) = json.loads(capsys.readouterr().out)["operations"]
    promised = {
        "name": "sigmoid",
        "saves_inputs": [],
        "saves_result": True,
        "writes": [],
        "aliases": [],
        "may_return_input": False,
        "inplace": "sigmoid_",
        "backward": "SigmoidBackward0",
    }
    assert promised.items() <= operation.items()
    assert operation["source"]


@pytest.mark.parametrize(
    ("option", "inside", "outside"),
    [
        ("--saves-result", "`torch.exp`", "`torch.log`"),
        ("--saves-input", "`torch.log`", "`torch.exp`"),
        ("--saves-nothing", "`torch.add`", "`torch.exp`"),
        ("--writes", "`torch.Tensor.add_`", "`torch.add`"),
        ("--views", "`torch.transpose`", "`torch.add`"),
    ],
)
def test_a_filter_lists(capsys, option, inside, outside):
    assert main(["ops", option]) == 0
    said = capsys.readouterr().out
    assert inside in said
    assert outside not in said


def test_an_unknown_name_gets_the_nearest_ones(capsys):
    assert main(["ops", "torch.sigmoyd"]) == 2
    assert "`sigmoid`" in capsys.readouterr().err


def test_nothing_asked_is_a_usage_error(capsys):
    assert main(["ops"]) == 2
    assert "gradsan ops sigmoid" in capsys.readouterr().err
