"""What an expression may evaluate to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from gradsan.source.flow.graph import EVERYWHERE, Grad, Guard, Node, Place, Storage, View, contradicts
from gradsan.source.index import ClassInfo, FunctionInfo, ModuleInfo

if TYPE_CHECKING:
    from gradsan.source.flow.machine import Frame
    from gradsan.source.flow.overlaps import Ones

MAX_OPTIONS = 4


@dataclass(slots=True, eq=False, repr=False)
class Opaque:
    """Something unknown; its attributes and items are unknown too, but keep their identity."""

    name: str = ""
    roots: frozenset[str] = frozenset()
    """The parameters of the analysed function that it comes from."""
    default: Const | None = None
    attributes: dict[object, Value] = field(default_factory=dict)
    tensor: Tensor | None = None
    """What it is when it is used as a tensor."""
    node: Node | None = None
    weights: Storage | None = None
    """When it is used as a network: its parameters, as one storage."""
    is_number: bool = False
    is_flag: bool = False
    """It is what a comparison gives: as an index it is a mask, or takes a copy, and never a view."""
    is_network: bool = False
    """It is a module that another library made, or a part of one."""
    grad: Grad | None = None
    """How surely it requires a gradient, where it stands for many tensors."""


@dataclass(slots=True, eq=False, repr=False)
class Const:
    """A literal."""

    value: object


@dataclass(slots=True, eq=False, repr=False)
class Tensor:
    """A tensor: one of the names of a storage."""

    storage: Storage
    grad: Grad = Grad.UNKNOWN
    roots: frozenset[str] = frozenset()
    node: Node | None = None
    view: View | None = None
    is_leaf: bool = False
    is_detached: bool = False
    is_data: bool = False
    is_integer: bool = False
    is_contiguous: bool | None = None
    ones: Ones | None = None
    """What is known of its sizes."""
    shared: View | None = None
    """How its elements came to share memory with each other."""
    caveats: tuple[str, ...] = ()
    """Why it may not share its storage after all, `"if `.float()` returns its input"`."""

    def twin(self) -> Tensor:
        """Return another one that is the same; `dataclasses.replace` takes several times as long."""
        return Tensor(
            self.storage,
            self.grad,
            self.roots,
            self.node,
            self.view,
            self.is_leaf,
            self.is_detached,
            self.is_data,
            self.is_integer,
            self.is_contiguous,
            self.ones,
            self.shared,
            self.caveats,
        )


@dataclass(slots=True, eq=False, repr=False)
class Sequence:
    """A list or a tuple, or what a loop runs over."""

    items: list[Value]
    is_exact: bool = True
    """False: the items are samples of an unknown number of elements."""
    is_tuple: bool = False
    fields: tuple[str, ...] = ()
    """Names of the items, for results like ``(values, indices)``."""


@dataclass(slots=True, eq=False, repr=False)
class Mapping:
    """A dict."""

    items: dict[object, Value]
    is_exact: bool = True


@dataclass(slots=True, eq=False, repr=False)
class Choice:
    """One of several values, each on its own paths."""

    options: tuple[tuple[Value, Guard], ...]


@dataclass(slots=True, eq=False, repr=False)
class External:
    """Something outside the project, by dotted name; builtins are ``builtins.len``."""

    dotted: str


@dataclass(slots=True, eq=False, repr=False)
class Namespace:
    """A module of the project."""

    module: ModuleInfo


@dataclass(slots=True, eq=False, repr=False)
class Function:
    """A function of the project; ``receiver`` is bound to its first parameter."""

    info: FunctionInfo
    scope: Frame | None = None
    receiver: Value | None = None
    is_bare: bool = False
    """What its decorators decorate, not what they make of it."""


@dataclass(slots=True, eq=False, repr=False)
class Class:
    """A class of the project."""

    info: ClassInfo
    scope: Frame | None = None


@dataclass(slots=True, eq=False, repr=False)
class Instance:
    """An object of a class of the project."""

    info: ClassInfo
    attributes: dict[object, Value] = field(default_factory=dict)
    is_frozen: bool = False
    children: Sequence | None = None
    """The contained modules, when a base is a container of the framework."""
    name: str = ""
    pending: Callable[[Instance], None] | None = None
    """Runs the constructor, when an attribute is first asked for."""
    is_self: bool = False
    """The object whose method is analysed on its own: its state is what the constructor leaves."""


@dataclass(slots=True, eq=False, repr=False)
class Layer:
    """A module of the framework, ``nn.Conv2d(3, 8, 3)``."""

    dotted: str
    arguments: dict[str, object]
    created: Place
    attributes: dict[object, Value] = field(default_factory=dict)
    is_frozen: bool = False
    children: Sequence | None = None
    since: int = 0
    """When it was made, on the machine's clock."""


@dataclass(slots=True, eq=False, repr=False)
class Optimizer:
    """An optimizer and what it steps."""

    name: str
    targets: list[Value]
    created: Place


@dataclass(slots=True, eq=False, repr=False)
class Super:
    """``super()`` inside a method."""

    receiver: Value
    after: ClassInfo


@dataclass(slots=True, eq=False, repr=False)
class Bound:
    """A method of a value that isn't an object of the project."""

    receiver: Value
    name: str


@dataclass(slots=True, eq=False, repr=False)
class Partial:
    """``functools.partial``."""

    function: Value
    positional: list[Value]
    keywords: dict[str, Value]


