"""What people call an operation that the framework names after its kernel.

# NOTE [Kernels and what people wrote] A node is named after what computes: `nn.Linear` becomes ``addmm``, `nn.LSTM`
``mkldnn_rnn_layer``, ``a @ b`` ``bmm``.  A finding speaks of what stands in the source.
Source: the nodes that torch 2.13.0 makes for the modules and functions on the right.
"""

from __future__ import annotations

import re

_KERNELS = {
    "mkldnn_rnn_layer": "LSTM",
    "native_batch_norm": "batch_norm",
    "native_dropout": "dropout",
    "native_group_norm": "group_norm",
    "native_layer_norm": "layer_norm",
    "prelu_kernel": "prelu",
    "trilinear": "bilinear",
    "weight_norm_interface": "weight_norm",
}
_LOSSES = frozenset({"nll_loss", "nll_loss_nd", "nll_loss_forward", "nll_loss2d_forward"})
_ATTENTION = "scaled_dot_product_"
_RNN_WEIGHTS = {"weight0": "weight_ih", "weight1": "weight_hh", "weight2": "bias_ih", "weight3": "bias_hh"}

# The first factor and the second one, as the kernels name them.
_PRODUCTS = {
    "addmm": ("mat1", "mat2"),
    "mm": ("input", "mat2"),
    "bmm": ("input", "mat2"),
    "mv": ("input", "vec"),
    "dot": ("input", "tensor"),
}
_CONVOLUTION = re.compile(r"conv(_transpose)?[123]d")
_AS_MATMUL = frozenset({"@", "matmul"})


def spoken(operation: str, operand: str, called: str) -> tuple[str, str]:
    """Return an operation and its operand as people call them.

    Args:
        operation: The framework's name: ``addmm``.
        operand: Which argument or result: ``mat1``.
        called: The name that the source calls at this place, ``@`` for the operator; empty where it isn't known.
    """
    kernel = operation.lstrip("_")
    if kernel in (called, f"{called}_forward"):
        return called, operand
    if kernel == "sparse._sparse_addmm":
        return "matmul" if called in _AS_MATMUL else "sparse.mm", operand
    if kernel.rpartition(".")[2] in _LOSSES:
        return "cross_entropy" if called.lower().replace("_", "").startswith("crossentropy") else "nll_loss", operand
    if kernel.startswith(_ATTENTION):
        return "scaled_dot_product_attention", operand
    if kernel in _KERNELS:
        return _KERNELS[kernel], _RNN_WEIGHTS.get(operand, operand)
    if kernel == "convolution" and _CONVOLUTION.fullmatch(called):
        return called, operand
    if operation in _PRODUCTS and called:
        first, second = _PRODUCTS[operation]
        if called in _AS_MATMUL:
            return "matmul", {first: "input", second: "other"}.get(operand, operand)
        if operation in ("addmm", "mm") and called != "einsum":
            return "linear", {first: "input", second: "weight"}.get(operand, operand)
    return (f"linalg.{called}" if kernel == f"linalg_{called}" else operation if called == "apply" else kernel), operand
