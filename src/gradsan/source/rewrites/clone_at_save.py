"""``torch.sigmoid(x)`` -> ``torch.sigmoid(x.clone())``, or ``torch.exp(x)`` -> ``torch.exp(x).clone()``.

What was saved is then a tensor of its own, which no later write reaches, whatever its alias.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator

from gradsan import knowledge
from gradsan.model.rewrite import Applicability, Edit, Fix, Remedy
from gradsan.model.span import Span
from gradsan.source.performers import call_name, normalised, performers
from gradsan.source.program import Located, Program, dotted_name
from gradsan.source.rewrites.editing import cloned, locate
from gradsan.source.rewrites.visibility import operation_of
from gradsan.source.targets import is_module_name, keyword_of, written_by

_RESULT = "result"
_FIRST = ("self", "input", "mat1", "tensor", "x")
_SECOND = ("other", "mat2", "exponent", "tensor2", "vec2", "vec")
_SELF = "self"


def propose(span: Span, operand: str, operation: str = "", *, is_guess: bool = False) -> Fix | None:
    """Return the fix that clones what an operation saves.

    Args:
        span: The expression that saved, ``torch.sigmoid(x)``.
        operand: ``result``, or the name of the saved argument.
        operation: What saved it; where the source calls something else (a module, a composite function), what is
            cloned may not be what was saved, and the fix needs proof.
        is_guess: Whether to take the outermost call where one inside of it may have saved as well.

    Returns:
        None where the operand does not stand in the source: a module's weight, an argument behind ``*args``; where
        several calls may have saved: ``self.net(self.norm(x))``.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    if not is_guess and isinstance(node, ast.Call) and len(performers([node], operation, node.lineno)) > 1:
        return None
    applicability = Applicability.SAFE if _is_performed(node, operation) else Applicability.UNSAFE
    if operand.startswith(_RESULT) or _is_result(program, node, operand):
        return _clone_result(program, node, span.path, applicability)
    argument = operand_of(program, node, operand)
    if argument is None or isinstance(argument, ast.Constant):
        return None
    text = program.source(argument)
    title = f"clone `{text}` where it is saved" if len(text) < 40 and "\n" not in text else "clone where it is saved"
    return Fix(title, applicability, cloned(program, argument, span.path), Remedy.COPY_AT_SAVE)


def propose_input(span: Span) -> Fix | None:
    """Return the fix that gives a module which works in place a clone; a module around that one needs proof.

    Args:
        span: The call of a module.
    """
    found, fix = locate(span), propose(span, "input")
    is_writer = found is not None and written_by(*found) is not None
    return fix if fix is None or is_writer else dataclasses.replace(fix, applicability=Applicability.UNSAFE)


def propose_named(span: Span, name: str) -> Fix | None:
    """Return the fix that clones a tensor, or the views that are taken of it, where the saving expression names it.

    Args:
        span: The expression or statement that saved.
        name: The tensor that is written later, ``self.queue``.

    Returns:
        None where it is not mentioned.
    """
    found = locate(span)
    if found is None or not name:
        return None
    return _of_named(*found, name, span.path, f"clone `{name}` where it is saved")


def propose_state(span: Span, attribute: str) -> Iterator[Fix]:
    """Yield the fixes that clone a module's own parameter or buffer, where the saving expression names one like it.

    Args:
        span: The expression or statement that saved.
        attribute: What the module calls it: ``gain`` of ``self.gain``.
    """
    found = locate(span)
    inside = () if found is None else ast.walk(found[1])
    for name in dict.fromkeys(dotted_name(n) for n in inside if isinstance(n, ast.Attribute) and n.attr == attribute):
        fix = propose_named(span, name)
        yield from () if fix is None else (fix,)


def propose_given(write: Span, name: str) -> Fix | None:
    """Return the fix that clones what the statement of a write reads of the very tensor: what it calls saves that.

    Args:
        write: The write, ``table[i] = combine(table[i - 1], x)``.
        name: The tensor that is written, ``table``.
    """
    found = locate(write)
    statement = None if found is None else found[0].statement_of(found[1])
    if found is None or not name or not isinstance(statement, (ast.Assign, ast.AugAssign, ast.Expr)):
        return None
    return _of_named(found[0], statement, name, write.path, f"clone what is read of `{name}` where it is written")


