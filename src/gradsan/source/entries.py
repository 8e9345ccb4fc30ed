"""Analysing one file: each function and method on its own, and the module's body as a program."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from gradsan.knowledge import Effect, Operation, Table
from gradsan.model.history import TensorKind
from gradsan.source.findings import Inference, settle
from gradsan.source.flow.calling import construct_apart, run_function
from gradsan.source.flow.graph import Grad, Node, Place, Save, Storage
from gradsan.source.flow.interpreter import Frame, Machine, execute
from gradsan.source.flow.machine import Arguments, call, evaluate
from gradsan.source.flow.modes import decorated_off
from gradsan.source.flow.tensors import tensors_of
from gradsan.source.flow.values import (
    Class,
    Const,
    Context,
    External,
    Function,
    Instance,
    Mapping,
    Opaque,
    Sequence,
    Tensor,
    Value,
    nodes_of,
)
from gradsan.source.hierarchy import find_member, is_function_class, linearize_known
from gradsan.source.index import ClassInfo, FunctionInfo, FunctionNode, ModuleInfo
from gradsan.source.project import Project
from gradsan.source.reach import Reach

FUEL = 700
"""Statements that one entry may run; calls are no longer followed when it is used up."""


@dataclass(slots=True)
class Analyst:
    """What stays the same from entry to entry."""

    project: Project
    table: Table
    operations: dict[str, Operation | None] = field(default_factory=dict)
    effects: dict[object, Effect] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    abouts: dict[int, tuple[tuple[str, ...], bool]] = field(default_factory=dict)
    opposites: dict[int, ast.Compare] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    reach: Reach = field(init=False)

    def __post_init__(self) -> None:
        self.reach = Reach(self.project)

    def forget(self) -> None:
        """Drop what is known of files."""
        self.project.forget()
        self.reach.forget()
        for remembered in (self.texts, self.abouts, self.opposites):
            remembered.clear()

    def machine(self) -> Machine:
        """Return a fresh machine."""
        return Machine(
            self.project,
            self.table,
            fuel=FUEL,
            texts=self.texts,
            abouts=self.abouts,
            opposites=self.opposites,
            operations=self.operations,
            effects=self.effects,
        )


def analyse(analyst: Analyst, module: ModuleInfo) -> list[Inference]:
    """Return what may happen in a module."""
    if not any("torch" in line for line in module.lines):
        return []
    found: list[Inference] = []
    if has_program(module.tree):
        found += _guarded(analyst, f"{module.path}", lambda: _run_body(analyst, module))
    for function in module.functions.values():
        found += _guarded(analyst, f"{module.path}:{function.name}", partial(_run_function, analyst, function))
    for info in module.classes.values():
        found += _run_class(analyst, info)
    return found


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


def _guarded(analyst: Analyst, what: str, run: Callable[[], list[Inference]]) -> list[Inference]:
    try:
        return run()
    except RecursionError:
        analyst.problems.append(f"{what}: nested too deeply to be followed")
    except Exception as error:
        analyst.problems.append(f"{what}: not followed, because of an error of gradsan's own ({error!r})")
    return []


def _run_body(analyst: Analyst, module: ModuleInfo) -> list[Inference]:
    machine = analyst.machine()
    frame = Frame(machine, module, "<module>")
    machine.is_program = True
    machine.n_samples = 3
    machine.module_frames[id(module)] = frame
    execute(frame, module.tree.body)
    return settle(machine, [])


def _run_function(analyst: Analyst, info: FunctionInfo) -> list[Inference]:
    if decorated_off(info.decorators) or not analyst.reach.function(info):
        return []
    machine = analyst.machine()
    return _run_entry(machine, info, None)


def _run_entry(machine: Machine, info: FunctionInfo, receiver: Value | None) -> list[Inference]:
    outer = Frame(machine, info.module, info.qualified_name)
    frame = Frame(machine, info.module, info.qualified_name, owner=info.owner, info=info, receiver=receiver)
    bind_unknown(frame, info.node, receiver)
    parameters = dict(frame.local)
    result = run_function(outer, frame, info)
    unproven = frozenset(name for name, value in parameters.items() if not is_proven(value))
    return settle(machine, [*nodes_of(result)], unproven=unproven)


def is_proven(value: Value, depth: int = 3) -> bool:
    """Return whether a parameter was used as a tensor, or holds what was."""
    if isinstance(value, Tensor):
        return value.storage.is_tensor
    if isinstance(value, Opaque):
        if value.tensor is not None and value.tensor.storage.is_tensor:
            return True
        return depth > 0 and any(is_proven(part, depth - 1) for part in value.attributes.values())
    if isinstance(value, Sequence):
        return any(is_proven(item, depth - 1) for item in value.items)
    return False


def bind_unknown(frame: Frame, node: FunctionNode, receiver: Value | None) -> None:
    """Bind the parameters of an entry to what is known of them: their annotation and default."""
    spec = node.args
    names = [*spec.posonlyargs, *spec.args]
    defaults: dict[str, ast.expr] = {
        p.arg: d for p, d in zip(names[len(names) - len(spec.defaults) :], spec.defaults, strict=True)
    }
    defaults |= {p.arg: d for p, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d is not None}
    for at, parameter in enumerate([*names, *spec.kwonlyargs]):
        if at == 0 and receiver is not None:
            frame.local[parameter.arg] = receiver
            continue
        frame.local[parameter.arg] = unknown_parameter(frame, parameter, defaults.get(parameter.arg))
    if spec.vararg is not None:
        roots = frozenset({spec.vararg.arg})
        frame.local[spec.vararg.arg] = Sequence([Opaque(roots=roots), Opaque(roots=roots)], is_exact=False)
    if spec.kwarg is not None:
        frame.local[spec.kwarg.arg] = Mapping({}, is_exact=False)


_NUMBERS = frozenset({"int", "float", "bool", "str", "bytes", "torch.device", "torch.dtype", "torch.Size", "dict"})
_TENSORS = frozenset({"Tensor", "torch.Tensor", "FloatTensor", "torch.FloatTensor"})
_MAY_BE_TENSOR = re.compile(r"Tensor|Any\b|object\b|^T[A-Z]?\w?$")
_INTEGERS = frozenset({"LongTensor", "torch.LongTensor", "IntTensor", "BoolTensor", "torch.BoolTensor"})


def unknown_parameter(frame: Frame, parameter: ast.arg, default: ast.expr | None) -> Value:
    """Return what a parameter of an entry may be."""
    name = parameter.arg
    annotation = ast.unparse(parameter.annotation).strip("'\"") if parameter.annotation is not None else ""
    literal = default.value if isinstance(default, ast.Constant) else None
    if isinstance(default, ast.UnaryOp) and isinstance(default.operand, ast.Constant):
        literal = 1.0
    known = Const(literal) if isinstance(default, ast.Constant) else None
    if annotation in _NUMBERS or (isinstance(literal, (bool, int, float, str)) and literal is not None):
        return Opaque(name=name, default=known, is_number=True)
    if isinstance(default, (ast.Name, ast.Attribute)):
        chosen = evaluate(Frame(frame.machine, frame.module, "<module>"), default)
        if isinstance(chosen, (External, Class, Function)):
            return chosen
    # What is annotated as something else than a tensor brings no gradient of its own.
    roots = frozenset({name}) if not annotation or _MAY_BE_TENSOR.search(annotation) else frozenset[str]()
    if annotation in _TENSORS or annotation in _INTEGERS:
        storage = Storage(name=name)
        frame.machine.touched.append(storage)
        return Tensor(storage, Grad.FLOWS, roots, is_integer=annotation in _INTEGERS)
    return Opaque(name=name, roots=roots, default=known)


def _run_class(analyst: Analyst, info: ClassInfo) -> list[Inference]:
    if is_function_class(analyst.project, info):
        return _guarded(analyst, f"{info.module.path}:{info.name}", lambda: _run_custom(analyst, info))
    found: list[Inference] = []
    machine: Machine | None = None
    instance: Instance | None = None
    for method in [*info.methods.values(), *info.setters.values()]:
        if decorated_off(method.decorators) or not analyst.reach.function(method):
            continue
        if machine is None:
            machine = analyst.machine()
            instance = construct_unknown(machine, info)
        receiver: Value | None = instance
        if method.is_static:
            receiver = None
        elif method.is_class_method:
            receiver = Class(info)
        if method.name == "__init__":
            receiver = Instance(info, is_self=True)
        mark = machine.journal.mark()

        run = partial(_run_entry, machine, method, receiver)
        found += _guarded(analyst, f"{info.module.path}:{method.qualified_name}", run)
        reset(machine, mark)
    return found


def construct_unknown(machine: Machine, info: ClassInfo) -> Instance:
    """Return an object as its constructor leaves it, given unknown arguments; it is run when it is looked into."""
    instance = Instance(info, is_self=True)
    found = find_member(machine.project, info, "__init__")
    if found is None or not isinstance(found[1], FunctionInfo):
        return instance
    method = found[1]

    def run() -> None:
        frame = Frame(machine, info.module, info.name)
        inner = Frame(machine, method.module, method.qualified_name, owner=method.owner, info=method, receiver=instance)
        bind_unknown(inner, method.node, instance)
        run_function(frame, inner, method)
        for name in _volatile(machine, info):
            value = instance.attributes.get(name)
            if value is not None and not _is_registered(value):
                instance.attributes[name] = Opaque(name=f"self.{name}")

    instance.pending = lambda _made: construct_apart(Frame(machine, info.module, info.name), run)
    return instance


def _is_registered(value: Value) -> bool:
    return isinstance(value, Tensor) and value.storage.kind in (TensorKind.PARAMETER, TensorKind.BUFFER)


def _volatile(machine: Machine, info: ClassInfo) -> Iterator[str]:
    """Yield the attributes that methods other than the constructor assign."""
    for owner in linearize_known(machine.project, info)[0]:
        yield from assigned_elsewhere(owner)


def assigned_elsewhere(info: ClassInfo) -> frozenset[str]:
    """Return the attributes that a class assigns outside of its constructor."""
    names: set[str] = set()
    for name, method in info.methods.items():
        if name in ("__init__", "__new__") or method.is_static:
            continue
        for node in ast.walk(method.node):
            match node:
                case ast.Attribute(value=ast.Name(id="self"), attr=attribute, ctx=ast.Store()):
                    names.add(attribute)
    return frozenset(names)


def reset(machine: Machine, mark: int) -> None:
    """Forget what an entry did, for the next one."""
    machine.journal.undo(mark)
    for storage in machine.touched:
        storage.saves.clear()
        storage.nodes = []
        storage.version = 0
        storage.has_gradient = False
        storage.grad = Grad.NO
        storage.roots = frozenset()
    for tensor, grad, is_leaf, is_detached in reversed(machine.regrads):
        tensor.grad, tensor.is_leaf, tensor.is_detached = grad, is_leaf, is_detached
    machine.regrads.clear()
    machine.conflicts.clear()
    machine.refusals.clear()
    machine.escaped.clear()
    machine.fuel = FUEL
    machine.grad_enabled = True
    machine.guard = frozenset()
    machine.stack.clear()


def _run_custom(analyst: Analyst, info: ClassInfo) -> list[Inference]:
    """Run ``forward`` of a custom Function, then ``backward`` on what it saved."""
    machine = analyst.machine()
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
        return []
    machine.conflicts.clear()
    saved = _saved_in_forward(frame, context)
    behind = Context(info.name, saved=saved, attributes=context.attributes, is_backward=True)
    inner = Frame(machine, backward.module, backward.qualified_name, owner=info, info=backward)
    bind_unknown(inner, backward.node, behind)
    machine.in_backward = True
    run_function(frame, inner, backward)
    return settle(machine, [], in_backward=True)


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
