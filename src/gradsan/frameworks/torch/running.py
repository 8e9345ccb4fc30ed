"""Backward passes that run: what hooks and recomputed regions write while a graph is in use.

# NOTE [While it runs] A graph is looked at before its backward begins.  What a gradient hook, an optimizer inside of
one or a region that is run again writes meanwhile came later.  A node gives up what it saved once it has run: what the
graph still holds is still needed.  Where the graph is kept (``retain_graph=True``) that can't be told; there only the
audit, which compares what each node gets, finds such a write.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from gradsan.frameworks.torch.graph import nodes_between, slots_of
from gradsan.frameworks.torch.storages import keys_of
from gradsan.record.frames import Site

if TYPE_CHECKING:
    from gradsan.frameworks.torch.recorder import Recorder


class Running:
    """One backward pass that runs."""

    __slots__ = ("_nodes", "inputs", "keeps_graph", "number", "order", "roots", "site")

    def __init__(
        self, roots: Any, inputs: Any, site: Site | None, *, keeps_graph: bool, number: int, order: int
    ) -> None:
        self.roots = roots
        self.inputs = inputs
        self.site = site
        self.keeps_graph = keeps_graph
        self.number = number
        """Nodes made since on its thread have this number or a higher one."""
        self.order = order
        """Its place among the events of the session: what comes later, the look before it did not see."""
        self._nodes: dict[int, list[Any]] | None = None

    def nodes_that_need(self, key: int) -> Iterator[Any]:
        """Yield the nodes that saved a storage and have not run yet; the graph is walked when this is first asked."""
        if self.keeps_graph:
            return
        if self._nodes is None:
            self._nodes = {}
            for node in nodes_between(self.roots, self.inputs):
                for slot in slots_of(node, with_hooked=True):
                    for each in keys_of(slot.tensor):
                        self._nodes.setdefault(each, []).append(node)
        present = torch._C._current_autograd_node()
        for node in dict.fromkeys(self._nodes.get(key, ())):
            if node is not present:
                yield node


class Ended(NamedTuple):
    """One backward pass that has ended."""

    number: int
    """Nodes made before it have a lower number."""
    order: int
    """Its end among the events of the session."""
    site: Site | None
    keeps_graph: bool
    """Whether its graph stays for another pass that is to go over it again.

    A gradient that is asked for with ``create_graph=True`` is a step of a computation, whose one backward comes later.
    """


def keeps_for_later(arguments: Sequence[Any], named: Mapping[str, Any]) -> bool:
    """Return whether a pass keeps its graph for another one; see `Ended`.

    Args:
        arguments: What the engine is given behind the roots: gradients, ``keep_graph``, ``create_graph``, ...
        named: Its named arguments.

    Source: torch/autograd/__init__.py, `backward` and `grad`, 2.13.0.
    """
    keeps_graph, creates_graph = (len(arguments) <= at or bool(arguments[at]) for at in (1, 2))
    return keeps_graph and not (creates_graph and not named.get("accumulate_grad", False))


def before_accumulating(
    recorder: Recorder,
    original: Callable[..., Any],
    is_asked: Callable[[], bool],
    look: Callable[[Any, Any], None],
) -> Callable[..., Any]:
    """Return the engine's call with a look before each pass that accumulates into leaves.

    Args:
        recorder: Whose border the look runs in.
        original: The engine's call.
        is_asked: Whether there is something to look for now.
        look: Gets the roots and the inputs of the pass; without inputs, an empty tuple.
    """

    @functools.wraps(original)
    def run_backward(t_outputs: Any, *args: Any, **kwargs: Any) -> Any:
        if is_asked() and kwargs.get("accumulate_grad") and not torch.compiler.is_compiling():
            with recorder.border():
                look(t_outputs, args[3] if len(args) > 3 else ())
        return original(t_outputs, *args, **kwargs)

    return run_backward


def is_run_again(running: list[Running], number: int | None) -> bool:
    """Return whether a node was made inside a backward around the youngest: a checkpointed forward, run again."""
    return number is not None and any(each.number <= number for each in running[:-1])
