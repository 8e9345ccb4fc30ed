"""Calls of what the project defines: functions, classes, objects."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from gradsan.source.flow.children import DICTS
from gradsan.source.flow.conditions import runs_in_evaluation
from gradsan.source.flow.decorating import decorated
from gradsan.source.flow.deleting import present
from gradsan.source.flow.evaluating import derived
from gradsan.source.flow.graph import EVERYWHERE, Grad, contradicts
from gradsan.source.flow.hooks import run_hooks, run_pre_hooks
from gradsan.source.flow.journal import Exit, Journal
from gradsan.source.flow.machine import MAX_DEPTH, Arguments, Frame, Machine, call, calls, evaluate, execute
from gradsan.source.flow.modes import AUTOCAST, decorated_off, is_autocast
from gradsan.source.flow.records import construct_plain, fill_fields
from gradsan.source.flow.tensors import nodes_and_grad, record_save
from gradsan.source.flow.values import (
    NONE,
    Choice,
    Class,
    Function,
    Instance,
    Layer,
    Mapping,
    Opaque,
    Partial,
    Sequence,
    Tensor,
    Value,
    complete,
    join,
    options_of,
)
from gradsan.source.hierarchy import container_base, find_member, is_module_class
from gradsan.source.index import FunctionInfo, FunctionNode

MAX_RECURSION = 1
"""How often a function is followed into a call of itself: from a list into what it holds."""
_UNFOLLOWED = ("contextmanager", "singledispatch", "custom_op", "register_fake")
"""Decorators of functions that aren't followed."""
CONSTRUCTION_FUEL = 300
"""Statements that one constructor may run."""


@calls(Function)
def call_function(frame: Frame, function: Function, arguments: Arguments, node: ast.AST) -> Value:
    """Follow a call into a function of the project."""
    machine, info = frame.machine, function.info
    if len(machine.stack) >= MAX_DEPTH or machine.fuel <= 0 or machine.stack.count(info) > MAX_RECURSION:
        return opaque_call(frame, Opaque(name=info.name), arguments, node)
    if info.decorators and any(name.endswith(_UNFOLLOWED) for name in info.decorators):
        return Opaque()
    if info.decorators and not function.is_bare:
        wrapper = decorated(frame, function)
        if wrapper is not None:
            first = [function.receiver] if function.receiver is not None else []
            return call(
                frame, wrapper, Arguments([*first, *arguments.positional], arguments.keywords, arguments.is_exact), node
            )
    if function.scope is not None:
        machine.called.add(id(info.node))
    inner = Frame(machine, info.module, info.qualified_name, scope=function.scope, owner=info.owner, info=info)
    if inner.owner is None and function.scope is not None:
        inner.owner = function.scope.owner
    positional = arguments.positional
    if function.receiver is not None:
        positional = [function.receiver, *positional]
        inner.receiver = function.receiver
    elif info.owner is not None and not info.is_static and positional:
        inner.receiver = positional[0]
    elif function.scope is not None:
        inner.receiver = function.scope.receiver
    bind_parameters(inner, info.node, Arguments(positional, arguments.keywords, arguments.is_exact))
    reserve = machine.fuel // 2
    machine.fuel -= reserve
    result = run_function(frame, inner, info)
    machine.fuel += reserve
    return result


def run_function(frame: Frame, inner: Frame, info: FunctionInfo) -> Value:
    """Run a function's body in its frame and return what it may return."""
    machine = frame.machine
    was = machine.grad_enabled, machine.guard, machine.is_inference, machine.is_autocast
    if decorated_off(info.decorators):
        machine.grad_enabled = False
        machine.is_inference = was[2] or any(name.endswith("inference_mode") for name in info.decorators)
    if not isinstance(info.node, ast.Lambda) and not AUTOCAST.isdisjoint(info.decorators):
        machine.is_autocast = is_autocast(inner, info.node.decorator_list, machine.is_autocast)
    machine.stack.append(info)
    inner.start = machine.journal.mark()
    if isinstance(info.node, ast.Lambda):
        result = evaluate(inner, info.node.body)
    else:
        result = _run_body(inner, info.node, was[1])
    machine.stack.pop()
    machine.grad_enabled, machine.guard, machine.is_inference, machine.is_autocast = was
    return result


