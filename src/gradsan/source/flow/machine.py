"""The state of one analysis: paths, gradient mode, fuel, events; and the tables that interpretation is made of."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gradsan.knowledge import Effect, Operation, Table
from gradsan.source.flow.graph import (
    EVERYWHERE,
    Conflict,
    Grad,
    Guard,
    Node,
    Place,
    Refused,
    Storage,
    Unrecorded,
    next_sequence,
)
from gradsan.source.flow.journal import Exit, Journal
from gradsan.source.flow.regrads import Regrad
from gradsan.source.flow.values import Function, Instance, Opaque, Value
from gradsan.source.index import ClassInfo, FunctionInfo, ModuleInfo
from gradsan.source.project import Project

MAX_DEPTH = 12
"""Calls inside calls that are followed."""


@dataclass(slots=True, eq=False, repr=False)
class Loop:
    """The innermost loop of a frame, while its body is run."""

    start: int
    iteration: int
    target: ast.expr | None = None
    is_last: bool = False
    """The last iteration that is looked at stands for the last one there is."""
    breaks: list[Exit] = field(default_factory=list)
    continues: list[Exit] = field(default_factory=list)


@dataclass(slots=True, eq=False, repr=False)
class Frame:
    """One call of a function, or the run of a module's body."""

    machine: Machine
    module: ModuleInfo
    name: str
    local: dict[str, Value] = field(default_factory=dict)
    scope: Frame | None = None
    owner: ClassInfo | None = None
    receiver: Value | None = None
    start: int = 0
    """Where the journal stood at entry."""
    returns: list[tuple[Value, Exit]] = field(default_factory=list)
    yields: list[Value] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    globals: set[str] = field(default_factory=set)
    info: FunctionInfo | None = None

    def place(self, node: ast.AST) -> Place:
        """Return where a node of this function stands."""
        return Place(self.module, node, self.name)


_FORMER = {"symeig": "torch.linalg.eigh", "eig": "torch.linalg.eig"}
"""Operations that the framework has no more, and what took their place.  Source: torch/functional.py (1.13, 2.0)."""


@dataclass(slots=True, eq=False, repr=False)
class Condition:
    """What one literal says, for people."""

    text: str
    is_training: bool = False
    implied: int = 0
    """The sign with which the literals of its parts say it already."""
    parts: tuple[int, ...] = ()
    """The literals that all hold where it does, 0 for what is no literal."""
    stack: tuple[FunctionInfo, ...] = ()
    """The functions that ran where it was asked first, the innermost last."""
    is_given: bool = False
    """Whether it asks for what a caller gave as it is: two that hang together are one."""


