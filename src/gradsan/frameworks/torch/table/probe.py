"""Runs one call under every mask that matters and sums up its behaviour."""

from __future__ import annotations

from collections.abc import Iterator

from gradsan.frameworks.torch.regions import tensors_in
from gradsan.frameworks.torch.table.calls import Call
from gradsan.frameworks.torch.table.learn import Behaviour
from gradsan.frameworks.torch.table.observe import (
    NotObservable,
    Observation,
    observe,
    observe_without_graph,
)

MOST_MASKS = 24
"""Calls with more differentiable arguments (whole transformers) are observed with all of them only."""

MOST_TRIED = 8
"""Calls with more differentiable arguments (recurrent layers) are read from the graph alone, and not written."""


def is_degenerate(call: Call) -> bool:
    """Return whether an argument has no elements: operations on nothing take short cuts and save less."""
    return any(t.numel() == 0 for value in call.bound.values() for t in tensors_in(value))


def differentiable_arguments(call: Call) -> frozenset[str]:
    """Return the arguments that require a gradient in this call."""
    return frozenset(n for n, v in call.bound.items() if any(t.requires_grad for t in tensors_in(v)))


def masks(call: Call) -> Iterator[frozenset[str]]:
    """Yield what may require a gradient: all that does, then each alone."""
    arguments = differentiable_arguments(call)
    yield arguments
    if len(arguments) > 1:
        yield from (frozenset({name}) for name in sorted(arguments))


def behaviour(call: Call) -> Behaviour:
    """Run the call, under each mask, and sum up.

    Raises:
        NotObservable: It made no graph, or backward doesn't run.
    """
    arguments = differentiable_arguments(call)
    few = len(arguments) <= MOST_MASKS
    whole = observe(call.run, call.bound, refusals=len(arguments) <= MOST_TRIED)
    singles = sorted(arguments) if few and len(arguments) > 1 else ()
    alone = {name: saved_roles(_observe_or_none(call, name), whole) for name in singles}
    together = saved_roles(whole, whole)
    saved = together.union(*alone.values())
    return Behaviour(
        given=call.given(),
        present=frozenset(whole.same_storage),
        differentiable=arguments,
        saves={o: frozenset(n for n in alone if o in alone[n]) or arguments for o in saved},
        writes=whole.written,
        aliases=whole.aliased,
        views=whole.views,
        is_input=whole.is_input,
        n_results=whole.n_results,
        is_probed=few,
        uncounted=whole.uncounted,
        not_read=whole.not_read,
        unsteady=saved - together,
    )


def behaviour_without_graph(call: Call) -> Behaviour:
    """Run a call that makes no graph, and sum up.

    Raises:
        NotObservable: It makes one.
    """
    seen = observe_without_graph(call.run, call.bound)
    return Behaviour(
        given=call.given(),
        present=frozenset(seen.same_storage),
        differentiable=frozenset(),
        saves={},
        writes=seen.written,
        aliases=seen.aliased,
        views=seen.views,
        is_input=seen.is_input,
        n_results=seen.n_results,
        uncounted=seen.uncounted,
    )


def _observe_or_none(call: Call, name: str) -> Observation | None:
    try:
        return observe(call.run, call.bound, mask=frozenset({name}), refusals=False)
    except NotObservable:
        return None


def saved_roles(observation: Observation | None, whole: Observation) -> frozenset[str]:
    """Return the operands that are saved, each storage in one role.

    What was written is saved as it is afterwards: as the result.  What is a result by being an argument's alias is
    saved as the argument.
    """
    if observation is None:
        return frozenset()
    saved = observation.saved | observation.refused
    roles: set[str] = set()
    for operand in saved:
        twins = whole.same_storage[operand] - {operand}
        if operand.startswith("result"):
            if not any(t in whole.aliased and t not in whole.written for t in twins):
                roles.add(operand)
        elif operand not in whole.written or not any(t.startswith("result") for t in twins):
            roles.add(operand)
    return frozenset(roles)