def _run_body(inner: Frame, node: FunctionNode, guard: frozenset[int]) -> Value:
    machine, journal = inner.machine, inner.machine.journal
    assert not isinstance(node, ast.Lambda)
    if execute(inner, node.body):
        inner.returns.append((NONE, (machine.guard, journal.changes(inner.start, but=inner.local))))
    if not inner.returns:
        return Opaque()
    exits: list[Exit] = [way for _, way in inner.returns]
    journal.undo(inner.start, but=inner.local)  # the functions that were defined in it see its names
    journal.merge(exits)
    if inner.yields:
        return Sequence(list(inner.yields), is_exact=False)
    values = [(value, at - guard) for value, (at, _) in inner.returns]
    if len(values) > 1:
        return _join_returns(machine, values)
    return values[0][0]


def _join_returns(machine: Machine, values: list[tuple[Value, frozenset[int]]]) -> Value:
    """Join returned values; tuples of one length are joined item by item.

    A training that unpacks a tuple does not meet what evaluation returns in its place.
    """
    trained = [(value, guard) for value, guard in values if not runs_in_evaluation(machine, guard)]
    if trained and all(isinstance(value, Sequence) and value.is_tuple for value, _ in trained):
        values = trained
    first = values[0][0]
    if isinstance(first, Sequence) and first.is_tuple:
        tuples = [(value, guard) for value, guard in values if isinstance(value, Sequence)]
        if len(tuples) == len(values) and all(len(v.items) == len(first.items) for v, _ in tuples):
            return Sequence(
                [join([(v.items[i], guard) for v, guard in tuples]) for i in range(len(first.items))],
                is_exact=first.is_exact,
                is_tuple=True,
            )
    return join(values)


def bind_parameters(inner: Frame, node: FunctionNode, arguments: Arguments) -> None:
    """Bind a function's parameters to the arguments of a call."""
    spec, local = node.args, inner.local
    names = [*spec.posonlyargs, *spec.args]
    keywords = dict(arguments.keywords)
    for parameter, value in zip(names, arguments.positional, strict=False):
        local[parameter.arg] = value
    is_missing = False
    for parameter in (*names[len(arguments.positional) :], *spec.kwonlyargs):
        if parameter.arg in keywords:
            local[parameter.arg] = keywords.pop(parameter.arg)
        else:
            is_missing = True
    if is_missing:
        _bind_defaults(inner, spec, names, is_exact=arguments.is_exact)
    if spec.vararg is not None:
        local[spec.vararg.arg] = Sequence(
            arguments.positional[len(names) :], is_exact=arguments.is_exact, is_tuple=True
        )
    if spec.kwarg is not None:
        local[spec.kwarg.arg] = Mapping({str(k): v for k, v in keywords.items()}, is_exact=arguments.is_exact)


def _bind_defaults(inner: Frame, spec: ast.arguments, names: list[ast.arg], *, is_exact: bool) -> None:
    """Bind the parameters that a call leaves out."""
    local = inner.local
    first: list[ast.expr | None] = [None] * (len(names) - len(spec.defaults))
    home = Frame(inner.machine, inner.module, "<module>", scope=inner.scope)
    for parameter, default in zip((*names, *spec.kwonlyargs), (*first, *spec.defaults, *spec.kw_defaults), strict=True):
        name = parameter.arg
        if name not in local:
            local[name] = evaluate(home, default) if default is not None and is_exact else Opaque(name=name)


@calls(Class)
def instantiate(frame: Frame, value: Class, arguments: Arguments, node: ast.AST) -> Value:
    """Construct an object of a class of the project."""
    machine, info = frame.machine, value.info
    instance = Instance(info)
    constructor = constructor_of(frame, instance, value.scope, node)
    if constructor is not None:
        if machine.is_program or not is_module_class(machine.project, info):
            call(frame, constructor, arguments, node)
        else:
            instance.pending = lambda _made: construct_apart(frame, lambda: call(frame, constructor, arguments, node))
            machine.unfinished.append(instance)
        return instance
    if find_member(machine.project, info, "__new__") is not None:
        return Opaque()
    plain = construct_plain(frame, info, arguments, node)
    if plain is not None:
        return plain
    fill_container(frame, instance, arguments)
    from gradsan.source.flow.layers import construct_base

    construct_base(frame, instance, arguments, node)
    fill_fields(frame, instance, arguments, node)
    return instance


