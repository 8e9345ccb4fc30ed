"""Analysing one file: each function and method on its own, and the module's body as a program."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from gradsan.knowledge import Effect, Operation, Table
from gradsan.source.callers import Callers
from gradsan.source.findings import Inference
from gradsan.source.flow.calling import run_function
from gradsan.source.flow.graph import Grad, Node, Place, Save, Storage
from gradsan.source.flow.interpreter import Frame, Machine, execute
from gradsan.source.flow.machine import Arguments, Probe, call
from gradsan.source.flow.modes import decorated_off
from gradsan.source.flow.tensors import tensors_of
from gradsan.source.flow.values import Const, Context, Function, Tensor, Value
from gradsan.source.hierarchy import is_function_class, is_module_class
from gradsan.source.index import ClassInfo, FunctionInfo, FunctionNode, ModuleInfo, local_classes
from gradsan.source.parameters import bind_unknown
from gradsan.source.project import Project
from gradsan.source.reach import Reach, trains
from gradsan.source.running import (
    FUEL,
    FUEL_OF_CALLER,
    FUEL_OF_PROGRAM,
    Outcome,
    construct_unknown,
    receiver_of,
    run_entry,
    settled,
)
from gradsan.source.wrapping import wraps_and_writes

Key: TypeAlias = tuple[str, str, int]
MAX_NESTED = 24
"""How many functions deep one asks another's outcome before its text decides."""


@dataclass(slots=True)
class Analyst:
    """What stays the same from entry to entry.

    Attributes:
        checked: The files that are checked together; functions of other files are judged by their text alone.
    """

    project: Project
    table: Table
    checked: frozenset[Path] = frozenset()
    operations: dict[str, Operation | None] = field(default_factory=dict)
    effects: dict[object, Effect] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    abouts: dict[int, tuple[tuple[str, ...], bool]] = field(default_factory=dict)
    opposites: dict[int, ast.Compare] = field(default_factory=dict)
    telling: dict[int, bool] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    outcomes: dict[Key, Outcome] = field(default_factory=dict)
    reach: Reach = field(init=False)
    callers: Callers = field(init=False)
    _methods: dict[str, bool] = field(default_factory=dict)
    _running: list[Key] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reach = Reach(self.project, self.is_open, self.is_method)
        self.callers = Callers(self.project, partial(_look_on, self))

    def forget(self) -> None:
        """Drop what is known of files, but for what their functions came to."""
        self.project.forget()
        self.reach.forget()
        self.callers.forget()
        for remembered in (self.texts, self.abouts, self.opposites, self.telling):
            remembered.clear()

    @contextmanager
    def machine(self) -> Iterator[Machine]:
        """Lend a fresh machine."""
        machine = Machine(
            self.project,
            self.table,
            fuel=FUEL,
            texts=self.texts,
            abouts=self.abouts,
            opposites=self.opposites,
            telling=self.telling,
            operations=self.operations,
            effects=self.effects,
        )
        try:
            yield machine
        finally:
            machine.release()

    def is_method(self, name: str) -> bool:
        """Return whether tensors, lists, dicts or texts have a method of a name."""
        known = self._methods.get(name)
        if known is None:
            builtin = any(hasattr(kind, name) for kind in (list, dict, str, set))
            known = self._methods[name] = builtin or self.table.lookup(f"torch.Tensor.{name}") is not None
        return known

    def is_open(self, info: FunctionInfo) -> bool:
        """Return whether a caller of a function may find more than running it alone found."""
        if info.decorators and wraps_and_writes(self.project, info):
            return True
        key = key_of(info)
        known = self.outcomes.get(key)
        if known is not None:
            return known.is_open
        if key in self._running or len(self._running) >= MAX_NESTED:
            return True
        if info.module.path not in self.checked or self.project.is_full():
            return self.reach.is_open_by_text(info)
        return self.outcome(info).is_open

    def issettled(self, key: Key) -> bool:
        """Return whether a function was run, or whether that is being decided."""
        return key in self.outcomes or (key in self._running and key != self._running[-1])

    def needs_run(self, info: FunctionInfo, key: Key) -> bool:
        """Return whether a method has to be run; what asks for it meanwhile is told that it is open."""
        self._running.append(key)
        answer = self.reach.needs_run(info)
        self._running.pop()
        return answer

    def fuel_of(self, info: FunctionInfo) -> int:
        """Return how many statements a function that is run on its own may run."""
        return FUEL if self.reach.writes_itself(info) or trains(info.module) else FUEL_OF_CALLER

    def outcome(self, info: FunctionInfo) -> Outcome:
        """Return what running a function on its own comes to; a method is run with the others of its class."""
        key = key_of(info)
        if key not in self.outcomes:
            self._running.append(key)
            if info.owner is not None:
                _run_class(self, info.owner)
            if key not in self.outcomes:
                self.outcomes[key] = _guarded(info, partial(_run_function, self, info))
            self._running.pop()
        return self.outcomes[key]

    def judged(self, info: FunctionInfo) -> Outcome:
        """Return what a function comes to, once those who call it were asked; see NOTE [Callers]."""
        outcome = self.outcome(info)
        if any(inference.is_sure and inference.asks is not None for inference in outcome.found):
            outcome = self.outcomes[key_of(info)] = _guarded(info, partial(self._ask, info, outcome))
        return outcome

    def _ask(self, info: FunctionInfo, outcome: Outcome) -> Outcome:
        found = [
            replace(inference, is_sure=self.callers.bring(info, inference.asks), asks=None)
            if inference.is_sure and inference.asks is not None
            else inference
            for inference in outcome.found
        ]
        return replace(outcome, found=found)


