"""Conditions: what is known of them, and running the ways that they open."""

from __future__ import annotations

import ast
from collections.abc import Callable

from gradsan.source.flow.absent import is_none
from gradsan.source.flow.graph import EVERYWHERE, Guard
from gradsan.source.flow.journal import Exit
from gradsan.source.flow.literals import held, holder_of, literal_of, other_literals, type_name
from gradsan.source.flow.machine import Frame, evaluate
from gradsan.source.flow.regrads import Regrad, regrad_of
from gradsan.source.flow.values import (
    ABSENT,
    Choice,
    Class,
    Const,
    External,
    Function,
    Instance,
    Layer,
    Mapping,
    Opaque,
    Sequence,
    Tensor,
    Value,
)
from gradsan.source.index import dotted_name

NO_LITERALS: tuple[int, ...] = ()


def truth_of(value: Value) -> bool | None:
    """Return whether a value is true; None when unknown."""
    match value:
        case Const(value=inner):
            return bool(inner)
        case Sequence(items=items, is_exact=True):
            return bool(items)
        case Sequence(items=items):
            return True if items else None
        case Mapping(items=found, is_exact=True):
            return any(one is not ABSENT for one in found.values())
        case Function() | Class() | Instance() | Layer() | External():
            return True
        case Choice(options=options):
            truths = {truth_of(option) for option, _ in options}
            return truths.pop() if len(truths) == 1 else None
        case _:
            return None


def decide(frame: Frame, test: ast.expr) -> tuple[bool | None, Guard, Guard]:
    """Return whether a test holds, and the literals that hold where it does and where it doesn't."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        verdict, when_true, when_false = decide(frame, test.operand)
        return (None if verdict is None else not verdict), when_false, when_true
    if isinstance(test, ast.BoolOp):
        return _decide_several(frame, test)
    literal = _dtype_test(frame, test)
    if literal is None:
        value = evaluate(frame, test)
        verdict = truth_of(value)
        if verdict is None:
            verdict = _asks_for_last(frame, test)
        if verdict is not None:
            return verdict, frozenset(), frozenset()
        literal = literal_of(frame, test)
    known = frame.machine.guard
    if literal in known or -literal in known:
        return literal in known, frozenset(), frozenset()
    true_more, false_more = _split_choice(frame, test)
    others = _exclusive(frame, test, literal)
    if literal > 0:
        return None, frozenset((literal, *true_more, *others)), frozenset((-literal, *false_more))
    return None, frozenset((literal, *true_more)), frozenset((-literal, *false_more, *others))


def _exclusive(frame: Frame, test: ast.expr, literal: int) -> tuple[int, ...]:
    """Return what can't hold where a value equals a text, or is of a type: that it equals another one, or is of one."""
    match test:
        case ast.Call(func=ast.Name(id="isinstance"), args=[left, kind]):
            value = held(frame, left)
            if type(value) is Opaque and type_name(frame, kind):
                return other_literals(frame, ("isinstance", id(value)), literal)
        case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[ast.Constant(value=str())]) if (
            dotted := dotted_name(left)
        ):
            return other_literals(frame, holder_of(frame, dotted), literal)
    return NO_LITERALS


def _decide_several(frame: Frame, test: ast.BoolOp) -> tuple[bool | None, Guard, Guard]:
    is_and = isinstance(test.op, ast.And)
    sides = _decide_each(frame, test)
    if sides is None:
        return (not is_and), EVERYWHERE, EVERYWHERE
    if not sides:
        return is_and, EVERYWHERE, EVERYWHERE
    together = EVERYWHERE.union(*(when_true if is_and else when_false for when_true, when_false in sides))
    if len(sides) == 1:
        when_true, when_false = sides[0]
        return (None, together, when_false) if is_and else (None, when_true, together)
    whole = literal_of(frame, test)
    if abs(whole) in frame.machine.described:
        parts = tuple(next(iter(when_true)) if len(when_true) == 1 else 0 for when_true, _ in sides)
        described = frame.machine.described[abs(whole)]
        described.implied = 1 if is_and else -1
        described.parts = parts if is_and else ()
    known = frame.machine.guard
    if whole in known or -whole in known:
        return whole in known, EVERYWHERE, EVERYWHERE
    # What each of the alternatives says holds whichever of them does.
    shared = frozenset.intersection(*(when_false if is_and else when_true for when_true, when_false in sides))
    if is_and:
        return None, together | {whole}, shared | {-whole}
    return None, shared | {whole}, together | {-whole}


def _decide_each(frame: Frame, test: ast.BoolOp) -> list[tuple[Guard, Guard]] | None:
    """Return the literals of the parts that aren't known to hold, or not to; None where a part decides for all."""
    machine, is_and = frame.machine, isinstance(test.op, ast.And)
    before = machine.guard
    sides: list[tuple[Guard, Guard]] = []
    for part in test.values:
        verdict, when_true, when_false = decide(frame, part)
        if verdict is (not is_and):
            machine.guard = before
            return None
        if verdict is None:
            sides.append((when_true, when_false))
            machine.guard |= when_true if is_and else when_false  # the others are only asked for then
    machine.guard = before
    return sides


