"""The ways in which a step can be run: plain, under a verb of gradsan, under what PyTorch has."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch

import gradsan

Mode = Callable[[], AbstractContextManager[object]]

PLAIN = "plain"


def modes() -> dict[str, Mode]:
    """Return the modes that this installation has; a verb that gradsan lacks is left out."""
    found: dict[str, Mode] = {PLAIN: nullcontext}
    for verb in ("watch", "audit", "protect"):
        if verb in gradsan.__all__:
            found[verb] = partial(_enter, verb)
    found["anomaly"] = torch.autograd.detect_anomaly
    found["allow_mutation"] = torch.autograd.graph.allow_mutation_on_saved_tensors
    return found


def _enter(verb: str) -> AbstractContextManager[object]:
    context: AbstractContextManager[object] = getattr(gradsan, verb)()
    return context
