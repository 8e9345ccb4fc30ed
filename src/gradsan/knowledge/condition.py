"""What a case asks of the arguments, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias


class Unknown:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()
"""An argument that is passed, but whose value isn't known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFacts:
    """What is known of a tensor argument; None: unknown."""

    requires_grad: bool | None = None
    ndim: int | None = None
    dtype: str | None = None
    """Short name, ``float32``."""
    contiguous: bool | None = None


Test: TypeAlias = Mapping[str, Any]
"""A test of one argument, one key: ``is`` or ``is_not`` (a list of literals), ``kind`` or ``kind_not`` (``none``,
``number``, ``tensor``, ``other``), ``ndim`` or ``ndim_not`` (a list of counts), ``complex`` or ``contiguous`` (a
claim), ``dtype`` or ``dtype_not`` (a list of short names)."""

Condition: TypeAlias = Mapping[str, Test]
"""Argument -> test; all must hold."""

_LITERALS = (bool, int, float, complex, str)


def holds(condition: Condition, given: Mapping[str, object]) -> bool | None:
    """Return whether the condition holds for what is known of the arguments; None where that doesn't decide."""
    verdict: bool | None = True
    for name, test in condition.items():
        answer = _answer(test, given.get(name, UNKNOWN))
        if answer is False:
            return False
        if answer is None:
            verdict = None
    return verdict


def _answer(test: Test, value: object) -> bool | None:
    for key, wanted in test.items():
        answer = _read(key.removesuffix("_not"), wanted, value)
        if key.endswith("_not") and answer is not None:
            answer = not answer
        if answer is not True:
            return answer
    return True


def _read(key: str, wanted: Any, value: object) -> bool | None:
    match key:
        case "is":
            if isinstance(value, TensorFacts):
                return False
            return _is_one_of(value, wanted) if value is None or isinstance(value, (*_LITERALS, tuple)) else None
        case "kind":
            kind = kind_of(value)
            return None if kind is None else kind in wanted
        case "ndim":
            return value.ndim in wanted if isinstance(value, TensorFacts) and value.ndim is not None else None
        case "dtype":
            return value.dtype in wanted if isinstance(value, TensorFacts) and value.dtype is not None else None
        case "complex":
            if not isinstance(value, TensorFacts) or value.dtype is None:
                return None
            return value.dtype.startswith("complex") is wanted
        case "contiguous":
            if not isinstance(value, TensorFacts) or value.contiguous is None:
                return None
            return value.contiguous is wanted
        case _:
            raise ValueError(f"unknown test `{key}` in the operation table")


def kind_of(value: object) -> str | None:
    """Return the kind of an argument that tests ask for; None when unknown."""
    if value is None:
        return "none"
    if isinstance(value, TensorFacts):
        return "tensor"
    if isinstance(value, (bool, int, float, complex)):
        return "number"
    if isinstance(value, (str, tuple)):
        return "other"
    return None


def _is_one_of(value: object, wanted: list[object]) -> bool:
    # True == 1 in Python; for a switch and a number they are different answers.
    return any(value == w and isinstance(value, bool) == isinstance(w, bool) for w in map(_frozen, wanted))


def _frozen(value: object) -> object:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
