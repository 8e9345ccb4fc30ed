"""Statements: assignment, branches, loops, and the ways out of them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from gradsan.source.flow.branches import decide, fork
from gradsan.source.flow.deleting import delete_item
from gradsan.source.flow.evaluating import binary, derived
from gradsan.source.flow.graph import EVERYWHERE, Guard, contradicts
from gradsan.source.flow.inplace import update_in_place
from gradsan.source.flow.iterating import elements, loop_items
from gradsan.source.flow.journal import Exit
from gradsan.source.flow.literals import text_of
from gradsan.source.flow.machine import STATEMENTS, Condition, Frame, Loop, evaluate, execute, executes, get_attribute
from gradsan.source.flow.modes import enter_context
from gradsan.source.flow.names import class_of, closure
from gradsan.source.flow.narrowing import narrowed, tells
from gradsan.source.flow.objects import set_attribute
from gradsan.source.flow.reflection import sift
from gradsan.source.flow.subscripts import store, subscript
from gradsan.source.flow.targets import assign, bind
from gradsan.source.flow.tensors import node_of
from gradsan.source.flow.values import (
    ABSENT,
    NONE,
    Choice,
    Class,
    Const,
    External,
    Function,
    Mapping,
    Opaque,
    Sequence,
    Tensor,
    Value,
    nodes_of,
)
from gradsan.source.walking import walk

Way: TypeAlias = tuple[Guard, Callable[[], bool]]
Round: TypeAlias = tuple[Callable[[], None], Guard, Guard | None]
"""What begins a round, on which paths there is one, and on which there is none, if any."""


@executes(ast.Assign)
def _assign(frame: Frame, node: ast.Assign) -> bool:
    value = evaluate(frame, node.value)
    for target in node.targets:
        assign(frame, target, value, node.value)
    return True


@executes(ast.AnnAssign)
def _annotated(frame: Frame, node: ast.AnnAssign) -> bool:
    if node.value is not None:
        assign(frame, node.target, evaluate(frame, node.value), node.value)
    return True


@executes(ast.AugAssign)
def _augmented(frame: Frame, node: ast.AugAssign) -> bool:
    target = node.target
    if isinstance(target, ast.Subscript):
        holder = evaluate(frame, target.value)
        before = subscript(frame, holder, target.slice, target)
    elif isinstance(target, ast.Attribute):
        holder = evaluate(frame, target.value)
        before = get_attribute(frame, holder, target.attr, target)
    else:
        holder, before = NONE, evaluate(frame, target)
    change = evaluate(frame, node.value)
    if isinstance(before, Sequence) and isinstance(node.op, ast.Add):
        more, is_exact = elements(frame, change, node.value)
        if before.is_tuple:
            result: Value = Sequence([*before.items, *more], is_exact=before.is_exact and is_exact, is_tuple=True)
        else:
            frame.machine.journal.set_items(before, [*before.items, *more], is_exact=before.is_exact and is_exact)
            result = before
    else:
        result = update_in_place(frame, before, change, node.op, node, text_of(frame, target))
    if isinstance(target, ast.Name):
        bind(frame, target.id, result)
    elif isinstance(target, ast.Attribute):
        if result is not before:
            set_attribute(frame, holder, target.attr, result, target)
    elif result is not before or not _is_view_of(result, holder):
        store(frame, holder, target.slice, result, target)
    return True


def _is_view_of(value: Value, holder: Value) -> bool:
    inner = holder.tensor if isinstance(holder, Opaque) else holder
    if isinstance(inner, Sequence):
        return True
    return isinstance(value, Tensor) and isinstance(inner, Tensor) and value.storage is inner.storage


@executes(ast.Expr)
def _expression(frame: Frame, node: ast.Expr) -> bool:
    if not isinstance(node.value, ast.Constant):
        evaluate(frame, node.value)
    return True


@executes(ast.Return)
def _return(frame: Frame, node: ast.Return) -> bool:
    value = evaluate(frame, node.value) if node.value is not None else NONE
    machine = frame.machine
    frame.returns.append((value, (machine.guard, machine.journal.changes(frame.start, but=frame.local))))
    return False


@executes(ast.Raise)
def _raise(_frame: Frame, _node: ast.Raise) -> bool:
    return False


@executes(ast.Break)
def _break(frame: Frame, _node: ast.Break) -> bool:
    if frame.loops:
        loop = frame.loops[-1]
        loop.breaks.append((frame.machine.guard, frame.machine.journal.changes(loop.start)))
    return False


@executes(ast.Continue)
def _continue(frame: Frame, _node: ast.Continue) -> bool:
    if frame.loops:
        loop = frame.loops[-1]
        loop.continues.append((frame.machine.guard, frame.machine.journal.changes(loop.iteration)))
    return False


@executes(ast.If)
def _if(frame: Frame, node: ast.If) -> bool:
    verdict, when_true, when_false = decide(frame, node.test)
    if verdict is not None:
        return execute(frame, node.body if verdict else node.orelse)
    branch = _told if tells(frame, node.test) else _untold
    return fork(
        frame,
        [
            (when_true, partial(branch, frame, node.test, node.body, holds=True)),
            (when_false, partial(branch, frame, node.test, node.orelse, holds=False)),
        ],
    )


def _untold(frame: Frame, _test: ast.expr, body: list[ast.stmt], *, holds: bool) -> bool:
    """Run a branch whose test tells nothing of the values that it asks about."""
    _ = holds
    return execute(frame, body)


def _told(frame: Frame, test: ast.expr, body: list[ast.stmt], *, holds: bool) -> bool:
    """Run a branch with what its test tells."""
    undo = narrowed(frame, test, holds=holds)
    sift(frame, test, holds=holds)
    goes_on = execute(frame, body)
    if undo is not None:
        undo()
    return goes_on


@executes(ast.For, ast.AsyncFor)
def _for(frame: Frame, node: ast.For | ast.AsyncFor) -> bool:
    iterable = evaluate(frame, node.iter)
    items, _ = loop_items(frame, iterable, node.iter, node.body)
    if not items:
        return execute(frame, node.orelse)
    rounds: list[Round] = [(partial(assign, frame, node.target, item, node.iter), *_presence(item)) for item in items]
    return _loop(frame, node, rounds)


def _presence(item: Value) -> tuple[Guard, Guard | None]:
    """Return on which paths a list holds an item, and on which it doesn't; None where it always does."""
    if isinstance(item, Choice) and len(item.options) == 2:
        (one, present), (other, absent) = item.options
        if other is ABSENT and one is not ABSENT:
            return present, absent
    return EVERYWHERE, None