def key_of(info: FunctionInfo) -> Key:
    """Return what tells a function from all others, its file's syntax tree forgotten."""
    return str(info.module.path), info.qualified_name, info.node.lineno


def analyse(analyst: Analyst, module: ModuleInfo) -> list[Inference]:
    """Return what may happen in a module."""
    if "torch" not in module.text:
        return []
    outcomes: list[Outcome] = []
    if has_program(module.tree) and analyst.reach.program_needs_run(module):
        outcomes.append(_guarded(module, partial(_run_body, analyst, module)))
    is_for_torch = any("torch" in home for home in (*module.imports.values(), *module.stars))
    for function in module.functions.values():
        if is_for_torch or _mentions(module, function.node):
            outcomes.append(analyst.judged(function))
    for info in [*module.classes.values(), *_local_networks(analyst, module)]:
        if not is_for_torch and not _mentions(module, info.node):
            continue
        if is_function_class(analyst.project, info):
            outcomes.append(_guarded(info, partial(_run_custom, analyst, info)))
        else:
            outcomes += [analyst.judged(method) for method in (*info.methods.values(), *info.setters.values())]
    analyst.problems += [problem for outcome in outcomes for problem in outcome.problems]
    return [inference for outcome in outcomes for inference in outcome.found]


def _local_networks(analyst: Analyst, module: ModuleInfo) -> list[ClassInfo]:
    """Return the networks and custom Functions that the functions of a module define; nobody calls those by name."""
    project = analyst.project
    return [c for c in local_classes(module) if is_module_class(project, c) or is_function_class(project, c)]


def _mentions(module: ModuleInfo, node: FunctionNode | ast.ClassDef) -> bool:
    """Return whether a definition names the framework: where a file imports it in some of them only."""
    return any("torch" in line for line in module.lines[node.lineno - 1 : node.end_lineno])


def has_program(tree: ast.Module) -> bool:
    """Return whether a module's body does more than define: whether it calls anything in a statement or a loop."""
    for statement in tree.body:
        match statement:
            case ast.For() | ast.While() | ast.With() | ast.AugAssign():
                return True
            case ast.Expr(value=ast.Call()):
                return True
            case ast.If(test=test) if "__main__" in ast.dump(test):
                return True
    return False


def _guarded(what: FunctionInfo | ClassInfo | ModuleInfo, run: Callable[[], Outcome]) -> Outcome:
    """Run an entry; an error of gradsan's own is said and goes no further."""
    try:
        return run()
    except RecursionError:
        problem = "nested too deeply to be followed"
    except Exception as error:
        problem = f"not followed, because of an error of gradsan's own ({error!r})"
    where = f"{what.path}" if isinstance(what, ModuleInfo) else f"{what.module.path}:{what.name}"
    return Outcome(is_open=True, problems=[f"{where}: {problem}"])


