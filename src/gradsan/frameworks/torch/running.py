"""Backward passes that run: what hooks and recomputed regions write while a graph is in use.

# NOTE [While it runs] A graph is looked at before its backward begins.  What a gradient hook, an optimizer inside of
one or a region that is run again writes meanwhile came later.  A node gives up what it saved once it has run: what the
graph still holds is still needed.  Where the graph is kept (``retain_graph=True``) that can't be told; there only the
audit, which compares what each node gets, finds such a write.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from gradsan.frameworks.torch.graph import nodes_between, slots_of
from gradsan.frameworks.torch.storages import keys_of
from gradsan.record.frames import Site


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


def is_run_again(running: list[Running], number: int | None) -> bool:
    """Return whether a node was made inside a backward around the youngest: a checkpointed forward, run again."""
    return number is not None and any(each.number <= number for each in running[:-1])
