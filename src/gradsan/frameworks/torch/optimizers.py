"""Optimizer steps: one write to each parameter, recorded as one event.

# NOTE [An optimizer step is one write] A for-loop AdamW calls five in-place operations a parameter; what the user wrote
is one line.  Inside `step` the wrappers are quiet; afterwards one run is kept for each optimizer and place, and which
parameters it wrote is asked of its groups only when a finding needs it.  Fused steps never move the version counter
and are seen the same way.
"""

from __future__ import annotations

import gc
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import NamedTuple

import torch
from torch.optim.optimizer import Optimizer

from gradsan.frameworks.torch.sharded import gathered_keys, is_sharded
from gradsan.frameworks.torch.storages import keys_of, storage_key
from gradsan.model.event import Writer
from gradsan.record.frames import Site
from gradsan.record.writes import GRAD_ENABLED, InnerWrites, Run

MAX_RUNS = 256
MAX_GONE = 64
ENOUGH_COUNTED = 3
"""Steps after which an optimizer that moves the version counter is taken to go on doing so."""


class Place(NamedTuple):
    """Where a step was called: code and position, and the program's own line that led there from outside of it."""

    code: CodeType | None
    position: int
    in_program: Site | None


@dataclass(slots=True, eq=False)
class Steps:
    """Steps of one optimizer from one line.

    ``skipped`` holds the parameters that had no gradient then, ``shared`` the storages of others whose memory is also
    that of tensors which may outlive them.
    """

    run: Run
    skipped: frozenset[int]
    shared: frozenset[int]


@dataclass(slots=True, eq=False)
class Stepped:
    """One optimizer and its steps; what it updates is remembered, because it can die before the graph does."""

    optimizer: Callable[[], Optimizer | None]
    parameters: tuple[Callable[[], torch.Tensor | None], ...]
    steps: list[Steps]
    n_counted: int = 0
    """Steps that moved the version counter of what they wrote."""

    def living(self) -> Iterator[torch.Tensor]:
        """Yield the parameters that are alive."""
        optimizer = self.optimizer()
        if optimizer is not None:
            yield from parameters_of(optimizer)
            return
        yield from (parameter for each in self.parameters if (parameter := each()) is not None)


class StepLog:
    """Runs of steps of each optimizer."""

    def __init__(self) -> None:
        self._known: dict[int, Stepped] = {}
        self._gone: deque[Stepped] = deque(maxlen=MAX_GONE)
        self.inner: dict[int, InnerWrites] = {}
        """Thread -> what the step of the program's own that runs there wrote so far."""

    def add(
        self,
        optimizer: Optimizer,
        run: Run,
        skipped: frozenset[int] = frozenset(),
        shared: frozenset[int] = frozenset(),
    ) -> None:
        """Append a step."""
        steps = self._of(optimizer).steps
        if len(steps) >= MAX_RUNS:
            del steps[: MAX_RUNS // 4]
        steps.append(Steps(run, skipped, shared))

    def goes_on(
        self,
        optimizer: Optimizer,
        place: Place,
        now: tuple[int, int],
        skipped: frozenset[int],
        inner: InnerWrites | None,
    ) -> bool:
        """Take a step into the last run where that stepped from the same place; return False where it did not.

        Args:
            optimizer: Which stepped.
            place: Where it was called.
            now: Number and order.
            skipped: The parameters that had no gradient.
            inner: What lines of the program's own wrote.
        """
        known = self._known.get(id(optimizer))
        if known is None or not known.steps or known.optimizer() is not optimizer:
            return False
        last = known.steps[-1]
        is_same = last.run.code is place.code and last.run.position == place.position
        if not is_same or last.run.in_program != place.in_program or last.skipped != skipped:
            return False
        last.run.last_number, last.run.last_order = now
        last.run.n_times += 1
        last.run.inner = inner
        return True

    def is_looked_at(self, optimizer: Optimizer) -> bool:
        """Return whether it is still to be seen if an optimizer's steps move the version counter."""
        known = self._known.get(id(optimizer))
        return known is None or known.n_counted < ENOUGH_COUNTED or known.optimizer() is not optimizer

    def note_counted(self, optimizer: Optimizer) -> None:
        """Remember that a step moved the version counter."""
        self._of(optimizer).n_counted += 1

    def _of(self, optimizer: Optimizer) -> Stepped:
        known = self._known.get(id(optimizer))
        if known is None or known.optimizer() is not optimizer:
            if known is not None:  # the identity of one that has died
                self._gone.append(known)
            parameters = tuple(weakref.ref(parameter) for parameter in parameters_of(optimizer))
            known = self._known[id(optimizer)] = Stepped(weakref.ref(optimizer), parameters, [])
        return known

    def writes_to(self, key: int) -> Iterator[Run]:
        """Yield the runs of steps that wrote the parameter of a storage."""
        for stepped in (*self._gone, *self._known.values()):
            if any(storage_key(parameter) == key for parameter in stepped.living()):
                yield from (each.run for each in stepped.steps)

    def by_storage(self) -> dict[int, list[Run]]:
        """Return the runs that wrote each parameter, by the key of its storage."""
        found: dict[int, list[Run]] = {}
        gathered: dict[int, int] | None = None
        for stepped in (*self._gone, *self._known.values()):
            for each in stepped.steps:
                for key in each.shared:
                    found.setdefault(key, []).append(each.run)
            for parameter in stepped.living():
                runs = [each.run for each in stepped.steps if id(parameter) not in each.skipped]
                for key in keys_of(parameter) if runs else ():
                    found.setdefault(key, []).extend(runs)
                if runs and is_sharded(parameter):
                    gathered = gathered_keys() if gathered is None else gathered
                    if id(parameter) in gathered:
                        found.setdefault(gathered[id(parameter)], []).extend(runs)
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._gone.clear()
        self.inner.clear()


def parameters_of(optimizer: Optimizer) -> Iterator[torch.Tensor]:
    """Yield the parameters of all groups."""
    for group in optimizer.param_groups:
        yield from group["params"]


def every_optimizer() -> Iterator[Optimizer]:
    """Yield the optimizers that are alive."""
    return (each for each in gc.get_objects() if issubclass(type(each), Optimizer))


def owners_of(leaf: torch.Tensor) -> Iterator[Optimizer]:
    """Yield the optimizers that are alive and have a leaf in one of their groups."""
    return (each for each in every_optimizer() if any(leaf is one for one in parameters_of(each)))


def run_of_step(
    optimizer: Optimizer,
    place: Place,
    now: tuple[int, int],
    inner: InnerWrites | None = None,
) -> Run:
    """Return the run that a step begins."""
    number, order = now
    operation = f"{type(optimizer).__name__}.step"
    run = Run(
        place.code, place.position, operation, 0, 0, number, number, order, order, GRAD_ENABLED, writer=Writer.OPTIMIZER
    )
    run.in_program, run.inner = place.in_program, inner
    return run