def _run_body(analyst: Analyst, module: ModuleInfo) -> Outcome:
    with analyst.machine() as machine:
        frame = Frame(machine, module, "<module>")
        frame.local["__name__"] = Const("__main__")
        machine.is_program, machine.fuel = True, FUEL_OF_PROGRAM if trains(module) else FUEL
        machine.n_samples = 3
        machine.module_frames[id(module)] = frame
        execute(frame, module.tree.body)
        return settled(machine, [])


def _run_function(analyst: Analyst, info: FunctionInfo) -> Outcome:
    if not analyst.reach.needs_run(info):
        return Outcome()
    if decorated_off(info.decorators):
        return Outcome(is_open=True)
    with analyst.machine() as machine:
        return run_entry(machine, info, None, fuel=analyst.fuel_of(info))


def _run_class(analyst: Analyst, info: ClassInfo) -> None:
    """Run each method of a class that isn't known yet; what the constructor makes serves them all."""
    with analyst.machine() as machine:
        instance = construct_unknown(machine, info)
        for method in [*info.methods.values(), *info.setters.values()]:
            key = key_of(method)
            if analyst.issettled(key):
                continue
            if not analyst.needs_run(method, key):
                analyst.outcomes[key] = Outcome()
            elif decorated_off(method.decorators):
                analyst.outcomes[key] = Outcome(is_open=True)
            else:
                receiver = receiver_of(info, method, instance)
                mark = machine.journal.mark()
                run = partial(run_entry, machine, method, receiver, fuel=analyst.fuel_of(method))
                analyst.outcomes[key] = _guarded(method, run)
                machine.reset(mark)


def _look_on(analyst: Analyst, info: FunctionInfo, probe: Probe) -> None:
    """Run a function for the sake of what it passes on."""
    with analyst.machine() as machine:
        machine.probe = probe
        receiver = None
        if info.owner is not None:
            receiver = receiver_of(info.owner, info, construct_unknown(machine, info.owner))
        run_entry(machine, info, receiver)


def _run_custom(analyst: Analyst, info: ClassInfo) -> Outcome:
    """Run ``forward`` of a custom Function, then ``backward`` on what it saved."""
    with analyst.machine() as machine:
        machine.grad_enabled = False
        machine.in_custom_forward = 1
        frame = Frame(machine, info.module, info.name)
        forward, backward = info.methods.get("forward"), info.methods.get("backward")
        context = Context(info.name)
        if forward is not None:
            inner = Frame(machine, forward.module, forward.qualified_name, owner=info, info=forward)
            bind_unknown(inner, forward.node, context)
            run_function(frame, inner, forward)
        if backward is None:
            return Outcome()
        machine.conflicts.clear()
        saved = _saved_in_forward(frame, context)
        behind = Context(info.name, saved=saved, attributes=context.attributes, is_backward=True)
        inner = Frame(machine, backward.module, backward.qualified_name, owner=info, info=backward)
        bind_unknown(inner, backward.node, behind)
        machine.in_backward = True
        run_function(frame, inner, backward)
        return settled(machine, [], in_backward=True)


def _saved_in_forward(frame: Frame, context: Context) -> list[tuple[Value, Place]]:
    """Return what ``ctx.saved_tensors`` hands out: tensors that a graph has saved."""
    saved: list[tuple[Value, Place]] = []
    for value, place in context.saved:
        storage = Storage(is_custom_saved=True)
        frame.machine.touched.append(storage)
        for tensor, _ in tensors_of(frame, value, is_sure=False):
            storage.name = tensor.storage.name
        tensor = Tensor(storage, Grad.NO, is_contiguous=None)
        storage.saves.append(
            Save(
                storage,
                Node(),
                place,
                context.name,
                "",
                0,
                frozenset(),
                frame.machine.tick(),
                Grad.YES,
                frozenset(),
                tensor_id=id(tensor),
            )
        )
        saved.append((tensor, place))
        frame.machine.kept.append(tensor)
    return saved


__all__ = ["Analyst", "Arguments", "Function", "analyse", "call"]