def constructor_of(frame: Frame, instance: Instance, scope: Frame | None, node: ast.AST) -> Function | Partial | None:
    """Return what constructs an object of a class: its own method, or one of its base that it gives some arguments."""
    found = find_member(frame.machine.project, instance.info, "__init__")
    if found is None:
        return None
    if isinstance(found[1], FunctionInfo):
        return Function(found[1], scope, instance)
    from gradsan.source.flow.objects import member_of

    made = member_of(frame, instance, found[1], found[0], node)
    return made if isinstance(made, Partial) and made.positional[:1] == [instance] else None


def construct_apart(frame: Frame, run: Callable[[], object]) -> None:
    """Run a constructor apart from the path that first looks into the object: it belongs to all paths.

    See NOTE [Journal]: what is set here is not undone with a branch.
    """
    machine = frame.machine
    was = machine.journal, machine.guard, machine.grad_enabled, machine.fuel, machine.stack, machine.is_inference
    machine.journal, machine.guard, machine.grad_enabled, machine.is_inference = Journal(), EVERYWHERE, True, False
    machine.fuel = min(machine.fuel, CONSTRUCTION_FUEL)
    machine.stack = list(machine.stack[-2:])
    n_regrads = len(machine.regrads)
    run()
    del machine.regrads[n_regrads:]  # what a constructor freezes stays frozen, for the other methods as well
    machine.journal, machine.guard, machine.grad_enabled, _, machine.stack, machine.is_inference = was
    machine.fuel = was[3] - (min(was[3], CONSTRUCTION_FUEL) - machine.fuel)


def fill_container(frame: Frame, instance: Instance, arguments: Arguments) -> None:
    """Give an object that derives from a container of the framework its contents."""
    container = container_base(frame.machine.project, instance.info)
    if container is None:
        return
    children = container_items(container, arguments)
    frame.machine.journal.set(instance.attributes, "<children>", children)
    instance.children = children


def container_items(container: str, arguments: Arguments) -> Sequence:
    """Return the modules that a container's constructor is given."""
    from gradsan.source.flow.iterating import elements

    if container == "Sequential":
        if len(arguments.positional) == 1 and isinstance(arguments.positional[0], Mapping):
            found = arguments.positional[0]
            return Sequence(list(present(found).values()), is_exact=found.is_exact, fields=_names(found))
        return Sequence(list(arguments.positional), is_exact=arguments.is_exact)
    given = arguments.positional[0] if arguments.positional else None
    if isinstance(given, Mapping):
        return Sequence(list(present(given).values()), is_exact=given.is_exact, fields=_names(given))
    if isinstance(given, Sequence) and container in DICTS:
        from gradsan.source.flow.containers import pairs_of

        named = pairs_of(given)
        return Sequence(list(named.items.values()), is_exact=named.is_exact, fields=_names(named))
    if isinstance(given, Sequence):
        return Sequence(list(given.items), is_exact=given.is_exact)
    if isinstance(given, (Instance, Layer)) and given.children is not None:
        return Sequence(list(given.children.items), is_exact=given.children.is_exact)
    _ = elements
    return Sequence([], is_exact=given is None)


def _names(found: Mapping) -> tuple[str, ...]:
    return tuple(key if isinstance(key, str) else "" for key in present(found))


@calls(Instance)
def call_instance(frame: Frame, value: Instance, arguments: Arguments, node: ast.AST) -> Value:
    """Call an object: ``__call__`` or ``forward`` of its class, or the modules that it contains."""
    project = frame.machine.project
    complete(value)
    arguments = run_pre_hooks(frame, value, arguments, node)
    for name in ("forward", "__call__"):
        found = find_member(project, value.info, name)
        if found is not None and isinstance(found[1], FunctionInfo):
            result = call(frame, Function(found[1], None, value), arguments, node)
            return run_hooks(frame, value, arguments, result, node)
    if value.children is not None and container_base(project, value.info) == "Sequential":
        return run_hooks(frame, value, arguments, chain(frame, value.children, arguments, node), node)
    if "forward" in value.attributes:
        return call(frame, value.attributes["forward"], arguments, node)
    from gradsan.source.flow.layers import base_of

    base = base_of(frame, value, node)
    if base is not None:
        return run_hooks(frame, value, arguments, call(frame, base, arguments, node), node)
    return opaque_call(frame, Opaque(name=value.info.name), arguments, node)


