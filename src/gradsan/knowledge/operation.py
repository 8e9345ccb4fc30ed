"""What one operation saves, writes and returns; and what one call of it does, given its arguments.

# NOTE [Cases]
A callable whose behaviour switches on its arguments has several cases, in order: the first whose condition holds
speaks.  A condition that can't be decided from what is known leaves both its case and the later ones possible; the
effect is then their union, with the claims that not all of them make listed as ``maybe``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from gradsan.knowledge.condition import UNKNOWN, Condition, TensorFacts, holds

Views: TypeAlias = Literal["none", "single", "several", "multiple"]
"""Whether the result is a view; ``several``: each of the results is one of its own; ``multiple``: they are the outputs
of one multi-output view, and the engine refuses a write to any of them."""
SavedResults: TypeAlias = "bool | tuple[int, ...]"
"""False, True (the one result), or the indices of the results that are saved among several."""

RESULT = "result"
"""The operand name of the one result; ``result0``, ``result1``, ... are those of several."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a callable.

    ``default`` is the literal default; `UNKNOWN` where ``required`` or where the default isn't a literal.
    """

    name: str
    default: object = UNKNOWN
    required: bool = True
    keyword_only: bool = False
    variadic: bool = False
    tensor: bool = False
    """Whether the schema wants a tensor here, or a list of tensors."""
    chooses_overload: bool = False
    """Whether leaving it out chooses another overload; its default is then None, which stands for absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What happens under one condition; see NOTE [Cases].

    ``saves`` maps an operand to the arguments of which at least one must require a gradient for it to be saved;
    empty: it is saved whenever the operation is recorded.  ``returns`` are the arguments that a result surely is.
    """

    when: Condition = field(default_factory=dict)
    saves: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    saved_not_read: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    uncounted: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    views: Views = "none"
    may_return_input: bool = False
    maybe: tuple[str, ...] = ()
    """Claims of this case that hold only sometimes, by what no argument tells (a stride, a value)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a call does, as far as its arguments are known.

    Attributes:
        saves_inputs: Arguments that the graph keeps for backward; the union where not ``certain``.
        saves_result: Whether the result is kept, or which results.
        saves_when: Saved operand -> the arguments of which one must require a gradient; operands that are saved
            whenever the operation is recorded are absent.  Arguments whose ``requires_grad`` is known are resolved.
        saved_not_read: Those of ``saves_inputs`` whose values backward doesn't use: a counted write to them raises
            all the same, a silent one does no harm.
        writes: Arguments that the call mutates.
        uncounted: Those of ``writes`` whose version counter the call doesn't move (batch norm's statistics).
        aliases: Arguments whose storage a result shares.
        views: Whether the result is a view, or the results are; see `Views`.
        may_return_input: Whether a result may be the very tensor that came in (or share its storage by chance).
        certain: Whether nothing is in ``maybe``.
        maybe: The claims that hold in some of the possible cases only: operand names of saves, ``writes:NAME``,
            ``aliases:NAME``.
    """

    saves_inputs: tuple[str, ...] = ()
    saves_result: SavedResults = False
    saves_when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    saved_not_read: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    uncounted: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    views: Views = "none"
    may_return_input: bool = False
    certain: bool = True
    maybe: tuple[str, ...] = ()

    def surely_saves(self, operand: str) -> bool:
        """Return whether the operand (an argument, or ``result``) is saved in every possible case.

        Conditions on gradients are not part of it: read ``saves_when``.
        """
        saved = operand in self.saves_inputs or (operand == RESULT and self.saves_result is True)
        if not saved and operand.startswith(RESULT) and isinstance(self.saves_result, tuple):
            saved = operand[len(RESULT) :] in map(str, self.saves_result)
        return saved and operand not in self.maybe

    def surely_writes(self, argument: str) -> bool:
        """Return whether the argument is mutated in every possible case."""
        return argument in self.writes and f"writes:{argument}" not in self.maybe


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One callable of the framework.

    The fields describe the call with every tensor given, contiguous, and otherwise default arguments (the union where
    a required argument decides); `effect` describes one call.
    """

    name: str
    kind: Literal["function", "method", "module", "schema", "other"] = "function"
    """``other``: what returns no tensor (`Tensor.shape`), or is no operation at all (`no_grad`, `nn.Sequential`)."""
    parameters: tuple[Parameter, ...] = ()
    """In order.  For a module: those of its constructor, plus ``training``."""
    inputs: tuple[str, ...] = ()
    """For a module: the parameters of its ``forward``."""
    saves_inputs: tuple[str, ...] = ()
    saves_result: SavedResults = False
    saves_when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    saved_not_read: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    uncounted: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    views: Views = "none"
    may_return_input: bool = False
    maybe: tuple[str, ...] = ()
    """The claims that hold only sometimes, as in `Effect`."""
    inplace: str | None = None
    """The in-place twin."""
    out_of_place: str | None = None
    """The out-of-place twin."""
    backward: str | None = None
    """The node, ``SigmoidBackward0``."""
    derivative: str | None = None
    differentiable: bool = False
    n_results: int = 1
    note: str = ""
    """What else a person should know, in a sentence."""
    source: str = ""
    cases: tuple[Case, ...] = ()
    may_write: bool = field(init=False, repr=False, compare=False)
    """Whether some call of it mutates an argument."""
    decisive: frozenset[str] = field(init=False, repr=False, compare=False)
    """The arguments that decide what a call does, and what it returns."""
    _by_name: Mapping[str, Parameter] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "may_write", any(case.writes for case in self.cases))
        object.__setattr__(self, "decisive", _decisive(self))
        object.__setattr__(self, "_by_name", {parameter.name: parameter for parameter in self.parameters[::-1]})

    def effect(self, arguments: Mapping[str, object] | None = None) -> Effect:
        """Return what a call with these arguments does.

        Args:
            arguments: What the call passes, by parameter name: a literal (None, bool, number, string, tuple of
                these), `TensorFacts` for a tensor, anything else (`UNKNOWN` by convention) for what isn't known.
                Parameters that are absent have their defaults; absent required ones are unknown.

        Returns:
            The effect; a union with ``certain`` false where the known values don't decide.

        Example:
            >>> from gradsan import knowledge
            >>> knowledge.load().lookup("torch.nn.ReLU").effect({"inplace": True}).writes
            ('input',)
        """
        given = self.complete(arguments or {})
        possible: list[Case] = []
        for case in self.cases:
            verdict = holds(case.when, given)
            if verdict is not False:
                possible.append(case)
            if verdict is True:
                break
        return _merge(possible, given, n_results=self.n_results)

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter of that name."""
        return self._by_name.get(name)

    def complete(self, arguments: Mapping[str, object]) -> dict[str, object]:
        """Return the arguments with the defaults of those that a call leaves out."""
        given: dict[str, object] = {p.name: p.default for p in self.parameters}
        given.update(arguments)
        # torch's functions spell the first parameter `input` where the schema (and the method) says `self`.
        if "input" in arguments and "self" in given and self.parameter("input") is None:
            given["self"] = arguments["input"]
        return given


def _decisive(operation: Operation) -> frozenset[str]:
    names = {parameter.name for parameter in operation.parameters if parameter.name == "return_indices"}
    for case in operation.cases:
        names.update(case.when, case.saves, *case.saves.values())
    if "self" in names:
        names.add("input")  # functions spell it so, see `complete`
    return frozenset(names)


def describe_defaults(operation: Operation) -> Operation:
    """Return the operation with its fields filled from the call with every tensor and the default arguments."""
    given: dict[str, object] = {p.name: UNKNOWN for p in operation.parameters if p.chooses_overload}
    given |= {p.name: TensorFacts(contiguous=True) for p in operation.parameters if p.required and p.tensor}
    # A tensor that may be left out counts as given: who leaves it out has nothing to write.
    given |= {p.name: UNKNOWN for p in operation.parameters if p.tensor and p.default is None}
    effect = operation.effect(given)
    return replace(
        operation,
        saves_inputs=effect.saves_inputs,
        saves_result=effect.saves_result,
        saves_when=effect.saves_when,
        saved_not_read=effect.saved_not_read,
        writes=effect.writes,
        uncounted=effect.uncounted,
        aliases=effect.aliases,
        views=effect.views,
        may_return_input=effect.may_return_input,
        maybe=effect.maybe,
    )


def _merge(cases: list[Case], given: Mapping[str, object], *, n_results: int) -> Effect:
    resolved = [_resolve_saves(case.saves, given) for case in cases]
    saves = _union(resolved)
    writes = _union(case.writes for case in cases)
    aliases = _union(case.aliases for case in cases)
    maybe = [
        *(o for o in saves if any(o not in r for r in resolved)),
        *(f"writes:{w}" for w in writes if any(w not in case.writes for case in cases)),
        *(f"aliases:{a}" for a in aliases if any(a not in case.aliases for case in cases)),
    ]
    maybe += [m for case in cases for m in case.maybe if m not in maybe]
    return Effect(
        saves_inputs=tuple(o for o in saves if _result_index(o) is None),
        saves_result=_saved_results(saves, n_results),
        saves_when=_join_conditions(saves, resolved),
        saved_not_read=tuple(
            o for o in saves if all(o in c.saved_not_read or o not in r for c, r in zip(cases, resolved, strict=True))
        ),
        writes=writes,
        uncounted=tuple(w for w in writes if all(w in c.uncounted or w not in c.writes for c in cases)),
        aliases=aliases,
        views=next((v for v in _BY_STRENGTH if any(case.views == v for case in cases)), "none"),
        may_return_input=any(case.may_return_input for case in cases),
        certain=not maybe,
        maybe=tuple(maybe),
    )


_BY_STRENGTH: tuple[Views, ...] = ("multiple", "several", "single")


def _resolve_saves(saves: Mapping[str, tuple[str, ...]], given: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Drop what is known not to be saved, and the conditions that are known to hold."""
    kept: dict[str, tuple[str, ...]] = {}
    for operand, needs in saves.items():
        value = given.get(operand, UNKNOWN)
        # True is a module's `bias=True`, whose tensor bears the same name.
        if value is None or (value is not True and isinstance(value, (bool, int, float, complex, str))):
            continue
        answers = [_requires_grad(given.get(name, UNKNOWN)) for name in needs]
        if not needs or True in answers:
            kept[operand] = ()
        elif None in answers:
            kept[operand] = tuple(n for n, a in zip(needs, answers, strict=True) if a is None)
    return kept


def _requires_grad(value: object) -> bool | None:
    if isinstance(value, TensorFacts):
        return value.requires_grad
    if value is True:
        return None
    if value is None or isinstance(value, (bool, int, float, complex, str)):
        return False
    return None


def _join_conditions(saves: tuple[str, ...], resolved: list[dict[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """Keep a condition only where every case that saves the operand has one."""
    joined: dict[str, tuple[str, ...]] = {}
    for operand in saves:
        needs = [r[operand] for r in resolved if operand in r]
        if all(needs):
            joined[operand] = _union(needs)
    return joined


def _union(groups: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for group in groups for item in group))


def _result_index(operand: str) -> int | None:
    """Return which result an operand name speaks of; None for an argument."""
    if operand == RESULT:
        return 0
    digits = operand[len(RESULT) :] if operand.startswith(RESULT) else ""
    return int(digits) if digits.isdigit() else None


def _saved_results(saves: Iterable[str], n_results: int) -> SavedResults:
    indices = tuple(sorted(i for i in map(_result_index, saves) if i is not None))
    if not indices:
        return False
    return indices if n_results > 1 else True
