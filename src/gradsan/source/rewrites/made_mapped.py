"""``out = torch.zeros(3, 3)`` -> ``out = v.new_zeros(3, 3)``, in a function that is mapped over ``v``."""

from __future__ import annotations

import ast

from gradsan.model.rewrite import Applicability, Fix, Remedy
from gradsan.model.span import Span
from gradsan.source.program import Located, Program, dotted_name
from gradsan.source.rewrites.clone_before_write import written_name
from gradsan.source.rewrites.editing import framework_name, locate, replace

TITLE = "make it from a mapped tensor, so that it is mapped too"
_FACTORIES = frozenset({"zeros", "ones", "empty", "full"})
_OPTIONS = frozenset({"dtype", "device", "layout", "pin_memory"})


def propose(span: Span) -> Fix | None:
    """Return the fix that makes the written tensor by a method of the one whose value is written.

    Args:
        span: The write.

    Returns:
        None where the function does not make the tensor itself, once and of plain sizes, or writes no argument's value.
    """
    found = locate(span)
    function = None if found is None else found[0].function_of(found[1])
    if found is None or not isinstance(function, ast.FunctionDef):
        return None
    program, node = found
    name, given = written_name(program, node), _argument_in(program, function, node)
    made = [each for each in ast.walk(function) if isinstance(each, ast.Assign) and _binds(each, name)]
    if not name or not given or len(made) != 1 or not isinstance(made[0].value, ast.Call):
        return None
    call = made[0].value
    framework, _, factory = dotted_name(call.func).rpartition(".")
    options = {keyword.arg or "" for keyword in call.keywords}
    if framework != framework_name(program) or factory not in _FACTORIES or not options <= _OPTIONS:
        return None
    edit = replace(span.path, program.region(call.func), f"{given}.new_{factory}")
    return Fix(TITLE, Applicability.UNSAFE, (edit,), Remedy.MADE_MAPPED)


def _binds(statement: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in statement.targets)


def _argument_in(program: Program, function: ast.FunctionDef, node: Located) -> str:
    """Return the first argument of the function that the value of a write reads; empty where it reads none."""
    statement = program.statement_of(node)
    value = getattr(statement, "value", None)
    arguments = {each.arg for each in (*function.args.posonlyargs, *function.args.args)} - {"self"}
    names = [] if value is None else [each for each in ast.walk(value) if isinstance(each, ast.Name)]
    read = [each for each in names if each.id in arguments]
    return min(read, key=lambda each: (each.lineno, each.col_offset)).id if read else ""
