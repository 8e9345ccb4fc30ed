"""Calls of our own to observe: arguments that switch behaviour, and what the OpInfo database doesn't reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

Program = tuple[str, tuple[Any, ...], dict[str, Any]]
"""(table name, arguments, keywords)"""


def vector(*shape: int) -> torch.Tensor:
    """Return float64 numbers that require a gradient."""
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


def programs() -> Iterator[Program]:
    """Yield every call.

    Effect: seeds torch.
    """
    torch.manual_seed(0)
    # Twice, with other numbers: what a single call shows may be chance (NOTE [Learning cases]).
    for _ in range(2):
        yield from _activations()
        yield from _dropouts()
        yield from _normalizations()
        yield from _pooling_and_padding()
        yield from _losses()
        yield from _conversions()
        yield from _shapes()
        yield from _indexing()
        yield from _arithmetic()
        yield from _products()


def _activations() -> Iterator[Program]:
    switched = (
        *("relu", "relu6", "elu", "celu", "selu", "leaky_relu"),
        *("hardtanh", "hardswish", "hardsigmoid", "silu", "mish"),
    )
    for name in switched:
        for inplace in (False, True):
            yield f"nn.functional.{name}", (vector(3, 4),), {"inplace": inplace}
    for inplace in (False, True):
        yield "nn.functional.threshold", (vector(3, 4), 0.1, 20.0), {"inplace": inplace}
        for training in (False, True):
            yield "nn.functional.rrelu", (vector(3, 4),), {"inplace": inplace, "training": training}
    for name in ("relu_", "elu_", "celu_", "selu_", "leaky_relu_", "hardtanh_", "rrelu_"):
        yield f"nn.functional.{name}", (vector(3, 4),), {}
    yield "nn.functional.threshold_", (vector(3, 4), 0.1, 20.0), {}
    for name in (
        "tanh",
        "sigmoid",
        "softsign",
        "tanhshrink",
        "logsigmoid",
        "gelu",
        "softplus",
        "softshrink",
        "hardshrink",
    ):
        yield f"nn.functional.{name}", (vector(3, 4),), {}
    for name in ("softmax", "log_softmax", "softmin"):
        for dtype in (None, torch.float32, torch.float64):
            yield f"nn.functional.{name}", (vector(3, 4),), {"dim": -1, "dtype": dtype}
    for hard in (False, True):
        yield "nn.functional.gumbel_softmax", (vector(3, 4),), {"hard": hard}
    yield "nn.functional.gelu", (vector(3, 4),), {"approximate": "tanh"}
    yield "nn.functional.glu", (vector(3, 4),), {}
    yield "nn.functional.prelu", (vector(3, 4), vector(1)), {}


def _dropouts() -> Iterator[Program]:
    names = (
        ("dropout", (3, 4)),
        ("alpha_dropout", (3, 4)),
        ("dropout1d", (2, 3, 4)),
        ("dropout2d", (2, 3, 4, 4)),
        ("dropout3d", (2, 3, 2, 2, 2)),
        ("feature_alpha_dropout", (2, 3, 4)),
    )
    for name, shape in names:
        for p in (0.0, 0.5, 1.0):
            for training in (False, True):
                for inplace in (False, True):
                    yield f"nn.functional.{name}", (vector(*shape),), {"p": p, "training": training, "inplace": inplace}
    for p in (0.0, 0.5, 1.0):
        for train in (False, True):
            for name in ("dropout", "dropout_", "alpha_dropout", "alpha_dropout_"):
                yield name, (vector(3, 4), p, train), {}


def _normalizations() -> Iterator[Program]:
    for training in (False, True):
        for weight, bias in ((None, None), (vector(3), vector(3))):
            mean, variance = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
            yield "nn.functional.batch_norm", (vector(4, 3, 5), mean, variance, weight, bias), {"training": training}
            name = "use_input_stats"
            yield "nn.functional.instance_norm", (vector(4, 3, 5), mean, variance, weight, bias), {name: training}
    yield "nn.functional.batch_norm", (vector(4, 3, 5), None, None), {"training": True}
    yield "nn.functional.instance_norm", (vector(4, 3, 5),), {}
    for weight, bias in ((None, None), (vector(4), vector(4))):
        yield "nn.functional.layer_norm", (vector(3, 4), (4,), weight, bias), {}
        yield "nn.functional.rms_norm", (vector(3, 4), (4,), weight), {}
        yield "nn.functional.group_norm", (vector(3, 4, 5), 2, weight, bias), {}
    for p in (1.0, 2.0, 3.0):
        yield "nn.functional.normalize", (vector(3, 4),), {"p": p}
    yield "nn.functional.local_response_norm", (vector(2, 4, 5), 2), {}


def _pooling_and_padding() -> Iterator[Program]:
    for dims, size in ((1, (2, 3, 8)), (2, (2, 3, 8, 8)), (3, (2, 3, 8, 8, 8))):
        for indices in (False, True):
            yield f"nn.functional.max_pool{dims}d", (vector(*size), 2), {"return_indices": indices}
            yield f"nn.functional.adaptive_max_pool{dims}d", (vector(*size), 2), {"return_indices": indices}
        yield f"nn.functional.avg_pool{dims}d", (vector(*size), 2), {}
        yield f"nn.functional.adaptive_avg_pool{dims}d", (vector(*size), 2), {}
        yield f"nn.functional.lp_pool{dims}d", (vector(*size), 2.0, 2), {}
    for mode in ("constant", "reflect", "replicate", "circular"):
        yield "nn.functional.pad", (vector(2, 3, 8), (1, 2)), {"mode": mode}
    yield "nn.functional.pad", (vector(2, 3, 8), (0, 0)), {}
    for mode in ("nearest", "linear", "area", "nearest-exact"):
        yield "nn.functional.interpolate", (vector(2, 3, 8),), {"scale_factor": 2.0, "mode": mode}
    for mode in ("bilinear", "bicubic"):
        yield "nn.functional.interpolate", (vector(2, 3, 8, 8),), {"scale_factor": 2.0, "mode": mode}
    yield "nn.functional.fold", (vector(1, 12, 9), (4, 4), (2, 2)), {}
    yield "nn.functional.unfold", (vector(1, 3, 4, 4), (2, 2)), {}
    yield "nn.functional.affine_grid", (vector(2, 2, 3), (2, 3, 4, 4)), {}


def _losses() -> Iterator[Program]:
    target = torch.randn(3, 4, dtype=torch.float64)
    positive = torch.rand(3, 4, dtype=torch.float64, requires_grad=True)
    classes = torch.tensor([0, 2, 1])
    for reduction in ("none", "mean", "sum"):
        chosen = {"reduction": reduction}
        for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
            yield f"nn.functional.{name}", (vector(3, 4), target), chosen
            yield f"nn.functional.{name}", (vector(3, 4), vector(3, 4)), chosen
        yield "nn.functional.smooth_l1_loss", (vector(3, 4), target), {"beta": 0.0, **chosen}
        for weight in (None, torch.rand(4, dtype=torch.float64)):
            yield "nn.functional.cross_entropy", (vector(3, 4), classes), {"weight": weight, **chosen}
            yield "nn.functional.nll_loss", (vector(3, 4), classes), {"weight": weight, **chosen}
            yield "nn.functional.binary_cross_entropy", (positive, positive.detach()), {"weight": weight, **chosen}
            given = {"weight": weight, **chosen}
            yield "nn.functional.binary_cross_entropy_with_logits", (vector(3, 4), positive.detach()), given
        for log_target in (False, True):
            yield "nn.functional.kl_div", (vector(3, 4), positive.detach()), {"log_target": log_target, **chosen}
        yield "nn.functional.soft_margin_loss", (vector(3, 4), target.sign()), chosen
        yield "nn.functional.multilabel_margin_loss", (vector(3, 4), torch.tensor([[0, 1, -1, -1]] * 3)), chosen
        yield "nn.functional.multi_margin_loss", (vector(3, 4), classes), chosen


def _conversions() -> Iterator[Program]:
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        given = vector(3, 4).detach().to(dtype).requires_grad_()
        for name in ("float", "double", "half", "bfloat16", "cfloat", "cdouble"):
            yield f"Tensor.{name}", (given,), {}
        for name in ("cpu", "contiguous", "clone", "detach", "resolve_conj", "resolve_neg", "conj"):
            yield f"Tensor.{name}", (given,), {}
    for copy in (False, True):
        yield "Tensor.to", (vector(3, 4), torch.float64), {"copy": copy}
        yield "Tensor.to", (vector(3, 4), torch.float32), {"copy": copy}
        yield "Tensor.to", (vector(3, 4), "cpu"), {"copy": copy}
    for dtype in (torch.float64, torch.float32):
        yield "Tensor.type", (vector(3, 4), dtype), {}
        yield "Tensor.type_as", (vector(3, 4), torch.zeros(2, dtype=dtype)), {}
    yield "Tensor.contiguous", (vector(3, 4).detach().t().requires_grad_(),), {}
    yield "clone", (vector(3, 4),), {}


def _shapes() -> Iterator[Program]:
    transposed = vector(3, 4).detach().t().requires_grad_()
    for given in (vector(4, 3), transposed):
        yield "reshape", (given, (2, 6)), {}
        yield "reshape", (given, (4, 3)), {}
        yield "Tensor.reshape_as", (given, torch.zeros(2, 6)), {}
        yield "flatten", (given,), {}
        yield "ravel", (given,), {}
    yield "flatten", (vector(4),), {}
    for name in ("T", "mT", "H", "mH", "real"):
        yield f"Tensor.{name}", (vector(3, 4),), {}
    yield "Tensor.expand", (vector(3, 1), 3, 4), {}
    yield "Tensor.expand_as", (vector(3, 1), torch.zeros(3, 4)), {}
    yield "Tensor.view", (vector(3, 4), 12), {}
    yield "Tensor.view_as", (vector(3, 4), torch.zeros(12)), {}
    yield "Tensor.repeat", (vector(3, 4), 2, 1), {}
    yield "Tensor.permute", (vector(3, 4), 1, 0), {}
    yield "Tensor.split", (vector(3, 4), 2), {}
    yield "split", (vector(3, 4), 2), {}
    yield "Tensor.unflatten", (vector(3, 4), 1, (2, 2)), {}
    yield "atleast_1d", (vector(3),), {}
    yield "atleast_2d", (vector(3),), {}
    yield "atleast_3d", (vector(3),), {}
    yield "broadcast_tensors", (vector(3, 1), vector(4)), {}
    yield "meshgrid", (vector(3), vector(4)), {"indexing": "ij"}
    yield "cartesian_prod", (vector(3), vector(4)), {}
    yield "block_diag", (vector(3, 3), vector(4, 4)), {}


def _indexing() -> Iterator[Program]:
    index, flags = torch.tensor([0, 2]), torch.tensor([True, False, True])
    for key in (0, slice(1), None, index, flags, (0, 1), (slice(None), index)):
        yield "Tensor.__getitem__", (vector(3, 4), key), {}
    for key in (0, slice(1), index, flags):
        yield "Tensor.__setitem__", (vector(3, 4), key, 1.0), {}
        yield "Tensor.__setitem__", (vector(3, 4), key, vector(4)), {}
    weight = vector(5, 3)
    for max_norm in (None, 1.0):
        yield "nn.functional.embedding", (index, weight), {"max_norm": max_norm}
    for mode in ("sum", "mean", "max"):
        yield "nn.functional.embedding_bag", (index, weight, torch.tensor([0, 1])), {"mode": mode}
    for value in (2.0, vector()):
        yield "masked_fill", (vector(3), flags, value), {}
        yield "Tensor.masked_fill_", (vector(3), flags, value), {}
    yield "where", (flags, vector(3), vector(3)), {}
    yield "where", (flags, vector(3), 0.0), {}


def _arithmetic() -> Iterator[Program]:
    names = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
    for name in names:
        for prefix in ("", "r", "i"):
            if name == "matmul" and prefix == "i":
                continue
            for other in (vector(3, 3).detach().abs().requires_grad_(), *(() if name == "matmul" else (2.0, 3))):
                yield f"Tensor.__{prefix}{name}__", (vector(3, 3).detach().abs().add(1).requires_grad_(), other), {}
    for name in ("neg", "abs", "pos"):
        yield f"Tensor.__{name}__", (vector(3),), {}
    for equation, operands in (("ij,jk->ik", 2), ("ij->ji", 1), ("ij->", 1), ("ij,ij->ij", 2), ("ij,jk,kl->il", 3)):
        yield "einsum", (equation, *(vector(3, 3) for _ in range(operands))), {}
    for p in (0.0, 1.0, 2.0, 3.0, float("inf")):
        yield "cdist", (vector(3, 4), vector(5, 4)), {"p": p}
        yield "norm", (vector(3, 4),), {"p": p}
        yield "Tensor.norm", (vector(3, 4),), {"p": p}
        yield "dist", (vector(3, 4), vector(3, 4)), {"p": p}
    yield "tensordot", (vector(3, 4), vector(4, 3)), {"dims": 1}
    yield "chain_matmul", (vector(3, 4), vector(4, 3), vector(3, 2)), {}
    yield "nn.functional.bilinear", (vector(2, 3), vector(2, 4), vector(5, 3, 4)), {}
    yield "nn.functional.linear", (vector(2, 3), vector(4, 3), vector(4)), {}


def _products() -> Iterator[Program]:
    vectors = [vector(*([2] * n)) for n in (1, 2, 3, 4)]
    turned = [v.detach().transpose(-1, -2).requires_grad_() for v in vectors[1:]]
    for left in (*vectors, *turned):
        for right in (*vectors, *turned):
            yield "matmul", (left, right), {}
            yield "Tensor.__matmul__", (left, right), {}
    for given in (*vectors, *turned):
        for bias in (None, vector(3)):
            yield "nn.functional.linear", (given, vector(3, 2), bias), {}
    for shape in ((2, 3, 4), (2, 2, 3, 4)):
        for is_causal in (False, True):
            operands = tuple(vector(*shape) for _ in range(3))
            yield "nn.functional.scaled_dot_product_attention", operands, {"is_causal": is_causal}
        mask = torch.ones(3, 3, dtype=torch.bool)
        yield "nn.functional.scaled_dot_product_attention", operands, {"attn_mask": mask}
