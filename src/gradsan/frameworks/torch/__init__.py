"""The torch adapter."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradsan.frameworks.torch.adapter import TorchAdapter


@cache
def load_adapter() -> TorchAdapter:
    """Return the one adapter of this process."""
    from gradsan.frameworks.torch.adapter import TorchAdapter

    return TorchAdapter()