def propose_hidden(write: Span, name: str) -> Iterator[Fix]:
    """Yield the fixes that clone what in-place operations through a view save: their nodes do not show it.

    ``table[t] /= scale[t]`` -> ``table[t] /= scale[t].clone()``, where ``scale[t + 1]`` is written in the next turn.

    Args:
        write: The write, ``scale[t] = s``.
        name: The tensor that is written, ``scale``.
    """
    found = locate(write)
    if found is None or not name:
        return
    program, node = found
    for statement in ast.walk(program.function_of(node) or program.tree):
        if isinstance(statement, ast.AugAssign) and isinstance(statement.op, (ast.Mult, ast.Div, ast.Pow)):
            fix = _of_named(program, statement, name, write.path, f"clone `{name}` where it is saved")
            yield from () if fix is None else (fix,)


def _of_named(program: Program, node: Located, name: str, path: str, title: str) -> Fix | None:
    inside = set(ast.walk(_what_is_read(node)))
    named = [n for n in inside if isinstance(n, (ast.Name, ast.Attribute)) and dotted_name(n) == name]
    if named and is_module_name(program, named[0]):
        return None
    read = dict.fromkeys(_widest_view(program, n) for n in named if isinstance(n.ctx, ast.Load))
    edits: list[Edit] = []
    for expression in read:
        if expression in inside and not (_is_written(program, expression) or _is_stored_into(program, expression)):
            edits += cloned(program, expression, path)
    if not edits:
        return None
    return Fix(title, Applicability.UNSAFE, tuple(sorted(edits)), Remedy.COPY_AT_SAVE)


def propose_each(span: Span) -> Iterator[Fix]:
    """Yield a fix for each tensor that a statement names, which clones it there; for when it isn't known which it is.

    Args:
        span: The statement or expression that saved.
    """
    found = locate(span)
    if found is None:
        return
    program, node = found
    for name in ast.walk(node):
        if not isinstance(name, (ast.Name, ast.Attribute)) or not isinstance(name.ctx, ast.Load):
            continue
        owner = program.parent(name)
        is_part = isinstance(owner, ast.Attribute) or (isinstance(owner, ast.Call) and owner.func is name)
        text = dotted_name(name)
        if text in ("", "self") or (is_part and not _is_receiver(program, owner)) or is_module_name(program, name):
            continue
        if _is_stored_into(program, name) or (_is_written(program, name) and _is_unused(program, name)):
            continue
        part = _part_of(program, name)
        what = text if part is name else program.source(part)
        yield Fix(f"use a clone of `{what}` here", Applicability.UNSAFE, cloned(program, part, span.path))


def _part_of(program: Program, name: ast.expr) -> ast.expr:
    """Return the part that is taken of a tensor by plain numbers and slices: no more than that needs a copy."""
    owner = program.parent(name)
    while isinstance(owner, ast.Subscript) and owner.value is name and isinstance(owner.ctx, ast.Load):
        index = owner.slice.elts if isinstance(owner.slice, ast.Tuple) else [owner.slice]
        if not all(isinstance(each, (ast.Slice, ast.Constant, ast.UnaryOp)) for each in index):
            break
        name, owner = owner, program.parent(owner)
    return name


def _is_receiver(program: Program, owner: ast.AST | None) -> bool:
    """Whether an attribute is a method that is called: what stands before it is then a value of its own."""
    call = None if owner is None else program.parent(owner)
    return isinstance(owner, ast.Attribute) and isinstance(call, ast.Call) and call.func is owner


def _what_is_read(node: ast.AST) -> ast.AST:
    """Return the part of a statement that is not what it assigns to."""
    value = node.value if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) else None
    return value or node


def _is_written(program: Program, node: ast.expr) -> bool:
    """Whether a method that works in place is called on an expression: a clone of it would take the write."""
    method = program.parent(node)
    return isinstance(method, ast.Attribute) and knowledge.load().mutates(method.attr)


def _is_unused(program: Program, node: ast.expr) -> bool:
    """Whether nobody takes what the methods called on an expression return."""
    around = program.parent(node)
    while isinstance(around, (ast.Attribute, ast.Call)):
        around = program.parent(around)
    return isinstance(around, ast.Expr)


def _is_stored_into(program: Program, node: ast.expr) -> bool:
    """Whether an item of an expression is assigned to: a clone of it would take the write."""
    around = program.parent(node)
    while isinstance(around, (ast.Subscript, ast.Attribute)) and around.value is node:
        if not isinstance(around.ctx, ast.Load):
            return True
        node, around = around, program.parent(around)
    return False