@executes(ast.While)
def _while(frame: Frame, node: ast.While) -> bool:
    verdict, _, _ = decide(frame, node.test)
    if verdict is False:
        return execute(frame, node.orelse)
    n_rounds = frame.machine.n_samples if frame.machine.fuel > 0 else 1
    return _loop(frame, node, [(lambda: None, EVERYWHERE, None)] * n_rounds)


def _run_round(frame: Frame, body: list[ast.stmt], one: Round) -> bool:
    prepare, present, absent = one

    def run() -> bool:
        prepare()
        return execute(frame, body)

    if absent is None:
        return run()
    if contradicts(frame.machine.guard, present):
        return True
    return fork(frame, [(present, run), (absent, lambda: True)])


def _loop(frame: Frame, node: ast.For | ast.AsyncFor | ast.While, rounds: list[Round]) -> bool:
    """Run the body once for each round; return whether control goes on after the loop."""
    machine = frame.machine
    journal = machine.journal
    before = machine.guard
    loop = Loop(journal.mark(), journal.mark(), getattr(node, "target", None))
    frame.loops.append(loop)
    goes_on = True
    for number, one in enumerate(rounds, start=1):
        loop.is_last = number == len(rounds)
        loop.iteration = journal.mark()
        loop.continues = []
        falls_through = _run_round(frame, node.body, one)
        exits: list[Exit] = list(loop.continues)
        if exits:
            if falls_through:
                exits.append((machine.guard, journal.changes(loop.iteration)))
            journal.undo(loop.iteration)
            journal.merge(exits)
            falls_through = True
        machine.guard = before
        if not falls_through:
            goes_on = False
            break
    frame.loops.pop()
    if loop.breaks:
        exits = list(loop.breaks)
        if goes_on:
            exits.append((before, journal.changes(loop.start)))
        journal.undo(loop.start)
        journal.merge(exits)
        return True
    if goes_on and node.orelse:
        return execute(frame, node.orelse)
    return goes_on


@executes(ast.With, ast.AsyncWith)
def _with(frame: Frame, node: ast.With | ast.AsyncWith) -> bool:
    machine = frame.machine
    was = machine.grad_enabled, machine.is_inference, machine.is_hooked, machine.is_autocast, machine.mode_caveats
    for item in node.items:
        value = enter_context(frame, item.context_expr)
        if item.optional_vars is not None:
            assign(frame, item.optional_vars, value, item.context_expr)
    goes_on = execute(frame, node.body)
    machine.grad_enabled, machine.is_inference, machine.is_hooked, machine.is_autocast, machine.mode_caveats = was
    return goes_on


