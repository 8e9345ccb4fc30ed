"""The torch adapter."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradsan.frameworks.torch.adapter import TorchAdapter


_loading = Lock()


def load_adapter() -> TorchAdapter:
    """Return the one adapter of this process, whichever thread asks first."""
    with _loading:
        return _adapter()


@cache
def _adapter() -> TorchAdapter:
    from gradsan.frameworks.torch.adapter import TorchAdapter

    return TorchAdapter()
