"""Calls of what the OpInfo database lacks: recurrent functions and cells, factorizations, conversions, old names."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from gradsan.frameworks.torch.table.programs import Program, vector


def rare_programs() -> Iterator[Program]:
    """Yield every call.

    Effect: seeds torch.
    """
    torch.manual_seed(0)
    for _ in range(2):
        yield from _recurrent()
        yield from _cells()
        yield from _pooling()
        yield from _norms_and_factors()
        yield from _quantization()
        yield from _conversions()
        yield from _others()


def _recurrent() -> Iterator[Program]:
    for name, gates in (("rnn_tanh", 1), ("rnn_relu", 1), ("gru", 3), ("lstm", 4)):
        for dtype in (torch.float64, torch.float32):
            for batch_first in (False, True):
                weights = [vector(4 * gates, 3), vector(4 * gates, 4), vector(4 * gates), vector(4 * gates)]
                hidden = [vector(1, 2, 4) for _ in range(2 if name == "lstm" else 1)]
                # Alike in both layouts: a batch of two, two steps.
                given, *rest = (t.detach().to(dtype).requires_grad_() for t in (vector(2, 2, 3), *hidden, *weights))
                state = rest[: len(hidden)]
                hx = tuple(state) if name == "lstm" else state[0]
                switches = (True, 1, 0.0, True, False, batch_first)
                yield name, (given, hx, tuple(rest[len(hidden) :]), *switches), {}


def _cells() -> Iterator[Program]:
    for name, gates in (("rnn_tanh_cell", 1), ("rnn_relu_cell", 1), ("gru_cell", 3), ("lstm_cell", 4)):
        for has_bias in (False, True):
            biases = (vector(4 * gates), vector(4 * gates)) if has_bias else ()
            hidden = (vector(2, 4), vector(2, 4)) if name == "lstm_cell" else vector(2, 4)
            yield name, (vector(2, 3), hidden, vector(4 * gates, 3), vector(4 * gates, 4), *biases), {}


def _pooling() -> Iterator[Program]:
    for dims, size in ((1, (2, 3, 8)), (2, (2, 3, 8, 8)), (3, (2, 3, 4, 4, 4))):
        yield f"nn.functional.max_pool{dims}d_with_indices", (vector(*size), 2), {}
        yield f"nn.functional.adaptive_max_pool{dims}d_with_indices", (vector(*size), 2), {}
        pooled, indices = getattr(torch.nn.functional, f"max_pool{dims}d_with_indices")(vector(*size), 2)
        yield f"nn.functional.max_unpool{dims}d", (pooled.detach().requires_grad_(), indices, 2), {}
    yield "max_pool1d_with_indices", (vector(2, 3, 8), 2), {}
    for mode in ("nearest", "linear"):
        yield "nn.functional.upsample", (vector(2, 3, 8),), {"scale_factor": 2.0, "mode": mode}
    yield "nn.functional.upsample_nearest", (vector(2, 3, 4, 4),), {"scale_factor": 2}
    yield "nn.functional.upsample_bilinear", (vector(2, 3, 4, 4),), {"scale_factor": 2}
    grid = vector(2, 3, 3, 2).detach().tanh().requires_grad_()
    yield "grid_sampler", (vector(2, 3, 4, 4), grid, 0, 0, False), {}


def _norms_and_factors() -> Iterator[Program]:
    yield "frobenius_norm", (vector(3, 4), [0, 1]), {}
    yield "nuclear_norm", (vector(3, 4),), {}
    for power in (1, 2, 3):
        yield "norm_except_dim", (vector(3, 4), power, 0), {}
    yield "_weight_norm", (vector(3, 4), vector(3, 1), 0), {}
    yield "slogdet", (vector(3, 3),), {}
    yield "Tensor.lu", (vector(3, 3),), {}
    yield "pca_lowrank", (vector(6, 4),), {"q": 2}
    yield "svd_lowrank", (vector(6, 4),), {"q": 2}
    symmetric = vector(9, 9).detach()
    positive = symmetric @ symmetric.T + 9 * torch.eye(9, dtype=torch.float64)
    yield "lobpcg", (positive.requires_grad_(),), {"k": 2}
    yield "linalg.ldl_factor", ((symmetric + symmetric.T).requires_grad_(),), {}
    for name in ("special.gammainc", "special.gammaincc"):
        yield name, (vector(3).detach().abs(), vector(3).detach().abs().requires_grad_()), {}
    yield "vander", (vector(3),), {}
    for name in ("cosine_embedding_loss", "margin_ranking_loss"):
        shape = (3, 4) if name.startswith("cosine") else (3,)
        yield name, (vector(*shape), vector(*shape), torch.ones(3)), {}
    yield "hinge_embedding_loss", (vector(3), torch.tensor([1.0, -1.0, 1.0])), {}
    yield "triplet_margin_loss", (vector(3, 4), vector(3, 4), vector(3, 4)), {}
    yield "poisson_nll_loss", (vector(3), vector(3).detach().abs(), True, False, 1e-8, 1), {}


def _quantization() -> Iterator[Program]:
    scale, zero = 0.1, 0
    yield "fake_quantize_per_tensor_affine", (vector(3, 4).detach().float().requires_grad_(), scale, zero, 0, 255), {}
    scales, zeros = torch.full((3,), scale), torch.zeros(3, dtype=torch.int32)
    given = vector(3, 4).detach().float().requires_grad_()
    yield "fake_quantize_per_channel_affine", (given, scales, zeros, 0, 0, 255), {}


def _conversions() -> Iterator[Program]:
    for dtype in (torch.float64, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool):
        given = torch.ones(3, 4, dtype=dtype)
        for name in ("bool", "byte", "char", "short", "int", "long"):
            yield f"Tensor.{name}", (given,), {}
    yield "Tensor.stft", (vector(32), 8), {"return_complex": True, "window": torch.ones(8, dtype=torch.float64)}
    yield "complex", (vector(3), vector(3)), {}


def _others() -> Iterator[Program]:
    for p in (0.0, 0.5):
        for train in (False, True):
            yield "feature_dropout", (vector(2, 3, 4), p, train), {}
            yield "feature_alpha_dropout", (vector(2, 3, 4), p, train), {}
    yield "selu", (vector(3),), {}
    for training in (False, True):
        yield "rrelu", (vector(3), 0.1, 0.3, training), {}
    # By keyword the two calls of one position are told apart.
    for name in ("max", "min"):
        yield name, (vector(3),), {"other": vector(3)}
    for name in ("__and__", "__or__", "__xor__"):
        yield name, (torch.tensor([True]), torch.tensor([False])), {}
    for name in ("__rfloordiv__", "__floordiv__", "__ifloordiv__"):
        yield f"Tensor.{name}", (torch.ones(3), 2.0), {}
    yield "Tensor.__contains__", (torch.ones(3), 1.0), {}
    yield "Tensor.__array_wrap__", (torch.ones(3), torch.ones(3).numpy()), {}
    yield "Tensor.size", (torch.ones(3), 0), {}
    yield "Tensor.stride", (torch.ones(3), 0), {}
    yield "nn.functional.one_hot", (torch.tensor([0, 2]),), {"num_classes": 3}
    yield "unravel_index", (torch.tensor([0, 2]), (2, 2)), {}
    yield "result_type", (torch.ones(3), torch.ones(3)), {}
    yield "histogramdd", (torch.rand(4, 2), 3), {}