@executes(ast.Try)
def _try(frame: Frame, node: ast.Try) -> bool:
    def unhindered() -> bool:
        return execute(frame, node.body) and execute(frame, node.orelse)

    handlers = [handler for handler in node.handlers if frame.name != "<module>" and _goes_on_otherwise(handler)]
    if handlers:
        ways, nothing = _ways_out(frame, node, handlers)
        goes_on = fork(frame, [(nothing, unhindered), *ways])
    else:
        goes_on = unhindered()
        if not goes_on:
            goes_on = any(execute(frame, handler.body) for handler in node.handlers)
    if node.finalbody:
        guard = frame.machine.guard
        goes_on = execute(frame, node.finalbody) and goes_on
        frame.machine.guard = guard
    return goes_on


def _goes_on_otherwise(handler: ast.ExceptHandler) -> bool:
    """Return whether what is done about an exception computes something, and doesn't end in another one."""
    if handler.type is None or isinstance(handler.body[-1], (ast.Raise, ast.Pass, ast.Continue)):
        return False
    return any(
        isinstance(statement, ast.AugAssign)
        or (isinstance(statement, ast.Assign) and any(isinstance(n, (ast.Call, ast.BinOp)) for n in walk(statement)))
        for statement in handler.body
    )


def _ways_out(frame: Frame, node: ast.Try, handlers: list[ast.ExceptHandler]) -> tuple[list[Way], Guard]:
    """Return the ways that begin where something is raised, before anything else was done, and where nothing is."""
    ways: list[Way] = []
    nothing: Guard = EVERYWHERE
    for handler in handlers:
        assert handler.type is not None
        text = f"{text_of(frame, handler.type)} is raised in line {node.body[0].lineno}"
        literal = frame.machine.literal((id(handler), frame.machine.clock), Condition(text))
        ways.append((nothing | {literal}, partial(execute, frame, handler.body)))
        nothing |= {-literal}
    return ways, nothing


if hasattr(ast, "TryStar"):
    STATEMENTS[ast.TryStar] = _try


@executes(ast.Match)
def _match(frame: Frame, node: ast.Match) -> bool:
    evaluate(frame, node.subject)
    machine = frame.machine
    ways: list[Way] = []
    previous: Guard = EVERYWHERE
    for at, case in enumerate(node.cases):
        literal = machine.literal((id(node), at, machine.clock), Condition(ast.unparse(case.pattern)))
        ways.append((previous | {literal}, partial(execute, frame, case.body)))
        previous |= {-literal}
    ways.append((previous, lambda: True))
    return fork(frame, ways)


@executes(ast.FunctionDef, ast.AsyncFunctionDef)
def _function(frame: Frame, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if frame.name == "<module>" and frame.module.functions.get(node.name) is not None:
        known = frame.module.functions[node.name]
        value: Value = Function(known, None) if known.node is node else closure(frame, node)
    else:
        value = closure(frame, node)
    frame.machine.journal.set(frame.local, node.name, value)
    return True


@executes(ast.ClassDef)
def _class(frame: Frame, node: ast.ClassDef) -> bool:
    known = frame.module.classes.get(node.name)
    info = known if known is not None and known.node is node else class_of(frame, node)
    if info is not known:
        frame.machine.scopes.append(frame)
    frame.machine.journal.set(frame.local, node.name, Class(info, frame if info is not known else None))
    return True


@executes(ast.Global, ast.Nonlocal)
def _global(frame: Frame, node: ast.Global | ast.Nonlocal) -> bool:
    frame.globals.update(node.names)
    return True


@executes(ast.Delete)
def _delete(frame: Frame, node: ast.Delete) -> bool:
    for target in node.targets:
        if isinstance(target, ast.Name) and target.id in frame.local:
            frame.machine.journal.set(frame.local, target.id, Opaque())
        elif isinstance(target, ast.Subscript):
            delete_item(frame, target)
    return True


@executes(ast.Assert)
def _assert(_frame: Frame, _node: ast.Assert) -> bool:
    return True


@executes(ast.Import, ast.ImportFrom)
def _import(frame: Frame, node: ast.Import | ast.ImportFrom) -> bool:
    from gradsan.source.flow.importing import import_into

    import_into(frame, node)
    return True


__all__ = ["Const", "External", "Mapping", "assign", "binary", "derived", "node_of", "nodes_of"]
