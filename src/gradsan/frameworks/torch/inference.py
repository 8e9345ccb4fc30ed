"""Where inference mode was switched on: what is made in it can be neither saved nor written outside of it."""

from __future__ import annotations

import functools
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from gradsan.model.event import Refusal, SequenceNumber, Viewed, ViewKind
from gradsan.record.frames import Site

if TYPE_CHECKING:
    from gradsan.frameworks.torch.doors import Callee, Patches
    from gradsan.frameworks.torch.recorder import Recorder

MAX_SITES = 8
_REFUSALS = (Refusal.INFERENCE_TENSOR, Refusal.INFERENCE_SAVED)


def wrap(recorder: Recorder, patches: Patches) -> None:
    """Note each place that enters the mode.

    Effect: until the patches are restored.
    """
    mode: Any = torch.inference_mode
    patches.set(mode, "__enter__", _entering(recorder, mode.__enter__))


def _entering(recorder: Recorder, original: Callee) -> Callee:
    @functools.wraps(original)
    def enter(self: Any) -> Any:
        if self.mode and len(recorder.inference_sites) < MAX_SITES and not torch.compiler.is_compiling():
            frame = recorder.user_code.innermost(sys._getframe(1))
            if frame is not None:
                recorder.inference_sites.setdefault((frame.f_code, frame.f_lineno), Site(frame.f_code, frame.f_lasti))
        return original(self)

    return enter


def switched_on(recorder: Recorder, refusal: Refusal) -> Viewed | None:
    """Return where the mode was switched on under which a refused tensor was made; None where it may be any place."""
    sites = list(recorder.inference_sites.values())
    if refusal not in _REFUSALS or len(sites) != 1:
        return None
    span = sites[0].span()  # of the whole block
    span = replace(span, end_line=span.line, end_column=span.column)
    return Viewed(span=span, operation="inference_mode", kind=ViewKind.INFERENCE, sequence=SequenceNumber(-1))
