"""Values that lead to the framework are known, without running what they say of themselves."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradsan.frameworks.torch.belonging import is_framework_value


class Net(nn.Module):
    pass


class Proxy:
    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("asked")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


@pytest.mark.parametrize(
    "value",
    [
        *(torch.zeros(1), nn.Parameter(torch.zeros(1)), Net(), Net, nn.Linear(1, 1), torch, F, torch.exp, F.relu),
        *(torch.zeros(1).mul_, torch.float32, torch.device("cpu"), torch.optim.SGD, torch.no_grad),
    ],
    ids=str,
)
def test_the_frameworks(value: Any) -> None:
    assert is_framework_value(value)


@pytest.mark.parametrize(
    "value",
    [1, "torch", None, math, math.exp, [torch.zeros(1)], SimpleNamespace(x=1), lambda: torch, Proxy],
    ids=lambda value: type(value).__name__,
)
def test_others(value: Any) -> None:
    assert not is_framework_value(value)


def test_a_proxy_is_not_asked() -> None:
    assert not is_framework_value(Proxy())
