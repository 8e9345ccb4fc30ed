"""Who else can see a write: the question that decides whether a write may become an assignment.

# NOTE [Only name]
``h.add_(1)`` may become ``h = h.add(1)`` where no other name reaches the tensor: ``h`` is a local that was always bound
to a fresh tensor (the result of arithmetic, or of an operation that the table knows to return neither its input nor
a view), and before the write it was used only where no alias is made.  Anything that isn't known counts as an alias.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradsan import knowledge
from gradsan.knowledge import Operation
from gradsan.source.program import Function, Program, dotted_name, last_name
from gradsan.source.targets import assigned_modules, is_module_name

_HARMLESS_ATTRIBUTES = frozenset(
    [
        "shape",
        "dtype",
        "device",
        "ndim",
        "layout",
        "requires_grad",
        "is_cuda",
        "is_leaf",
        "grad_fn",
        "grad",
        "size",
        "dim",
        "numel",
        "item",
        "tolist",
        "backward",
        "stride",
        "storage_offset",
        "element_size",
        "is_contiguous",
        "retain_grad",
        "register_hook",
    ]
)


def is_only_name(program: Program, name: str, write: ast.AST) -> bool:
    """Whether a local name is all that can see a write; see NOTE [Only name]."""
    function = program.function_of(write)
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    if name in _parameters(function) or _is_shared(program, function, name):
        return False
    stores = [node for node in _names(function, name) if isinstance(node.ctx, (ast.Store, ast.Del))]
    bindings = [
        node for node in stores if _may_precede(program, node, write) and not _binds_result(program, node, write)
    ]
    if not bindings or not all(_binds_fresh(program, node) for node in bindings):
        return False
    earlier = [
        node for node in _names(function, name) if isinstance(node.ctx, ast.Load) and _may_precede(program, node, write)
    ]
    return not any(_makes_alias(program, node, write) for node in earlier)


def is_used_later(program: Program, name: str, write: ast.stmt | ast.expr) -> bool:
    """Whether the function reads a name after a place, in a later turn of a loop around it too.

    Outside of functions, and where an inner function reads the name, the answer is yes.
    """
    function = program.function_of(write)
    if isinstance(function, ast.Lambda) and not any(True for _ in program.loops_around(write)):
        return any(n.id == name and _position(n) >= _end(write) for n in ast.walk(function) if isinstance(n, ast.Name))
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) or _is_shared(program, function, name):
        return True
    if isinstance(program.statement_of(write), ast.Return) and not _is_followed_up(program, write):
        return False
    reads = [node for node in _names(function, name) if isinstance(node.ctx, ast.Load)]
    if any(_position(node) >= _end(write) for node in reads):
        return not _is_rebound_first(program, name, write)
    inside = set(ast.walk(write))
    return any(
        _reads_in_next_turn(loop, name, inside) for loop in program.loops_around(write) if isinstance(loop, ast.stmt)
    )


def _is_followed_up(program: Program, node: ast.AST) -> bool:
    """Whether a `finally` runs after what returns."""
    return any(isinstance(each, ast.Try) and each.finalbody for each in program.enclosing(node))


def is_read_before_in_statement(program: Program, name: str, write: ast.stmt | ast.expr) -> bool:
    """Whether the statement of a write reads the name before it, as ``f(x, x.add_(1))`` does."""
    statement = program.statement_of(write)
    return statement is not None and any(
        node.id == name and isinstance(node.ctx, ast.Load) and _position(node) < _position(write)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name)
    )


def is_fresh(program: Program, node: ast.expr) -> bool:
    """Whether an expression surely gives a new tensor, which nothing else refers to."""
    match node:
        case ast.BinOp() | ast.UnaryOp() | ast.Compare():
            return True
        case ast.IfExp():
            return is_fresh(program, node.body) and is_fresh(program, node.orelse)
        case ast.NamedExpr():
            return False
        case ast.Call():
            operation = operation_of(program, node)
            return operation is not None and _returns_new(operation)
        case _:
            return False


def operation_of(program: Program, call: ast.Call) -> Operation | None:
    """Return what the table knows of a call: a function, a tensor's method, or a module that the class constructs."""
    table = knowledge.load("torch")
    func = call.func
    if isinstance(func, ast.Call):
        return table.lookup(full_name(program, func.func)) if is_module_name(program, func.func) else None
    if isinstance(func, ast.Name):
        origin = program.imports.get(func.id, "")
        return table.lookup(origin) if origin.startswith("torch.") else None
    if not isinstance(func, ast.Attribute):
        return None
    if is_module_name(program, func.value):
        return table.lookup(full_name(program, func))
    if dotted_name(func.value) == "self":
        made = assigned_modules(program, func)
        return table.lookup(full_name(program, made[0].func)) if len(made) == 1 else None
    return table.lookup(f"torch.Tensor.{func.attr}")


def without_views(program: Program, node: ast.expr) -> ast.expr:
    """Return what an expression takes views of, ``q`` of ``q.t()[0]``; the expression itself where it takes none."""
    while True:
        match node:
            case ast.Subscript(value=inner) | ast.Attribute(value=inner, attr="T" | "mT" | "H" | "mH"):
                node = inner
            case ast.Call(func=ast.Attribute(value=inner)) if _is_view(program, node):
                node = inner if not is_module_name(program, inner) else node.args[0]
            case _:
                return node


