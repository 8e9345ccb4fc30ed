"""What fused attention keeps: more than the steps that it stands for."""

from __future__ import annotations

from dataclasses import replace

from gradsan.knowledge import Effect
from gradsan.source.flow.graph import Guard
from gradsan.source.flow.values import Tensor

FUSED = "scaled_dot_product_attention"


def as_fused(effect: Effect, inputs: list[tuple[str, Tensor, Guard]], dropout: object) -> Effect:
    """Return what attention keeps where heads were split off: query, key, value and the result.

    Without heads, or with dropout on the CPU, it runs step by step and keeps less.
    Source: run with torch 2.13.0; aten/src/ATen/native/transformers/sdp_utils_cpp.cpp.
    """
    is_split = any(tensor.view is not None for name, tensor, _ in inputs if name in ("query", "key", "value"))
    if not is_split or (isinstance(dropout, (int, float)) and dropout != 0):
        return effect
    return replace(effect, maybe=tuple(name for name in effect.maybe if name == "attn_mask"))
