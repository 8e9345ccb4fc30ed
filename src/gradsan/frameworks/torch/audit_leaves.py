"""Parameters that were made over the memory of other leaves: each gets a part of what is one gradient.

# NOTE [Two leaves, one memory] ``head.weight = nn.Parameter(embed.weight)`` shares the values and not the leaf: what
flows through the head is missing in the gradient of the embedding.  It is told where one backward pass reaches both.
Where SGD steps both, the two steps add up to the one that was wanted, and nothing is told; an optimizer that scales
each gradient by its own history, or that has one of the leaves only, goes elsewhere.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.graph import leaves_of
from gradsan.frameworks.torch.modules import subject_of
from gradsan.frameworks.torch.optimizers import owners_of
from gradsan.frameworks.torch.regions import key_of
from gradsan.frameworks.torch.running import before_accumulating
from gradsan.frameworks.torch.silent_history import needed_at
from gradsan.frameworks.torch.suspicion import region_of
from gradsan.model.history import History, TensorKind, Witness
from gradsan.record.frames import Site, current_site

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit

MAX_PAIRS = 256
N_LOOKS = 3
"""Backward passes after which two leaves that were not reached together are not looked for any more."""


class Pair:
    """A leaf, and the parameter that was made over its memory."""

    __slots__ = ("first", "n_looks", "second", "site")

    def __init__(self, first: Any, second: Any, site: Site | None) -> None:
        self.first, self.second = weakref.ref(first), weakref.ref(second)
        self.site = site
        self.n_looks = 0


class LeafAudit:
    """Remembers which parameters were made over other leaves, and which of them a backward pass reaches together."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._pairs: list[Pair] = []
        self._patches = Patches()

    def wrap(self, _patches: Patches) -> None:
        """Listen to what makes parameters.

        Effect: until `unwrap`.
        """
        self._audit.recorder.suspicion.on_leaf = self._note

    def unwrap(self) -> None:
        """Undo `wrap`, and what it led to."""
        self._audit.recorder.suspicion.on_leaf = None
        self._patches.restore()
        self._pairs.clear()

    def _note(self, first: Any, second: Any) -> None:
        recorder = self._audit.recorder
        if recorder.is_quiet() or len(self._pairs) >= MAX_PAIRS:
            return
        with recorder.border():
            if not self._pairs:
                engine: Any = torch.autograd
                look = before_accumulating(
                    recorder, engine._engine_run_backward, lambda: bool(self._pairs), self._before_backward
                )
                self._patches.restore()
                self._patches.set(engine, "_engine_run_backward", look)
            self._pairs.append(Pair(first, second, current_site(recorder.user_code)))

    def _before_backward(self, roots: Any, inputs: Any) -> None:
        reached = {id(leaf): leaf for leaf in leaves_of(roots, inputs)}
        for pair in list(self._pairs):
            first, second = pair.first(), pair.second()
            pair.n_looks += 1
            is_done = first is None or second is None or pair.n_looks >= N_LOOKS
            if reached.get(id(first)) is first and reached.get(id(second)) is second and _is_split(first, second):
                self._tell(pair, second)
                is_done = True
            if is_done:
                self._pairs.remove(pair)

    def _tell(self, pair: Pair, leaf: Any) -> None:
        recorder = self._audit.recorder
        needed = needed_at(recorder, current_site(recorder.user_code), "AccumulateGrad")
        subject = subject_of(leaf, kind=TensorKind.PARAMETER)
        events = (self._audit.written(pair.site, "Parameter"), needed)
        self._audit.tell(History(subject=subject, events=events, witness=Witness.LEAF_OVER_LEAF))


def _is_split(first: Any, second: Any) -> bool:
    """Return whether two leaves still have one memory, and are not both stepped by SGD."""
    if first is None or second is None or key_of(first) != key_of(second) or region_of(first) != region_of(second):
        return False
    owners = [list(owners_of(leaf)) for leaf in (first, second)]
    return not all(of_one and all(isinstance(each, torch.optim.SGD) for each in of_one) for of_one in owners)
