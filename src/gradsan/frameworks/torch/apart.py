"""Operations apart: in a run that serves as a reference, each computes on copies, and its result is a copy.

# NOTE [No hooks under transforms] `torch.func.grad` and its kind forbid saved-tensor hooks, so that nothing can be kept
there in place of what is overwritten.  Inside a transform each operation that returns a new tensor, as the table knows,
is therefore given clones of its arguments, and hands out a clone of its result: what it saved nobody else can write.
The values, and who sees which write, stay what they are.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils import _pytree as pytree

from gradsan import knowledge


class Apart(TorchFunctionMode):
    """Keeps operations under transforms apart; see NOTE [No hooks under transforms]."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation."""
        kwargs = kwargs or {}
        is_plain = torch._C._functorch.peek_interpreter_stack() is None
        if is_plain or kwargs.get("out") is not None or not _returns_new(func):
            return func(*args, **kwargs)
        args, kwargs = pytree.tree_map(_copied, (args, kwargs))
        return pytree.tree_map(_copied, func(*args, **kwargs))


def _copied(value: Any) -> Any:
    return torch.clone(value) if type(value) is torch.Tensor and value.is_floating_point() else value


@cache
def _returns_new(func: Any) -> bool:
    """Whether an operation surely returns a new tensor, and writes none."""
    name = resolve_name(func) if callable(func) else None
    operation = knowledge.load("torch").lookup(name) if name else None
    return (
        operation is not None
        and operation.views == "none"
        and not (operation.aliases or operation.writes or operation.may_return_input or operation.may_write)
    )
