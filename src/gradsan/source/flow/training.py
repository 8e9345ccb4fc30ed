"""Backward passes and optimizers: what consumes the graph, and what overwrites the weights that it needs."""

from __future__ import annotations

import ast

from gradsan.model.event import Writer
from gradsan.source.flow.branches import truth_of
from gradsan.source.flow.evaluating import derived
from gradsan.source.flow.graph import Grad, Node, contradicts, reachable
from gradsan.source.flow.machine import Arguments, Frame, call
from gradsan.source.flow.tensors import fresh, grad_of, nodes_and_grad
from gradsan.source.flow.values import (
    NONE,
    Const,
    Function,
    Instance,
    Mapping,
    Optimizer,
    Sequence,
    Tensor,
    Value,
    nodes_of,
    tensors_in,
)
from gradsan.source.flow.weights import parameters_of
from gradsan.source.flow.writes import write
from gradsan.source.reach import has_backward


def run_backward(
    frame: Frame, roots: list[Value], *, retains: bool, node: ast.AST, is_differentiated: bool = False
) -> None:
    """Run a backward pass: settle which overwritten values it needs, and free the graph.

    Args:
        frame: Where it runs.
        roots: What is differentiated.
        retains: Whether the graph stays.
        node: The call.
        is_differentiated: Whether it stays because the gradients themselves are steps of a computation.
    """
    machine = frame.machine
    starts = [n for value in roots for n in nodes_of(value)]
    reached = reachable(starts)
    youngest = max((n.sequence for n in starts), default=0)
    for conflict in machine.conflicts:
        if contradicts(machine.guard, conflict.save.guard | conflict.write.guard):
            continue
        if id(conflict.save.node) in reached and not conflict.is_needed:
            conflict.is_needed = True
            conflict.needed_at = frame.place(node)
            conflict.root_sequence = youngest
            saved = (id(conflict.save.place.node), conflict.save.operand)
            is_later = machine.last_saves.get(saved, 0) > conflict.write.sequence
            conflict.is_superseded = is_later and conflict.save.node.is_held
    for use in machine.unrecorded:
        use.is_needed = use.is_needed or (id(use.node) in reached and not contradicts(machine.guard, use.guard))
    stack, seen = list(starts), set[int]()
    while stack:
        at = stack.pop()
        if id(at) in seen:
            continue
        seen.add(id(at))
        stack.extend(at.parents)
        for storage in at.leaves:
            storage.has_gradient = True
        at.is_freed = at.is_freed or not retains
        at.is_held = at.is_held or (retains and not is_differentiated)


def call_backward(frame: Frame, root: Value, arguments: Arguments, node: ast.AST) -> Value:
    """``tensor.backward(...)``."""
    retain = arguments.get(1, "retain_graph")
    create = arguments.get(2, "create_graph")
    run_backward(frame, [root], retains=_may_be_true(retain) or _may_be_true(create), node=node)
    return NONE


def call_backward_of(frame: Frame, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """``accelerator.backward(loss)``, ``self.manual_backward(loss)``: a backward from the first argument."""
    retains = name == "manual_backward" and "retain_graph" in arguments.keywords
    run_backward(frame, [arguments.positional[0]], retains=retains, node=node)
    return NONE


def _may_be_true(value: Value | None) -> bool:
    return value is not None and truth_of(value) is not False and not (isinstance(value, Const) and value.value is None)


def call_grad(frame: Frame, arguments: Arguments, node: ast.AST) -> Value:
    """``torch.autograd.grad(outputs, inputs, ...)``."""
    outputs = arguments.get(0, "outputs")
    inputs = arguments.get(1, "inputs")
    if outputs is None:
        return derived(frame, arguments.values())
    retain = arguments.get(3, "retain_graph")
    create = arguments.get(4, "create_graph")
    creates = _may_be_true(create)
    graph, _, roots = nodes_and_grad(frame, [outputs])
    retains = creates or _may_be_true(retain)
    run_backward(frame, [outputs], retains=retains, node=node, is_differentiated=creates)
    n_inputs = len(inputs.items) if isinstance(inputs, Sequence) else 1
    exact = not isinstance(inputs, Sequence) or inputs.is_exact
    results: list[Value] = []
    for _ in range(max(n_inputs, 1)):
        grad = max((grad_of(t) for t in tensors_in(outputs)), default=Grad.UNKNOWN) if creates else Grad.NO
        inner = Node((graph,)) if creates and graph is not None else None
        results.append(fresh(frame, grad=grad, roots=roots if creates else frozenset(), node=inner))
    return Sequence(results, is_exact=exact and isinstance(inputs, (Sequence, Tensor)), is_tuple=True)


def construct_optimizer(frame: Frame, dotted: str, arguments: Arguments, node: ast.AST) -> Optimizer:
    """``torch.optim.Adam(parameters, ...)``."""
    given = arguments.get(0, "params")
    targets: list[Value] = list(parameters_of(frame, given)) if given is not None else []
    return Optimizer(dotted.rpartition(".")[2], targets, frame.place(node))


def fill_groups(frame: Frame, optimizer: Instance, arguments: Arguments) -> None:
    """Give an optimizer of the project's own the groups that the framework's constructor makes."""
    given = arguments.get(0, "params")
    targets: list[Value] = list(parameters_of(frame, given)) if given is not None else []
    defaults = arguments.get(1, "defaults")
    group = Mapping({**(defaults.items if isinstance(defaults, Mapping) else {}), "params": Sequence(targets)})
    frame.machine.journal.set(optimizer.attributes, "param_groups", Sequence([group], is_exact=False))


_RERUNS = frozenset({"LBFGS"})
"""Optimizers that evaluate the closure again after they have written.  Source: torch/optim/lbfgs.py, 2.13.0."""


def call_step(frame: Frame, optimizer: Optimizer, arguments: Arguments, node: ast.AST) -> Value:
    """``optimizer.step(closure)``: the closure is evaluated before the parameters are written."""
    closure = arguments.get(0, "closure")
    if not isinstance(closure, Function):
        closure = None
    result = call(frame, closure, Arguments(), node) if closure is not None else NONE
    step(frame, optimizer, node)
    if closure is not None and optimizer.name in _RERUNS:
        call(frame, closure, Arguments(), node)
    return result


def overwrite_parameters(frame: Frame, module: Value, operation: str, node: ast.AST) -> None:
    """Record that all parameters of a module were mutated at once, gradients switched off.

    Where nothing runs backward, loading weights doesn't open the function; see NOTE [Open functions].
    """
    machine = frame.machine
    was_open = machine.is_open
    for parameter in parameters_of(frame, module):
        name = parameter.storage.name
        write(frame, parameter, operation=operation, node=node, target=name, grad_enabled=False, is_between_steps=True)
    if not has_backward(frame.module):
        machine.is_open = was_open


def step(frame: Frame, optimizer: Optimizer, node: ast.AST) -> None:
    """Record that an optimizer overwrote its parameters."""
    for target in optimizer.targets:
        if isinstance(target, Tensor) and target.storage.has_gradient:
            write(
                frame,
                target,
                operation=f"{optimizer.name}.step",
                node=node,
                target=target.storage.name,
                writer=Writer.OPTIMIZER,
                grad_enabled=False,
            )