@dataclass(slots=True, eq=False, repr=False)
class Context:
    """The ``ctx`` of a custom ``autograd.Function``."""

    name: str
    saved: list[tuple[Value, Place]] = field(default_factory=list)
    dirty: list[tuple[Value, Place]] = field(default_factory=list)
    attributes: dict[object, Value] = field(default_factory=dict)
    is_backward: bool = False


Value: TypeAlias = (
    Opaque
    | Context
    | Const
    | Tensor
    | Sequence
    | Mapping
    | Choice
    | External
    | Namespace
    | Function
    | Class
    | Instance
    | Layer
    | Optimizer
    | Super
    | Bound
    | Partial
)


def complete(instance: Instance) -> Instance:
    """Run the constructor of an object, if that is still to be done."""
    if instance.pending is not None:
        run, instance.pending = instance.pending, None
        run(instance)
    return instance


ABSENT = External("<absent>")
"""Stands in a list for an item that isn't there on some paths; called, it hands back what it is given."""
HOLE = "{}"
"""Stands in the name of a text for a part that isn't known."""
NONE = Const(None)
TRUE = Const(True)
FALSE = Const(False)


def options_of(value: Value) -> tuple[tuple[Value, Guard], ...]:
    """Return what a value may be, each with the guard of its paths."""
    if type(value) is Choice:
        return value.options
    return ((value, EVERYWHERE),)


def is_number(value: Value) -> bool:
    """Return whether a value is a number, whichever of its options it is."""
    if type(value) is Opaque:
        return value.is_number
    if type(value) is Choice:
        return all(is_number(option) for option, _ in value.options)
    return type(value) is Const and isinstance(value.value, (int, float))


def join(options: list[tuple[Value, Guard]]) -> Value:
    """Return one value that stands for several, each on its own paths."""
    if len(options) == 2:  # by far the most frequent
        (one, _), (other, _) = options
        if type(one) is not Choice and type(other) is not Choice:
            if one is other:
                return one
            if type(one) is Const and type(other) is Const and _is_equal(one, other):
                return one
            return Choice(tuple(options))
    flat: dict[int, tuple[Value, Guard]] = {}
    for value, guard in options:
        for inner, inner_guard in options_of(value):
            if inner_guard and contradicts(guard, inner_guard):
                continue
            guards = guard | inner_guard
            known = _same(flat, inner)
            if known is None:
                flat[id(inner)] = (inner, guards)
            else:
                flat[known] = (flat[known][0], flat[known][1] & guards)
    if len(flat) == 1:
        return next(iter(flat.values()))[0]
    if len(flat) > MAX_OPTIONS:
        from gradsan.source.flow.summaries import fewer

        return fewer(list(flat.values()))
    return Choice(tuple(flat.values())) if flat else Opaque()


def _is_equal(one: Const, other: Const) -> bool:
    return type(one.value) is type(other.value) and one.value == other.value


def _same(flat: dict[int, tuple[Value, Guard]], value: Value) -> int | None:
    if id(value) in flat:
        return id(value)
    if type(value) is Const:
        for key, (other, _) in flat.items():
            if type(other) is Const and _is_equal(other, value):
                return key
    return None


def tensors_in(value: Value, *, depth: int = 4) -> Iterator[Tensor]:
    """Yield the tensors of a value, those in containers and objects included."""
    if type(value) is Tensor:
        yield value
    elif type(value) is Opaque:
        if value.tensor is not None:
            yield value.tensor
    elif _goes_on(value, depth):
        for part in _parts(value):
            yield from tensors_in(part, depth=_deeper(value, depth))


def opaques_in(value: Value, *, depth: int = 2) -> Iterator[Opaque]:
    """Yield what is unknown among a value's options, or in its containers."""
    if type(value) is Opaque:
        yield value
    elif depth and type(value) in (Choice, Sequence, Mapping):
        for part in _parts(value):
            yield from opaques_in(part, depth=depth - 1)


_WHOLES = frozenset({Sequence, Mapping, Choice, Instance, Layer, Partial})


def _goes_on(value: Value, depth: int) -> bool:
    return type(value) is Choice or (depth > 0 and type(value) in _WHOLES)


def _deeper(value: Value, depth: int) -> int:
    """Return how deep to look into the parts of a value; to be one of several things is no nesting."""
    return depth if type(value) is Choice else depth - 1


def _parts(value: Value) -> list[Value]:
    match value:
        case Sequence(items=items):
            return items
        case Mapping(items=found):
            return list(found.values())
        case Choice(options=options):
            return [option for option, _ in options]
        case Instance(attributes=attributes, children=children):
            return [*attributes.values(), *(children.items if children else ())]
        case Layer(children=Sequence(items=items)):
            return items
        case Partial(positional=positional, keywords=keywords):
            return [*positional, *keywords.values()]
        case _:
            return []


def nodes_of(value: Value, *, depth: int = 4) -> Iterator[Node]:
    """Yield the graph nodes that a value holds on to."""
    match value:
        case Tensor(is_integer=True):
            return
        case Tensor():
            if value.node is not None:
                yield value.node
            if not value.is_detached:
                yield from value.storage.nodes
        case Opaque():
            if value.node is not None:
                yield value.node
            if value.tensor is not None:
                yield from nodes_of(value.tensor)
        case _ if _goes_on(value, depth):
            for part in _parts(value):
                yield from nodes_of(part, depth=_deeper(value, depth))


def is_given(value: Value) -> bool:
    """Return whether a value is a constant or what a caller gave as it is, on each path."""
    if type(value) is Choice:
        return all(is_given(option) for option, _ in value.options)
    return type(value) is Const or (type(value) is Opaque and bool(value.name))
