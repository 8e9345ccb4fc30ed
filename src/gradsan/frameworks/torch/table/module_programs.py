"""Modules of our own to observe: switches (``inplace``, ``p``, the mode), and classes that the database lacks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import nn

from gradsan.frameworks.torch.table.programs import vector

ModuleProgram = tuple["type[nn.Module]", tuple[Any, ...], dict[str, Any], tuple[Any, ...]]
"""(class, constructor arguments, constructor keywords, inputs)"""


def module_programs() -> Iterator[ModuleProgram]:
    """Yield every construction with its inputs; each is run in train and in eval mode.

    Effect: seeds torch.
    """
    torch.manual_seed(0)
    for _ in range(2):
        yield from _activations()
        yield from _dropouts()
        yield from _shapes()
        yield from _losses()
        yield from _seldom()
    yield from _recurrent()


def _activations() -> Iterator[ModuleProgram]:
    kinds = (
        nn.ReLU,
        nn.ReLU6,
        nn.ELU,
        nn.CELU,
        nn.SELU,
        nn.LeakyReLU,
        nn.Hardtanh,
        nn.Hardswish,
        nn.Hardsigmoid,
        nn.SiLU,
        nn.Mish,
        nn.RReLU,
    )
    for inplace in (False, True):
        for kind in kinds:
            yield kind, (), {"inplace": inplace}, (vector(3, 4),)
        yield nn.Threshold, (0.1, 20.0), {"inplace": inplace}, (vector(3, 4),)
    yield nn.Identity, (), {}, (vector(3, 4),)


def _dropouts() -> Iterator[ModuleProgram]:
    kinds = (
        (nn.Dropout, (3, 4)),
        (nn.Dropout1d, (2, 3, 4)),
        (nn.Dropout2d, (2, 3, 4, 4)),
        (nn.Dropout3d, (2, 3, 2, 2, 2)),
        (nn.AlphaDropout, (3, 4)),
        (nn.FeatureAlphaDropout, (2, 3, 4)),
    )
    for kind, shape in kinds:
        for p in (0.0, 0.5, 1.0):
            for inplace in (False, True):
                yield kind, (), {"p": p, "inplace": inplace}, (vector(*shape),)


def _shapes() -> Iterator[ModuleProgram]:
    yield nn.Flatten, (), {}, (vector(2, 3, 4),)
    yield nn.Flatten, (), {}, (vector(2, 3, 4).detach().transpose(1, 2).requires_grad_(),)
    yield nn.Unflatten, (1, (2, 2)), {}, (vector(3, 4),)
    yield nn.PixelShuffle, (2,), {}, (vector(1, 4, 2, 2),)
    yield nn.PixelUnshuffle, (2,), {}, (vector(1, 1, 4, 4),)
    yield nn.ChannelShuffle, (2,), {}, (vector(1, 4, 2, 2),)
    yield nn.Fold, ((4, 4), (2, 2)), {}, (vector(1, 12, 9),)
    yield nn.Unfold, ((2, 2),), {}, (vector(1, 3, 4, 4),)
    for mode in ("nearest", "bilinear", "bicubic"):
        yield nn.Upsample, (), {"scale_factor": 2, "mode": mode}, (vector(1, 3, 4, 4),)
    yield nn.UpsamplingNearest2d, (), {"scale_factor": 2}, (vector(1, 3, 4, 4),)
    yield nn.UpsamplingBilinear2d, (), {"scale_factor": 2}, (vector(1, 3, 4, 4),)
    yield nn.EmbeddingBag, (5, 3), {"mode": "sum"}, (torch.tensor([[0, 1], [2, 3]]),)
    yield nn.EmbeddingBag, (5, 3), {}, (torch.tensor([[0, 1], [2, 3]]),)
    yield nn.Embedding, (5, 3), {"max_norm": 1.0}, (torch.tensor([0, 1]),)
    yield nn.SyncBatchNorm, (3,), {}, (vector(2, 3, 4),)
    for affine in (False, True):
        yield nn.LayerNorm, (4,), {"elementwise_affine": affine}, (vector(3, 4),)
        yield nn.RMSNorm, (4,), {"elementwise_affine": affine}, (vector(3, 4),)
        yield nn.GroupNorm, (2, 4), {"affine": affine}, (vector(3, 4, 5),)
    yield nn.Softmax, (-1,), {}, (vector(3, 4),)


def _losses() -> Iterator[ModuleProgram]:
    target = torch.randn(3, 4, dtype=torch.float64)
    yield nn.CosineSimilarity, (), {}, (vector(3, 4), vector(3, 4))
    yield nn.PairwiseDistance, (), {}, (vector(3, 4), vector(3, 4))
    yield nn.TripletMarginLoss, (), {}, (vector(3, 4), vector(3, 4), vector(3, 4))
    for reduction in ("none", "mean", "sum"):
        yield nn.L1Loss, (), {"reduction": reduction}, (vector(3, 4), target)
        yield nn.MSELoss, (), {"reduction": reduction}, (vector(3, 4), target)
        yield nn.CrossEntropyLoss, (), {"reduction": reduction}, (vector(3, 4), torch.tensor([0, 1, 2]))


def _recurrent() -> Iterator[ModuleProgram]:
    for kind, dtype, batch_first in product((nn.RNN, nn.GRU, nn.LSTM), (torch.float64, torch.float32), (False, True)):
        for more in ({}, {"num_layers": 2}, {"bidirectional": True}, {"bias": False}, {"proj_size": 2}):
            if "proj_size" in more and kind is not nn.LSTM:
                continue
            given = vector(2, 2, 3).detach().to(dtype).requires_grad_()
            yield kind, (3, 4), {"batch_first": batch_first, **more}, (given,)
            n_states = more.get("num_layers", 1) * (2 if "bidirectional" in more else 1)
            hx = [vector(n_states, 2, n).detach().to(dtype).requires_grad_() for n in (more.get("proj_size", 4), 4)]
            yield kind, (3, 4), {"batch_first": batch_first, **more}, (given, tuple(hx) if kind is nn.LSTM else hx[1])
    yield nn.MultiheadAttention, (4, 2), {}, (vector(5, 2, 4), vector(5, 2, 4), vector(5, 2, 4))
    yield nn.MultiheadAttention, (4, 2), {"batch_first": True}, (vector(2, 5, 4), vector(2, 5, 4), vector(2, 5, 4))


def _seldom() -> Iterator[ModuleProgram]:
    for dims, kind in ((1, nn.MaxUnpool1d), (2, nn.MaxUnpool2d), (3, nn.MaxUnpool3d)):
        pooled, indices = getattr(nn.functional, f"max_pool{dims}d_with_indices")(vector(2, 3, *[4] * dims), 2)
        yield kind, (2,), {}, (pooled.detach().requires_grad_(), indices)
    layer = nn.TransformerDecoderLayer(4, 2, dim_feedforward=8, dropout=0.0)
    yield nn.TransformerDecoder, (layer, 1), {}, (vector(3, 2, 4), vector(3, 2, 4))
    yield nn.AdaptiveLogSoftmaxWithLoss, (4, 6, [2]), {}, (vector(3, 4), torch.tensor([0, 2, 5]))
    yield nn.NLLLoss2d, (), {}, (vector(1, 3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.int64))
    yield nn.TripletMarginWithDistanceLoss, (), {}, (vector(3, 4), vector(3, 4), vector(3, 4))
    yield nn.CrossMapLRN2d, (2,), {}, (vector(1, 4, 3, 3),)
