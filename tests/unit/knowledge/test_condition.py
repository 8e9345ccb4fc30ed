"""What a case asks of the arguments: yes, no, or not decided."""

import pytest

from gradsan.knowledge import UNKNOWN, TensorFacts
from gradsan.knowledge.condition import holds


@pytest.mark.parametrize(
    ("condition", "given", "verdict"),
    [
        ({}, {}, True),
        ({"training": {"is": [True]}}, {"training": True}, True),
        ({"training": {"is": [True]}}, {"training": False}, False),
        ({"training": {"is": [True]}}, {"training": UNKNOWN}, None),
        ({"training": {"is": [True]}}, {}, None),
        ({"training": {"is_not": [True]}}, {"training": False}, True),
        ({"p": {"is": [1]}}, {"p": True}, False),
        ({"p": {"is": [0]}}, {"p": 0.0}, True),
        ({"weight": {"kind": ["none"]}}, {"weight": None}, True),
        ({"weight": {"kind_not": ["none"]}}, {"weight": TensorFacts()}, True),
        ({"other": {"kind": ["number"]}}, {"other": TensorFacts()}, False),
        ({"other": {"is": [1]}}, {"other": TensorFacts()}, False),
        ({"input": {"ndim": [0, 1]}}, {"input": TensorFacts(ndim=2)}, False),
        ({"input": {"ndim": [0, 1]}}, {"input": TensorFacts()}, None),
        ({"input": {"dtype": ["float32"]}}, {"input": TensorFacts(dtype="float32")}, True),
        ({"input": {"complex": False}}, {"input": TensorFacts(dtype="complex64")}, False),
        ({"input": {"contiguous": True}}, {"input": TensorFacts(contiguous=True)}, True),
        ({"a": {"is": [1]}, "b": {"is": [1]}}, {"a": UNKNOWN, "b": 2}, False),
    ],
)
def test_a_condition_holds_fails_or_is_open(condition, given, verdict):
    assert holds(condition, given) is verdict