def _widest_view(program: Program, node: ast.expr) -> ast.expr:
    """Return the expression that takes views of a tensor and nothing else: ``q.t()[0]`` around ``q``."""
    while True:
        owner = program.parent(node)
        match owner:
            case ast.Subscript(value=value, ctx=ast.Load()) if value is node:
                node = owner
            case ast.Attribute(attr="T" | "mT" | "H" | "mH"):
                node = owner
            case ast.Attribute(attr=method):
                call = program.parent(owner)
                if not (isinstance(call, ast.Call) and call.func is owner and _gives_view(method)):
                    return node
                node = call
            case _:
                return node


def _gives_view(method: str) -> bool:
    operation = knowledge.load("torch").lookup(f"torch.Tensor.{method}")
    return operation is not None and operation.views == "single" and not operation.writes


def _is_result(program: Program, node: ast.AST, operand: str) -> bool:
    """Whether what a call saved is its result, under a name of its own: ``L`` of ``torch.linalg.cholesky``."""
    known = operation_of(program, node) if isinstance(node, ast.Call) else None
    if known is None or not known.saves_result:
        return False
    return operand not in (*_FIRST, *_SECOND, *(parameter.name for parameter in known.parameters))


def operand_of(program: Program, node: ast.AST, operand: str) -> ast.expr | None:
    """Return the expression that a node passes as an operand; None where it does not stand there."""
    match node:
        case ast.BinOp():
            return node.left if operand in _FIRST else node.right if operand in _SECOND else None
        case ast.UnaryOp():
            return node.operand
        case ast.AugAssign():
            return node.value if operand in _SECOND else None
        case ast.Call():
            return _argument(program, node, operand)
        case _:
            return None


def _is_performed(node: ast.AST, operation: str) -> bool:
    """Whether a node is the very operation that saved, by its name."""
    return not operation or not isinstance(node, ast.Call) or normalised(call_name(node)) == normalised(operation)


def _argument(program: Program, call: ast.Call, operand: str) -> ast.expr | None:
    given = keyword_of(call, operand)
    if given is not None:
        return given
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    arguments = list(call.args)
    is_method = isinstance(call.func, ast.Attribute) and _is_tensor_method(program, call.func)
    if is_method and isinstance(call.func, ast.Attribute):
        arguments.insert(0, call.func.value)
    place = _place(call, operand, is_method=is_method)
    return arguments[place] if place is not None and place < len(arguments) else None


def _place(call: ast.Call, operand: str, *, is_method: bool) -> int | None:
    """Return at which position an operand is passed."""
    dotted = dotted_name(call.func)
    name = call_name(call)
    table = knowledge.load("torch")
    known = table.lookup(f"torch.Tensor.{name}" if is_method else dotted) or (table.lookup(name) if dotted else None)
    if known is not None:
        names = [parameter.name for parameter in known.parameters]
        if operand == "other" and "dim" in names:  # `min` and `max` take it where otherwise a dimension stands
            return min(names.index("dim"), names.index("other"))
        if operand in names:
            return names.index(operand)
        if operand in _FIRST and names and names[0] in _FIRST:
            return 0
        return None
    # A module's call: its one input is what the operation calls its first argument.
    return 0 if operand in _FIRST and len(call.args) == 1 and not call.keywords else None


def _is_tensor_method(program: Program, func: ast.Attribute) -> bool:
    """Whether an attribute is a method of a tensor: neither a module's function nor a module that ``self`` holds."""
    if is_module_name(program, func.value):
        return False
    if dotted_name(func.value) == _SELF:
        return False
    return knowledge.load("torch").lookup(f"torch.Tensor.{func.attr}") is not None


def _clone_result(program: Program, node: ast.AST, path: str, applicability: Applicability) -> Fix | None:
    around = program.parent(node)
    if not isinstance(node, (ast.Call, ast.BinOp, ast.UnaryOp)):
        return None
    if isinstance(around, ast.Assign) and any(isinstance(target, (ast.Tuple, ast.List)) for target in around.targets):
        return None  # several results have no clone of their own
    if isinstance(node, ast.Call) and (
        knowledge.load().mutates(call_name(node))
        or keyword_of(node, "out") is not None
        or keyword_of(node, "inplace") is not None
    ):
        # The result is the tensor that was written: a clone of it protects nothing.
        return None
    return Fix("clone the result where it is saved", applicability, cloned(program, node, path), Remedy.COPY_AT_SAVE)
