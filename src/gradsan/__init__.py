"""gradsan, the gradient sanitizer.

Finds, explains and repairs in-place tensor writes that break gradient computation.  Importing this package loads no
framework: each public verb is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gradsan.surfaces.library import audit, disable, enable, inspect_graph, protect, verify, watch

# NOTE [Lazy verbs] A name's home; `__getattr__` imports it on first use, so that `import gradsan` stays below 50 ms.
_HOMES = {
    "audit": "gradsan.surfaces.library",
    "disable": "gradsan.surfaces.library",
    "enable": "gradsan.surfaces.library",
    "inspect_graph": "gradsan.surfaces.library",
    "protect": "gradsan.surfaces.library",
    "verify": "gradsan.surfaces.library",
    "watch": "gradsan.surfaces.library",
}

__all__ = ["__version__", "audit", "disable", "enable", "inspect_graph", "protect", "verify", "watch"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gradsan' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