def _is_view(program: Program, call: ast.Call) -> bool:
    """Whether a call surely gives a view of what stands before the method, or of the function's first argument."""
    operation = operation_of(program, call)
    is_single = operation is not None and operation.views == "single" and not operation.writes
    is_function = isinstance(call.func, ast.Attribute) and is_module_name(program, call.func.value)
    return is_single and (not is_function or bool(call.args))


def full_name(program: Program, node: ast.expr) -> str:
    """Return a dotted name with what its first part was imported as spelt out, ``torch.nn.ReLU`` of ``nn.ReLU``."""
    first, dot, rest = dotted_name(node).partition(".")
    return program.imports.get(first, first) + dot + rest


def _returns_new(operation: Operation) -> bool:
    return (
        operation.views == "none"
        and not operation.aliases
        and not operation.writes
        and not operation.may_return_input
        and operation.effect().certain
    )


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return {argument.arg for argument in every if argument is not None}


def _names(function: Function, name: str) -> Iterator[ast.Name]:
    return (node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == name)


def _is_shared(program: Program, function: Function, name: str) -> bool:
    """Whether a name is global, nonlocal, or used by an inner function or class."""
    for node in ast.walk(function):
        if isinstance(node, (ast.Global, ast.Nonlocal)) and name in node.names:
            return True
    return any(program.function_of(node) is not function for node in _names(function, name))


def _binds_fresh(program: Program, node: ast.Name) -> bool:
    parent = program.parent(node)
    match parent:
        case ast.Assign(targets=[target]) if target is node:
            return is_fresh(program, parent.value) or _rebinds_itself(program, node.id, parent.value)
        case ast.AnnAssign():
            return parent.value is None or is_fresh(program, parent.value)
        case ast.AugAssign() | ast.Delete():
            return True
        case _:
            return False


def _binds_result(program: Program, node: ast.Name, write: ast.AST) -> bool:
    """Whether a name is bound to what the write itself returns: a new tensor, once it is out of place."""
    parent = program.parent(node)
    return isinstance(parent, ast.Assign) and parent.value is write


def _rebinds_itself(program: Program, name: str, value: ast.expr) -> bool:
    """Whether a value is the name's own tensor again, as in ``h = h.add_(1)``."""
    if not isinstance(value, ast.Call):
        return False
    operation = operation_of(program, value)
    writes_itself = operation is not None and operation.writes[:1] == operation.aliases[:1] != ()
    return writes_itself and isinstance(value.func, ast.Attribute) and dotted_name(value.func.value) == name


def _may_precede(program: Program, node: ast.Name, write: ast.AST) -> bool:
    if _position(node) < _position(write):
        return True
    loops = set(program.loops_around(write))
    return any(loop in loops for loop in program.loops_around(node))


def _makes_alias(program: Program, node: ast.Name, write: ast.AST) -> bool:
    """Whether a use of a name may leave another reference to its tensor behind."""
    if node in set(ast.walk(write)):
        return False
    parent = program.parent(node)
    match parent:
        case ast.BinOp() | ast.UnaryOp() | ast.Compare() | ast.AugAssign() | ast.If() | ast.While() | ast.Expr():
            return False
        case ast.Attribute():
            call = program.parent(parent)
            if isinstance(call, ast.Call) and call.func is parent and parent.attr not in _HARMLESS_ATTRIBUTES:
                return not _call_forgets(program, call)
            return parent.attr not in _HARMLESS_ATTRIBUTES
        case ast.Call():
            return not _call_forgets(program, parent)
        case ast.keyword():
            call = program.parent(parent)
            return not (isinstance(call, ast.Call) and _call_forgets(program, call))
        case ast.Subscript():
            # The view lives on unless it is used up at once, or written to in this statement.
            user = program.parent(parent)
            return isinstance(parent.ctx, ast.Load) and not isinstance(user, (ast.BinOp, ast.UnaryOp, ast.Compare))
        case ast.Return():
            return False
        case _:
            return True


def _call_forgets(program: Program, call: ast.Call) -> bool:
    """Whether a call keeps no reference to its arguments, in what it returns either, beyond its own statement."""
    operation = operation_of(program, call)
    if operation is None:
        return last_name(call.func) in ("print", "len", "float", "int", "isinstance", "type") and isinstance(
            call.func, ast.Name
        )
    if _returns_new(operation):
        return True
    # An in-place call returns its own tensor: no alias as long as nobody takes it.
    return bool(operation.writes) and isinstance(program.parent(call), ast.Expr)


def _is_rebound_first(program: Program, name: str, write: ast.stmt | ast.expr) -> bool:
    """Whether the very statement of the write binds the name anew, as ``x = x.add_(1)`` does."""
    statement = program.statement_of(write)
    return isinstance(statement, ast.Assign) and any(dotted_name(target) == name for target in statement.targets)


def _reads_in_next_turn(loop: ast.AST, name: str, inside: set[ast.AST]) -> bool:
    """Whether a loop reads a name that its body has not bound before in the same turn."""
    uses = [n for n in ast.walk(loop) if isinstance(n, ast.Name) and n.id == name and n not in inside]
    first = min(uses, key=_position, default=None)
    if first is None or isinstance(first.ctx, ast.Load):
        return first is not None
    body = getattr(loop, "body", [])
    return not any(isinstance(s, ast.Assign) and first in s.targets for s in body)


def _position(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _end(node: ast.stmt | ast.expr) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or node.col_offset


__all__ = ["is_fresh", "is_only_name", "is_read_before_in_statement", "is_used_later", "operation_of", "without_views"]
