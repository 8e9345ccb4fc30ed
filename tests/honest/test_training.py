"""Honest training: nothing is found, and what it computes stays the same to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

import gradsan

from . import more_scripts, scripts, yet_more_scripts

pytestmark = pytest.mark.torch

Script = Callable[[], list[torch.Tensor]]


@pytest.mark.parametrize("verb", [gradsan.watch, gradsan.audit], ids=lambda verb: verb.__name__)
@pytest.mark.parametrize(
    "script", [*scripts.ALL, *more_scripts.ALL, *yet_more_scripts.ALL], ids=lambda script: script.__name__
)
def test_nothing_is_found_and_nothing_changes(script: Script, verb: Any) -> None:
    torch.manual_seed(0)
    plain = script()
    torch.manual_seed(0)
    with verb() as session:
        watched = script()
    assert session.findings == ()
    assert session.not_covered == ()
    assert len(plain) == len(watched)
    assert all(torch.equal(one, other) for one, other in zip(plain, watched, strict=True))