def _split_choice(frame: Frame, test: ast.expr) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what holds wherever a name was bound to what passes a test, and wherever to what doesn't."""
    asked, holds_for = _asked(frame, test)
    value = held(frame, asked) if asked is not None else None
    if not isinstance(value, Choice):
        return NO_LITERALS, NO_LITERALS
    sides: dict[bool, Guard] = {}
    for option, guard in value.options:
        holds = holds_for(option, guard)
        if holds is None:
            return NO_LITERALS, NO_LITERALS
        sides[holds] = sides[holds] & guard if holds in sides else guard
    if len(sides) != 2:
        return NO_LITERALS, NO_LITERALS
    return tuple(sides[True]), tuple(sides[False])


def _asked(frame: Frame, test: ast.expr) -> tuple[ast.expr | None, Callable[[Value, Guard], bool | None]]:
    """Return what a test asks for none, truth or type, and how one thing that it may be answers."""
    match test:
        case ast.Call(func=ast.Name(id="isinstance"), args=[subject, kinds]):
            from gradsan.source.flow.reflection import is_instance

            kind = evaluate(frame, kinds)
            return subject, lambda option, _guard: truth_of(is_instance(frame, option, kind))
    asked, is_none_test, negated = _none_test(test)
    if not is_none_test:
        return asked, lambda option, _guard: truth_of(option)
    return asked, lambda option, guard: is_none(frame.machine, option, guard) is not negated


def _dtype_test(frame: Frame, test: ast.expr) -> int | None:
    """Return the literal of ``x.dtype == torch.float32``; None for other tests."""
    match test:
        case ast.Compare(
            left=ast.Attribute(value=holder, attr="dtype"), ops=[ast.Eq() | ast.NotEq() as op], comparators=[right]
        ):
            value, dtype = evaluate(frame, holder), evaluate(frame, right)
            tensor = value.tensor if isinstance(value, Opaque) else value
            if isinstance(tensor, Tensor) and isinstance(dtype, External):
                from gradsan.source.flow.layouts import dtype_literal

                literal = dtype_literal(frame, tensor, dtype.dotted)
                return literal if isinstance(op, ast.Eq) else -literal
    return None


def _asks_for_last(frame: Frame, test: ast.expr) -> bool | None:
    """Return whether ``i < n - 1``, ``i + 1 != n`` and the like hold in this round of a loop over an unknown number."""
    match test:
        case ast.Compare(
            left=ast.Name(id=name),
            ops=[ast.Lt() | ast.NotEq() | ast.Eq() as op],
            comparators=[ast.BinOp(op=ast.Sub(), right=ast.Constant(value=1))],
        ):
            pass
        case ast.Compare(
            left=ast.BinOp(left=ast.Name(id=name), op=ast.Add(), right=ast.Constant(value=1)),
            ops=[ast.Lt() | ast.NotEq() | ast.Eq() as op],
        ):
            pass
        case _:
            return None
    for loop in frame.loops[::-1]:
        if loop.target is not None and name in _counters(loop.target):
            return loop.is_last is isinstance(op, ast.Eq)
    return None


def _counters(target: ast.expr) -> tuple[str, ...]:
    """Return the names that count the rounds of a loop: its only one, or the first of several."""
    first = target.elts[0] if isinstance(target, ast.Tuple) and target.elts else target
    return (first.id,) if isinstance(first, ast.Name) else ()


def _none_test(test: ast.expr) -> tuple[ast.expr | None, bool, bool]:
    match test:
        case ast.Name() | ast.Attribute():
            return test, False, False
        case ast.Compare(left=asked, ops=[ast.Is() | ast.Eq()], comparators=[ast.Constant(value=None)]):
            return asked, True, False
        case ast.Compare(left=asked, ops=[ast.IsNot() | ast.NotEq()], comparators=[ast.Constant(value=None)]):
            return asked, True, True
        case _:
            return None, False, False


def fork(
    frame: Frame,
    ways: list[tuple[Guard, Callable[[], bool]]],
) -> bool:
    """Run several ways from the same state and join those that go on; return whether any does."""
    machine = frame.machine
    before = machine.guard
    mark = machine.journal.mark()
    exits: list[Exit] = []
    switched: list[list[Regrad]] = []
    for literals, run in ways:
        machine.guard = before | literals
        n_regrads, n_touched, start = len(machine.regrads), len(machine.touched), machine.tick()
        if run():
            exits.append((machine.guard, machine.journal.changes(mark)))
            switched.append([regrad_of(switch.tensor) for switch in machine.regrads[n_regrads:]])
        machine.journal.undo(mark)
        if len(machine.regrads) > n_regrads:
            touched = machine.touched[n_touched:]
            made = {id(storage) for storage in touched if storage.since is None or storage.since > start}
            for switch in reversed(machine.regrads[n_regrads:]):
                if id(switch.tensor.storage) not in made:
                    switch.restore()
            # What was made on this way, and switched there, is only met on it.
            machine.regrads[n_regrads:] = [s for s in machine.regrads[n_regrads:] if id(s.tensor.storage) in made]
    machine.guard = before
    if not exits:
        return False
    machine.journal.merge(exits)
    if len(exits) == 1:
        machine.guard = exits[0][0]
    for after in switched[0]:
        if all(any(o.tensor is after.tensor and o.grad is after.grad for o in other) for other in switched[1:]):
            machine.regrads.append(regrad_of(after.tensor))
            after.restore()
    return True
