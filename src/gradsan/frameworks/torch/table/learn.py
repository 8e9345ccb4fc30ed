"""Turns observations of one callable into cases: what distinguishes the calls that did different things.

# NOTE [Learning cases]
Only what a reader of the call can see may distinguish cases: a switch, a string, None, a landmark number (0, 1, 2),
whether an argument is a tensor or a number, a tensor's number of dimensions, its type, its contiguity.  Where nothing
of that separates two behaviours, the claims they don't share are marked ``maybe``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gradsan.knowledge import TensorFacts
from gradsan.knowledge.condition import holds, kind_of

SAYS_LITTLE = 2
"""From this rank on a test needs two calls on either side: one alone may differ by chance."""

LANDMARKS = (0, 1, 2, float("inf"))
ORDERS = ("p", "ord", "n", "exponent", "norm_type", "proj_size")
"""Whole numbers that choose a formula; those of other arguments are sizes and counts, and tell nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What one call with known arguments did, over all the masks of what requires a gradient."""

    given: Mapping[str, object]
    present: frozenset[str]
    """Operands that are tensors in this call."""
    differentiable: frozenset[str]
    saves: Mapping[str, frozenset[str]]
    """Saved operand -> the arguments each of which alone made it saved."""
    writes: frozenset[str]
    aliases: frozenset[str]
    views: str
    is_input: bool
    n_results: int
    is_probed: bool = True
    """Whether each differentiable argument was tried alone; ``saves`` holds them all where not."""
    uncounted: frozenset[str] = frozenset()
    not_read: frozenset[str] = frozenset()
    unsteady: frozenset[str] = frozenset()
    """Those of ``saves`` that are saved under some masks, and not under a larger one: another kernel ran."""


def learn_cases(behaviours: list[Behaviour]) -> list[dict[str, Any]]:
    """Return the cases, as rows."""
    return [_case(when, group) for when, group in _split(behaviours, {}, depth=0)]


def _split(group: list[Behaviour], when: dict[str, Any], *, depth: int) -> list[tuple[dict[str, Any], list[Behaviour]]]:
    before = _disorder(group)
    if before == 0 or depth == 6:
        return [(when, group)]
    best: tuple[float, int, str, dict[str, Any]] | None = None
    for rank, name, test in _candidate_tests(group):
        if when.get(name, {}).keys() & test.keys():
            continue
        inside = [b for b in group if holds({name: test}, b.given) is True]
        outside = [b for b in group if holds({name: test}, b.given) is False]
        enough = 1 if rank < SAYS_LITTLE else 2
        if min(len(inside), len(outside)) < enough or len(inside) + len(outside) < len(group):
            continue
        after = round(_disorder(inside) + _disorder(outside), 9)
        if after < before and (best is None or (after, rank) < best[:2]):
            best = (after, rank, name, test)
    if best is None:
        return [(when, group)]
    *_, name, test = best
    inside = [b for b in group if holds({name: test}, b.given) is True]
    outside = [b for b in group if holds({name: test}, b.given) is False]
    leaves = [
        *_split(inside, _and(when, name, test), depth=depth + 1),
        *_split(outside, _and(when, name, _negated(test)), depth=depth + 1),
    ]
    # A test that leaves as many open claims as there were only tells how the samples fell.
    if sum(_disagreements(leaf) for _, leaf in leaves) >= _disagreements(group):
        return [(when, group)]
    return leaves


def _and(when: dict[str, Any], name: str, test: dict[str, Any]) -> dict[str, Any]:
    """Return the condition with one more test; what an argument is not adds up."""
    before = when.get(name, {})
    joined = {key: before.get(key, []) + wanted if key.endswith("_not") else wanted for key, wanted in test.items()}
    return when | {name: before | joined}


def _negated(test: dict[str, Any]) -> dict[str, Any]:
    ((key, wanted),) = test.items()
    if isinstance(wanted, bool):
        return {key: not wanted}
    if key == "is" and isinstance(wanted[0], bool):
        return {key: [not wanted[0]]}
    return {key.removesuffix("_not") if key.endswith("_not") else f"{key}_not": wanted}


def _candidate_tests(group: list[Behaviour]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield (rank, argument, test); a lower rank is the more telling kind of test."""
    names = dict.fromkeys(name for b in group for name in b.given)
    for name in names:
        values = [b.given[name] for b in group if name in b.given]
        switches = dict.fromkeys(v for v in values if isinstance(v, (bool, str)))
        yield from ((0, name, {"is": [v]}) for v in switches)
        numbers = dict.fromkeys(v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool))
        if name in ORDERS or all(isinstance(v, float) for v in numbers):
            yield from ((2, name, {"is": [v]}) for v in numbers if v in LANDMARKS)
        yield from ((1, name, {"kind": [k]}) for k in dict.fromkeys(map(kind_of, values)) if k)
        tensors = [v for v in values if isinstance(v, TensorFacts)]
        dims = sorted({t.ndim for t in tensors if t.ndim is not None})
        yield from ((3, name, {"ndim": dims[:i]}) for i in range(1, len(dims)))
        yield from ((3, name, {"ndim": [d]}) for d in dims)
        yield from ((4, name, {"complex": True}) for _ in tensors[:1])
        yield from ((5, name, {"contiguous": True}) for _ in tensors[:1])
        dtypes = dict.fromkeys(t.dtype for t in tensors if t.dtype)
        yield from ((6, name, {"dtype": [d]}) for d in dtypes)