@dataclass(slots=True, eq=False, repr=False)
class Machine:
    """One analysis of one entry: a function on its own, or a module's body."""

    project: Project
    table: Table
    journal: Journal = field(default_factory=Journal)
    guard: Guard = EVERYWHERE
    grad_enabled: bool = True
    fuel: int = 2000
    clock: int = 0
    stack: list[FunctionInfo] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    refusals: list[Refused] = field(default_factory=list)
    unrecorded: list[Unrecorded] = field(default_factory=list)
    last_saves: dict[tuple[int, str], int] = field(default_factory=dict)
    """When each place last saved its operand."""
    regrads: list[Regrad] = field(default_factory=list)
    """Tensors whose gradient was switched, with what they were."""
    touched: list[Storage] = field(default_factory=list)
    escaped: list[Node] = field(default_factory=list)
    """Nodes that outlive the entry: returned, stored, yielded."""
    module_frames: dict[int, Frame] = field(default_factory=dict)
    conditions: dict[object, int] = field(default_factory=dict)
    described: dict[int, Condition] = field(default_factory=dict)
    presumed: set[int] = field(default_factory=set)
    """Literals without which a path goes no further: the program raises."""
    kept: list[object] = field(default_factory=list)
    """Objects whose identity is used as a key."""
    stored: dict[object, Value] = field(default_factory=dict)
    """What was stored last at an item of a list that a name stands for, by list and name; set through the journal."""
    functions: dict[int, FunctionInfo] = field(default_factory=dict)
    classes: dict[int, ClassInfo] = field(default_factory=dict)
    constants: dict[tuple[int, str], Value] = field(default_factory=dict)
    entry: Place | None = None
    """The function that is run on its own."""
    is_program: bool = False
    """A module's body is run: constructors are run where they stand."""
    n_samples: int = 2
    """Elements that stand for an unknown number: what one iteration leaves, the next one meets."""
    closures: dict[int, Function] = field(default_factory=dict)
    """Functions that were defined inside the entry's, by the identity of their definition."""
    called: set[int] = field(default_factory=set)
    """Those of them that were called."""
    late_from: int | None = None
    """When those began to run that the entry handed on without calling them."""
    in_backward: bool = False
    in_custom_forward: int = 0
    is_inference: bool = False
    mode_caveats: tuple[str, ...] = ()
    """What is said of a write where the gradient mode is set to what isn't known."""
    is_hooked: bool = False
    """Saved-tensor hooks are active."""
    is_autocast: bool = False
    """Operations that run in half precision are given copies of the weights."""
    texts: dict[int, str] = field(default_factory=dict)
    abouts: dict[int, tuple[tuple[str, ...], bool]] = field(default_factory=dict)
    opposites: dict[int, ast.Compare] = field(default_factory=dict)
    telling: dict[int, bool] = field(default_factory=dict)
    index_roots: set[str] = field(default_factory=set)
    """The parameters of the entry that something is indexed with: integers or masks, so no gradient flows to them."""
    given_to_numpy: list[tuple[frozenset[str], Guard]] = field(default_factory=list)
    """The parameters of the entry that NumPy is given, and on which paths."""
    layered: set[str] = field(default_factory=set)
    """The parameters of the entry that a network hands to its layers: tensors, whatever else isn't known of them."""
    fed_back: tuple[tuple[str, Value], int] | None = None
    """The parameter that the entry was run a second time with, what it had returned, and when that began."""
    has_stale_views: bool = False
    """The base of a view was written that doesn't outlive that."""
    has_off_tape: bool = False
    """Something was written through `detach()`."""
    is_open: bool = False
    """Something was mutated, or may have been, that the entry didn't make; see NOTE [Open functions]."""
    equalities: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    """The literals that say that something equals one text or another."""
    decorated: dict[tuple[int, int], Value | None] = field(default_factory=dict)
    """What the decorators of the project made of a function."""
    operations: dict[str, Operation | None] = field(default_factory=dict)
    effects: dict[object, Effect] = field(default_factory=dict)
    scopes: list[Frame] = field(default_factory=list)
    """Frames that functions and classes defined in them refer to."""
    probe: Probe | None = None
    """Looks at what calls pass."""
    unfinished: list[Instance] = field(default_factory=list)
    """Objects whose constructor waits."""

    def reset(self, mark: int) -> None:
        """Forget what an entry did since a mark of the journal, for the next one."""
        self.journal.undo(mark)
        for switched in reversed(self.regrads):
            switched.restore()
        for storage in self.touched:
            storage.saves.clear()
            storage.nodes = []
            storage.version = 0
            storage.has_gradient = storage.has_special_views = False
            storage.base_write = storage.off_tape = None
            storage.is_cut = False
            storage.grad = Grad.NO
            storage.roots = frozenset()
        for known in (
            self.regrads,
            self.conflicts,
            self.refusals,
            self.unrecorded,
            self.escaped,
            self.index_roots,
            self.stack,
            self.closures,
            self.layered,
            self.given_to_numpy,
            self.called,
            self.presumed,
        ):
            known.clear()
        self.is_open = self.has_stale_views = self.has_off_tape = False
        self.fed_back = self.late_from = None
        self.grad_enabled = True
        self.mode_caveats = ()
        self.guard = EVERYWHERE

    def release(self) -> None:
        """Let go of what refers to each other: the memory is free then, without the garbage collector's help."""
        for storage in self.touched:
            storage.saves.clear()
        for instance in self.unfinished:
            instance.pending = None
        for frame in self.scopes:
            frame.local.clear()
            frame.returns.clear()
        for held in (self.scopes, self.kept, self.stored, self.module_frames, self.closures, self.constants):
            held.clear()
        self.journal.entries.clear()

    def tick(self) -> int:
        """Return the next point in time."""
        self.clock = next_sequence()
        return self.clock

    def operation(self, dotted: str) -> Operation | None:
        """Return what the table knows of a dotted name."""
        try:
            return self.operations[dotted]
        except KeyError:
            operation = self.table.lookup(dotted) or self.table.lookup(_FORMER.get(dotted.rpartition(".")[2], dotted))
            if operation is not None and operation.kind == "other":
                operation = None
            self.operations[dotted] = operation
            return operation

    def literal(self, key: object, condition: Condition) -> int:
        """Return the number of a condition."""
        number = self.conditions.get(key)
        if number is None:
            number = self.conditions[key] = len(self.conditions) + 1
            self.described[number] = condition
        return number


