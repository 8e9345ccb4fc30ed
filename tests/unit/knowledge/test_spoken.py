"""Kernels are told under the names that people write."""

from __future__ import annotations

import pytest

from gradsan.knowledge.spoken import spoken


@pytest.mark.parametrize(
    ("operation", "operand", "called", "said"),
    [
        ("addmm", "mat1", "fc1", ("linear", "input")),
        ("addmm", "mat2", "linear", ("linear", "weight")),
        ("addmm", "mat1", "addmm", ("addmm", "mat1")),
        ("addmm", "mat1", "", ("addmm", "mat1")),
        ("mm", "input", "@", ("matmul", "input")),
        ("bmm", "mat2", "matmul", ("matmul", "other")),
        ("bmm", "mat2", "einsum", ("bmm", "mat2")),
        ("mkldnn_rnn_layer", "weight0", "rnn", ("LSTM", "weight_ih")),
        ("native_layer_norm", "input", "norm", ("layer_norm", "input")),
        ("_scaled_dot_product_flash_attention_for_cpu", "query", "attend", ("scaled_dot_product_attention", "query")),
        ("convolution", "weight", "conv2d", ("conv2d", "weight")),
        ("convolution", "weight", "conv", ("convolution", "weight")),
        ("exp", "result", "exp", ("exp", "result")),
        ("_Square", "", "apply", ("_Square", "")),
    ],
)
def test_spoken(operation: str, operand: str, called: str, said: tuple[str, str]) -> None:
    assert spoken(operation, operand, called) == said
