"""What NumPy is given, arrays or tensors that require no gradient; and other libraries that know no tensors."""

from __future__ import annotations

from gradsan.source.flow.machine import Arguments, Frame
from gradsan.source.flow.values import Opaque, Tensor, Value

NUMERIC = frozenset({"math", "numpy", "random", "time", "os"})
"""Libraries of which nothing returns a tensor."""


def call_numeric(frame: Frame, library: str, arguments: Arguments) -> Value:
    """Call a function of a library that returns no tensor."""
    if library == "numpy":
        _note_given(frame, arguments)
    is_number = library in ("math", "time")
    return Opaque(name="" if is_number else "array", is_number=is_number)


def _note_given(frame: Frame, arguments: Arguments) -> None:
    """Record that a function of NumPy is called: it takes no tensor that requires a gradient.

    Source: torch/_tensor.py, Tensor.__array__ (2.13.0).
    """
    machine = frame.machine
    roots = [given.roots for given in arguments.positional if isinstance(given, (Opaque, Tensor)) and given.roots]
    if roots:
        machine.given_to_numpy.append((frozenset().union(*roots), machine.guard))