Evaluator: TypeAlias = Callable[[Frame, Any], Value]
Executor: TypeAlias = Callable[[Frame, Any], bool]
EXPRESSIONS: dict[type[ast.AST], Evaluator] = {}
STATEMENTS: dict[type[ast.AST], Executor] = {}


@dataclass(slots=True)
class Arguments:
    """What a call passes.

    ``is_exact`` is false where a star argument of unknown length hides positions or names.
    """

    positional: list[Value] = field(default_factory=list)
    keywords: dict[str, Value] = field(default_factory=dict)
    is_exact: bool = True

    def get(self, position: int, name: str) -> Value | None:
        """Return the argument at a position or of a name."""
        if name in self.keywords:
            return self.keywords[name]
        return self.positional[position] if position < len(self.positional) else None

    def values(self) -> list[Value]:
        """Return all argument values."""
        return [*self.positional, *self.keywords.values()]


Probe: TypeAlias = Callable[[Frame, ast.Call, "Value | None", Arguments], None]
"""Is told each call before it is made: the object whose method it calls, if any, and what it passes."""
Caller: TypeAlias = Callable[[Frame, Any, Arguments, ast.AST], Value]
CALLERS: dict[type, Caller] = {}
MemberCaller: TypeAlias = Callable[[Frame, Any, str, Arguments, ast.AST], Value]
MEMBER_CALLERS: dict[type, MemberCaller] = {}
Getter: TypeAlias = Callable[[Frame, Any, str, ast.AST], Value]
GETTERS: dict[type, Getter] = {}


def evaluates(*kinds: type[ast.AST]) -> Callable[[Evaluator], Evaluator]:
    """Register what evaluates a kind of expression."""

    def register(function: Evaluator) -> Evaluator:
        for kind in kinds:
            EXPRESSIONS[kind] = function
        return function

    return register


def executes(*kinds: type[ast.AST]) -> Callable[[Executor], Executor]:
    """Register what executes a kind of statement; it returns whether control goes on to the next one."""

    def register(function: Executor) -> Executor:
        for kind in kinds:
            STATEMENTS[kind] = function
        return function

    return register


def calls(*kinds: type) -> Callable[[Caller], Caller]:
    """Register what calls a kind of value."""

    def register(function: Caller) -> Caller:
        for kind in kinds:
            CALLERS[kind] = function
        return function

    return register


def calls_members(*kinds: type) -> Callable[[MemberCaller], MemberCaller]:
    """Register what calls a method of a kind of value by its name."""

    def register(function: MemberCaller) -> MemberCaller:
        for kind in kinds:
            MEMBER_CALLERS[kind] = function
        return function

    return register


def gets(*kinds: type) -> Callable[[Getter], Getter]:
    """Register what reads an attribute of a kind of value."""

    def register(function: Getter) -> Getter:
        for kind in kinds:
            GETTERS[kind] = function
        return function

    return register


def evaluate(frame: Frame, node: ast.AST) -> Value:
    """Return what an expression may evaluate to."""
    try:
        evaluator = EXPRESSIONS[node.__class__]
    except KeyError:
        return Opaque()
    return evaluator(frame, node)


def call(frame: Frame, callee: Value, arguments: Arguments, node: ast.AST) -> Value:
    """Return what a call may return."""
    try:
        caller = CALLERS[callee.__class__]
    except KeyError:
        return Opaque()
    return caller(frame, callee, arguments, node)


def get_attribute(frame: Frame, value: Value, name: str, node: ast.AST) -> Value:
    """Return what an attribute may hold."""
    try:
        getter = GETTERS[value.__class__]
    except KeyError:
        return Opaque()
    return getter(frame, value, name, node)


def execute(frame: Frame, body: list[ast.stmt]) -> bool:
    """Run statements; return whether control goes on after them."""
    machine = frame.machine
    for statement in body:
        machine.fuel -= 1
        executor = STATEMENTS.get(statement.__class__)
        if executor is not None and not executor(frame, statement):
            return False
    return True


__all__ = ["Function", "Machine"]
