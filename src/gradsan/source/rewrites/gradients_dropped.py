"""``optimizer.zero_grad(set_to_none=False)`` -> ``set_to_none=True``: the old gradients stay as a graph saved them."""

from __future__ import annotations

import ast

from gradsan.model.rewrite import Applicability, Fix
from gradsan.model.span import Span
from gradsan.source.program import last_name
from gradsan.source.rewrites.editing import locate, replace
from gradsan.source.targets import keyword_of

TITLE = "drop the gradients instead of overwriting them"


def propose(span: Span) -> Fix | None:
    """Return the fix that lets `zero_grad` drop the gradients.

    Args:
        span: The write.

    Returns:
        None for anything but a call of `zero_grad` that asks for zeros.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    calls = [each for each in ast.walk(node) if isinstance(each, ast.Call) and last_name(each.func) == "zero_grad"]
    for call in calls[:1]:
        flag = keyword_of(call, "set_to_none") or (call.args[0] if call.args else None)
        if isinstance(flag, ast.Constant) and flag.value is False:
            return Fix(TITLE, Applicability.UNSAFE, (replace(span.path, program.region(flag), "True"),))
    return None


__all__ = ["TITLE", "propose"]
