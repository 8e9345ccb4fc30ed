"""What NumPy is given: arrays, or tensors that require no gradient."""

from __future__ import annotations

from gradsan.source.flow.machine import Arguments, Frame
from gradsan.source.flow.values import Opaque, Tensor


def note_given(frame: Frame, arguments: Arguments) -> None:
    """Record that a function of NumPy is called: it takes no tensor that requires a gradient.

    Source: torch/_tensor.py, Tensor.__array__ (2.13.0).
    """
    machine = frame.machine
    roots = [given.roots for given in arguments.positional if isinstance(given, (Opaque, Tensor)) and given.roots]
    if roots:
        machine.given_to_numpy.append((frozenset().union(*roots), machine.guard))
