"""The adapters: the only room that imports a framework, and only on `load`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from gradsan.frameworks.base import Adapter
from gradsan.model.errors import FrameworkMissing

__all__ = ["Adapter", "load"]


def load(name: str = "torch") -> Adapter:
    """Return the adapter of a framework.

    Raises:
        FrameworkMissing: the framework is not installed in this interpreter.
    """
    if find_spec(name) is None:
        raise FrameworkMissing(
            f"{name} is not installed in this Python; install it with `pip install 'gradsan[{name}]'`"
        )
    adapter: Adapter = import_module(f"{__name__}.{name}").load_adapter()
    return adapter
