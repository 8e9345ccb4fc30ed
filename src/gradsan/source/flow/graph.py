"""Storages and the autograd graph, as far as data flow knows them.

# NOTE [Path guards]
A guard is a set of literals: ``n`` says that condition number ``n`` holds, ``-n`` that it doesn't.  Events carry the
guard of the path they stand on; a save and a write conflict only where no literal of the one contradicts the other.
"""

from __future__ import annotations

import ast
import itertools
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from gradsan.model.event import Access, Refusal, ViewKind, Writer
from gradsan.model.history import TensorKind
from gradsan.source.index import ModuleInfo

Guard: TypeAlias = frozenset[int]

EVERYWHERE: Guard = frozenset()

next_sequence = itertools.count(1).__next__
"""Order in time, of nodes and events alike."""


class Grad(IntEnum):
    """Whether a tensor requires a gradient."""

    NO = 0
    UNKNOWN = 1
    """Nothing is known: data, an attribute of something unknown."""
    FLOWS = 2
    """When gradients flow: it comes from a parameter of the analysed function."""
    YES = 3


@dataclass(slots=True, eq=False, repr=False)
class Place:
    """Where in the source something happens; becomes a span only when it is reported."""

    module: ModuleInfo
    node: ast.AST
    function: str


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """One recorded operation."""

    parents: tuple[Node, ...] = ()
    is_freed: bool = False
    is_held: bool = False
    """A backward pass went through it, and retained the graph for another one."""
    sequence: int = field(default_factory=next_sequence)
    leaves: tuple[Storage, ...] = ()
    """Parameters and other leaves that a backward pass through it gives a gradient."""


@dataclass(slots=True, eq=False, repr=False)
class Storage:
    """What a base, its views and its aliases share."""

    kind: TensorKind = TensorKind.INTERMEDIATE
    name: str = ""
    owner: str = ""
    """The module that holds a parameter or a buffer."""
    since: int | None = None
    """When the layer was made that holds it: its parameters are looked up later."""
    is_tensor: bool = True
    """False while nothing proves that the value is a tensor of the framework."""
    version: int = 0
    saves: list[Save] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    """Operations that wrote in place."""
    grad: Grad = Grad.NO
    """What in-place writes brought in."""
    roots: frozenset[str] = frozenset()
    has_gradient: bool = False
    """A backward pass reached it: an optimizer updates what has a gradient."""
    is_own: bool = False
    """It was made by an operation that was followed; what comes from outside may be known to others as well."""
    is_inference: bool = False
    """It was made in inference mode."""
    is_custom_saved: bool = False
    """It came out of ``ctx.saved_tensors``."""
    has_special_views: bool = False
    """Views of it were made that don't outlive a write to their base."""
    base_write: Write | None = None
    """The last write since, by another way than these views."""
    off_tape: Write | None = None
    """The first write through `detach()`: the graph does not know of it."""
    is_cut: bool = False
    """It was detached itself, by ``detach_``."""


@dataclass(slots=True, eq=False, repr=False)
class Save:
    """An operation kept the storage's value for its backward."""

    storage: Storage
    node: Node
    place: Place
    operation: str
    operand: str
    version: int
    guard: Guard
    sequence: int
    grad: Grad
    """Of the arguments whose gradient reads the saved value."""
    roots: frozenset[str]
    is_view: bool = False
    tensor_id: int = 0
    backward: str = ""
    is_alias_sure: bool = True
    name: str = ""
    own_roots: frozenset[str] = frozenset()
    """The parameters of the analysed function that the saved value itself comes from."""


@dataclass(slots=True, eq=False, repr=False)
class Write:
    """A tensor was mutated."""

    storage: Storage
    place: Place
    operation: str
    version: int
    guard: Guard
    sequence: int
    access: Access
    writer: Writer
    grad_enabled: bool
    target: str
    created: Place | None = None
    module: str = ""
    caveats: tuple[str, ...] = ()
    """Under which circumstances the written tensor is the saved one."""
    is_between_steps: bool = False
    """It replaces all weights at once: what was computed before is mostly dropped, unless a backward pass is seen."""


@dataclass(slots=True, eq=False, repr=False)
class Conflict:
    """A saved value was overwritten; whether backward reads it is settled later."""

    save: Save
    write: Write
    is_needed: bool = False
    """A backward pass after the write reaches the operation that saved."""
    needed_at: Place | None = None
    root_sequence: int = 0
    """When the loss of that pass was computed."""
    is_superseded: bool = False
    """The line that saved has run again since the write."""


@dataclass(slots=True, eq=False, repr=False)
class Unrecorded:
    """What was written off the tape was used with its gradient after that."""

    write: Write
    node: Node
    """The operation that used it."""
    guard: Guard
    grad: Grad
    roots: frozenset[str]
    is_needed: bool = False
    """A backward pass ran through that operation."""


@dataclass(slots=True, eq=False, repr=False)
class Refused:
    """The framework raises at a write."""

    refusal: Refusal
    write: Write
    grad: Grad
    roots: frozenset[str]
    view: View | None = None
    message: str = ""
    raised_at: Place | None = None
    """Where it raises, if not at the write."""


@dataclass(slots=True, eq=False, repr=False)
class View:
    """How a tensor became a view of its base."""

    kind: ViewKind
    operation: str
    place: Place
    sequence: int
    base_is_leaf: bool = False


def contradicts(one: Guard, other: Guard) -> bool:
    """Return whether no path satisfies both guards."""
    if len(one) > len(other):
        one, other = other, one
    for literal in one:  # noqa: SIM110 - asked so often that a generator would cost more than the rest
        if -literal in other:
            return True
    return False


def is_impossible(guard: Guard) -> bool:
    """Return whether no path satisfies a guard: it was put together from alternatives."""
    return any(-literal in guard for literal in guard)


def reachable(roots: list[Node]) -> set[int]:
    """Return the identities of all nodes that a backward pass from the roots runs through."""
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if id(node) in seen or node.is_freed:
            continue
        seen.add(id(node))
        stack.extend(node.parents)
    return seen


def gives_gradient(node: Node) -> bool:
    """Return whether a backward pass through a node gives a gradient to a leaf that is no parameter of a network."""
    seen: set[int] = set()
    stack = [node]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if any(leaf.kind is not TensorKind.PARAMETER for leaf in node.leaves):
            return True
        stack.extend(node.parents)
    return False