def chain(frame: Frame, children: Sequence, arguments: Arguments, node: ast.AST) -> Value:
    """Run modules one after the other."""
    if not arguments.positional:
        return Opaque()
    result = arguments.positional[0]
    for child in children.items:
        result = call(frame, child, Arguments([result]), node)
    if not children.is_exact and not all(isinstance(option, Tensor) for option, _ in options_of(result)):
        return derived(frame, [result])
    return result


@calls(Choice)
def _call_choice(frame: Frame, value: Choice, arguments: Arguments, node: ast.AST) -> Value:
    machine = frame.machine
    before = machine.guard
    results: list[tuple[Value, frozenset[int]]] = []
    for option, guard in value.options:
        if contradicts(before, guard):
            continue
        machine.guard = before | guard
        results.append((call(frame, option, arguments, node), guard))
    machine.guard = before
    return join(results) if results else Opaque()


@calls(Partial)
def _call_partial(frame: Frame, value: Partial, arguments: Arguments, node: ast.AST) -> Value:
    return call(
        frame,
        value.function,
        Arguments(
            [*value.positional, *arguments.positional], {**value.keywords, **arguments.keywords}, arguments.is_exact
        ),
        node,
    )


_NO_LAYER = re.compile("token|text|proces|transform|sampl|dataset|prepare")
_NETWORK = re.compile(r"(?:^|_)(?:model|net|network|backbone|encoder|decoder|extractor|vae|clip|unet)$")
_ENCODES = re.compile(r"(?:^|_)(?:forward|encode|decode|embed|extract|features?)(?:_|$)")


def _is_layer(node: ast.AST) -> bool:
    """Return whether a network calls what it holds, and that takes tensors as far as its name tells."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
            return _NO_LAYER.search(name) is None
        case ast.Call(func=ast.Attribute(value=ast.Attribute(value=ast.Name(id="self"), attr=held), attr=name)):
            is_known = _NETWORK.search(held) is not None and _ENCODES.search(name) is not None
            return is_known and _NO_LAYER.search(held) is None and _NO_LAYER.search(name) is None
    return False


def _is_frozen(network: Opaque) -> bool:
    weights = network.attributes.get("<weights>")
    return isinstance(weights, Tensor) and weights.grad is Grad.NO


@calls(Opaque)
def opaque_call(frame: Frame, value: Opaque, arguments: Arguments, node: ast.AST) -> Value:
    """Call something unknown: its result hangs on its arguments, and on its own weights where it has some."""
    stack = frame.machine.stack
    if len(stack) == 1 and stack[0].name == "forward" and _is_layer(node):
        for given in arguments.positional:
            frame.machine.layered |= given.roots if isinstance(given, (Opaque, Tensor)) else frozenset()
    result = derived(frame, arguments.values(), name="")
    result.is_number = False
    if value.weights is not None and frame.machine.grad_enabled:
        parents, _, _ = nodes_and_grad(frame, arguments.values())
        from gradsan.source.flow.graph import Node

        graph = Node((parents,) if parents is not None else (), leaves=() if _is_frozen(value) else (value.weights,))
        if not frame.machine.is_autocast:  # it may have layers that are given copies of their weights, and no others
            record_save(
                frame,
                Tensor(value.weights, Grad.YES),
                node=graph,
                place=frame.place(node),
                operation=value.name or "the network",
                operand="weight",
                grad=Grad.YES,
                roots=frozenset(),
            )
        return Opaque(roots=result.roots, node=graph)
    if value.name in value.roots and _NETWORK.search(value.name) and arguments.values():
        result.roots |= {f"{value.name}(...)"}
    if value.name.startswith("self.") and arguments.values() and not result.roots:
        result.roots = frozenset({value.name}) if result.node is not None else frozenset()
    if not frame.machine.grad_enabled:
        return Opaque()
    return result