def _claims(group: list[Behaviour]) -> Iterator[list[bool]]:
    """Yield, claim by claim, what each behaviour that can speak to it says."""
    for operand in {o for b in group for o in b.present}:
        yield [operand in b.saves for b in group if operand in b.present]
    for key in ("writes", "aliases"):
        for name in {n for b in group for n in getattr(b, key)}:
            yield [name in getattr(b, key) for b in group if name in b.present]
    for kind in ("single", "several", "multiple"):
        yield [b.views == kind for b in group]
    yield [b.is_input for b in group]


def _claims_on_needs(group: list[Behaviour]) -> dict[tuple[str, str], list[bool]]:
    """Return, by saved operand and argument, whether that argument alone made the operand saved."""
    claims: dict[tuple[str, str], list[bool]] = {}
    for behaviour in group:
        if behaviour.is_probed:
            for operand, needs in behaviour.saves.items():
                for argument in behaviour.differentiable:
                    claims.setdefault((operand, argument), []).append(argument in needs)
    return claims


def _disagreements(group: list[Behaviour]) -> int:
    """Count the claims on which behaviours of the group contradict each other; an operand's needs are one claim."""
    needs = {operand for (operand, _), said in _claims_on_needs(group).items() if len(set(said)) > 1}
    return len(needs) + sum(len(set(said)) > 1 for said in _claims(group))


def _disorder(group: list[Behaviour]) -> float:
    """Return the Gini impurity, summed over claims and weighted by size: zero where nobody contradicts."""
    claims = [*_claims(group), *_claims_on_needs(group).values()]
    return round(sum(2 * sum(said) * (len(said) - sum(said)) / len(said) for said in claims if said), 9)


def _case(when: dict[str, Any], group: list[Behaviour]) -> dict[str, Any]:
    case: dict[str, Any] = {"when": when} if when else {}
    operands = sorted({o for b in group for o in b.saves}, key=_operand_order(group))
    if operands:
        case["saves"] = {o: _needs(o, group) for o in operands}
    for key in ("writes", "aliases"):
        names = sorted({n for b in group for n in getattr(b, key)})
        if names:
            case[key] = names
    views = {b.views for b in group}
    if views != {"none"}:
        case["views"] = next(kind for kind in ("multiple", "several", "single") if kind in views)
    by_chance = any(n in b.present and n not in b.aliases for n in case.get("aliases", ()) for b in group)
    if by_chance or any(b.is_input for b in group):
        case["may_return_input"] = True
    uncounted = [n for n in case.get("writes", ()) if all(n in b.uncounted for b in group if n in b.writes)]
    if uncounted:
        case["uncounted"] = uncounted
    not_read = [o for o in operands if all(o in b.not_read for b in group if o in b.saves)]
    if not_read:
        case["saved_not_read"] = not_read
    sometimes = {o for (o, _), said in _claims_on_needs(group).items() if len(set(said)) > 1}
    sometimes |= {o for b in group for o in (*b.unsteady, *(b.present - b.saves.keys()))}
    maybe = [o for o in operands if o in sometimes]
    for key in ("writes", "aliases"):
        maybe += [
            f"{key}:{n}" for n in case.get(key, ()) if any(n in b.present and n not in getattr(b, key) for b in group)
        ]
    if maybe:
        case["maybe"] = maybe
    return case


def _operand_order(group: list[Behaviour]) -> Any:
    names = list(dict.fromkeys(n for b in group for n in b.given))
    return lambda operand: (names.index(operand) if operand in names else len(names), operand)


def _needs(operand: str, group: list[Behaviour]) -> list[str]:
    """Return the arguments of which one must require a gradient; none where any differentiable one will do."""
    savers = [b for b in group if operand in b.saves]
    if all(b.saves[operand] == b.differentiable for b in savers):
        return []
    # Those with many differentiable arguments were not run one by one; where others were, they tell.
    probed = [b for b in savers if b.is_probed] or savers
    return sorted({n for b in probed for n in b.saves[operand]})
