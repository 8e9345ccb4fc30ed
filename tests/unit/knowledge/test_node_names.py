"""What the names of nodes and attributes tell."""

import pytest

from gradsan.knowledge.node_names import operand_of_attribute, operation_of_node


@pytest.mark.parametrize(
    ("node", "operation"),
    [
        ("AddmmBackward0", "addmm"),
        ("NllLoss2DBackward0", "nll_loss2d"),
        ("MaxPool2DWithIndicesBackward0", "max_pool2d_with_indices"),
        ("Log1PBackward0", "log1p"),
        ("torch::autograd::CopySlices", "CopySlices"),
        ("AlignmentLossBackward", "AlignmentLoss"),
    ],
)
def test_a_node_speaks_of_its_operation(node, operation):
    assert operation_of_node(node) == operation


@pytest.mark.parametrize(
    ("attribute", "operand"),
    [("_saved_mat2", "mat2"), ("_raw_saved_result", "result"), ("_saved_self", "self"), ("_saved_result1", "result1")],
)
def test_an_attribute_speaks_of_its_operand(attribute, operand):
    assert operand_of_attribute(attribute) == operand
