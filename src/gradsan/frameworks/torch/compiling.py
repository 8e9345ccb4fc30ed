"""What turns Python into something else, counted; or handing back the Python that it was given.

Source: `torch.jit.script`, `torch.jit.trace` and `torch.compile` return what they are given where they are disabled;
checked on torch 2.13.0.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch

from gradsan.frameworks.torch.doors import Patches
from gradsan.model.event import Event, Saved, Written
from gradsan.record.observations import Observations

_COMPILERS: tuple[tuple[Any, str], ...] = (
    (torch, "compile"),
    (torch.jit, "script"),
    (torch.jit, "trace"),
    (torch.jit, "script_method"),
)
_GIVEN = ("model", "obj", "func", "fn")
"""The names of their first parameters."""


COMPILER = "torch._dynamo.output_graph"
"""The module by which functions of the user's are compiled."""
COMPILED_MARK = "__compiled_fn_"
"""How the name begins by which compiled code of a function calls what it was compiled to.

Source: torch/_dynamo/output_graph.py (`compile_and_call_fx_graph`), 2.13.0.
"""


_COMPILED = "CompiledFunction"
"""The node of what was compiled."""

_HOW_TO_KNOW = "its lines are known with TORCH_COMPILE_DISABLE=1"


def count_compiled(patches: Patches, observations: Observations, *, is_interpreted: bool) -> None:
    """Count in ``n_compiled`` what the program compiles; if so asked, let it stay Python.

    Effect: wraps the compilers until the patches are restored.
    """
    for owner, name in _COMPILERS:
        patches.set(owner, name, _counted(getattr(owner, name), observations, is_interpreted=is_interpreted))


def notes_on_compiled(events: Sequence[Event]) -> tuple[str, ...]:
    """Say so where one line both saved and wrote, and what it calls may be compiled: the lines in there are unknown.

    They are too where compiled code has saved.

    Source: `torch._dynamo.utils.counters["frames"]["ok"]` counts the functions that were compiled; torch 2.13.0.
    """
    utils = sys.modules.get("torch._dynamo.utils")
    if utils is None or not utils.counters["frames"]["ok"]:
        return ()
    if any(isinstance(event, Saved) and event.operation == _COMPILED for event in events):
        return (f"`{_COMPILED}` is what the saving line calls, compiled; {_HOW_TO_KNOW}",)
    saved, written = ([event for event in events if isinstance(event, kind)][:1] for kind in (Saved, Written))
    places = {None if event.span is None else (event.span.path, event.span.line) for event in (*saved, *written)}
    if not (saved and written) or len(places) > 1 or None in places:
        return ()
    return (f"what this line calls ran compiled; {_HOW_TO_KNOW}",)


def _counted(compiled: Callable[..., Any], observations: Observations, *, is_interpreted: bool) -> Callable[..., Any]:
    is_script = compiled is torch.jit.script

    @functools.wraps(compiled)
    def count(*args: Any, **kwargs: Any) -> Any:
        observations.n_compiled += 1
        if not is_interpreted:
            if is_script:  # which looks up the names of a class in the frame that many above
                kwargs["_frames_up"] = kwargs.get("_frames_up", 0) + 1
            return compiled(*args, **kwargs)
        given = [*args[:1], *(kwargs[name] for name in _GIVEN if name in kwargs)]
        return given[0] if given and given[0] is not None else lambda function: function

    return count
