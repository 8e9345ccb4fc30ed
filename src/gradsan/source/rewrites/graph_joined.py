"""``conv.weight = nn.Parameter(w)`` -> ``functional_call(conv, {"weight": w}, (x,))``: ``w`` keeps its history.

So for ``conv.weight.data = w``, for a loop that copies into ``net.named_parameters()``; and where no module is
called with the new leaf, the computed tensor itself takes its place.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradsan.model.rewrite import Applicability, Edit, Fix
from gradsan.model.span import Span
from gradsan.source.program import Located, Program, dotted_name, last_name
from gradsan.source.rewrites.editing import (
    arguments_of,
    framework_name,
    indentation,
    insert,
    is_atom,
    locate,
    replace,
    unused_name,
)

TITLE = "keep the history of the computed value"
_NAMES = ("weights", "computed", "computed_weights")


def propose(span: Span) -> Iterator[Fix]:
    """Yield the fixes that let a computed value keep its history.

    Args:
        span: Where it went into a leaf.
    """
    found = locate(span)
    framework = "" if found is None else framework_name(found[0])
    if found is None:
        return
    program, node = found
    statement = program.statement_of(node)
    if statement is None:
        return
    stored = _stored(statement)
    edits = () if stored is None or not framework else _called_with(program, statement, stored, framework, span.path)
    for each in (edits, _itself(program, node, framework, span.path)):
        if each:
            yield Fix(TITLE, Applicability.UNSAFE, tuple(sorted(each)))


def _itself(program: Program, node: Located, framework: str, path: str) -> tuple[Edit, ...]:
    """Put the computed tensor where a leaf was made of it."""
    call = node.value if isinstance(node, (ast.Assign, ast.Return, ast.Expr)) else node
    if not isinstance(call, ast.Call) or len(call.args) != 1:
        return ()
    value, name = call.args[0], last_name(call.func)
    text = program.source(value)
    if name in ("tensor", "as_tensor"):
        made = f"{framework}.stack({text})" if framework else ""
    elif name == "Parameter":
        made = text if is_atom(value) or isinstance(program.parent(call), (ast.Assign, ast.Return)) else f"({text})"
    else:
        made = ""
    return (replace(path, program.region(call), made),) if made else ()


def _stored(statement: ast.stmt) -> tuple[str, ast.expr] | None:
    """Return which leaf a statement gives a value, ``self.conv.weight``, and the value."""
    match statement:
        case ast.Assign(targets=[ast.Attribute() as target], value=value):
            name = dotted_name(target)
            if isinstance(value, ast.Call) and last_name(value.func) == "Parameter" and len(value.args) == 1:
                return name, value.args[0]
            return (name.removesuffix(".data"), value) if name.endswith(".data") else None
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="copy_", value=target), args=[value])):
            return dotted_name(target).removesuffix(".data"), value
        case _:
            return None


def _called_with(
    program: Program, statement: ast.stmt, stored: tuple[str, ast.expr], framework: str, path: str
) -> tuple[Edit, ...]:
    """Give the values to the calls of the module that follow, instead of to its parameters."""
    name, value = stored
    blanks = indentation(program, statement)
    if blanks is None or "\n" in program.source(value):
        return ()
    loop = next(iter(program.loops_around(statement)), None)
    module, variable = _walked(loop, name)
    if module and isinstance(loop, ast.For):
        weights, before = unused_name(program, _NAMES), indentation(program, loop)
        calls = _calls_after(program, loop, module)
        if before is None or not weights:
            return ()
        head = insert(path, loop.lineno, 1, f"{before}{weights} = {{}}\n")
        held = replace(path, program.region(statement), f"{weights}[{variable}] = {program.source(value)}")
        made = [_call(program, call, framework, weights, path) for call in calls]
        return (head, held, *made) if made else ()
    return _called_with_one(program, statement, stored, framework, path)


def _called_with_one(
    program: Program, statement: ast.stmt, stored: tuple[str, ast.expr], framework: str, path: str
) -> tuple[Edit, ...]:
    name, value = stored
    owner, _, path_inside = name.rpartition(".")
    while owner and owner != "self":
        calls = _calls_after(program, statement, owner)
        if calls:
            break
        owner, _, last = owner.rpartition(".")
        path_inside = f"{last}.{path_inside}"
    else:
        return ()
    held = program.source(value)
    if isinstance(value, ast.Name):
        following = (statement.end_lineno or statement.lineno) + 1
        edit = Edit(path, statement.lineno, 1, following, 1, "")
    else:
        held = unused_name(program, (name.rpartition(".")[2], *_NAMES))
        edit = replace(path, program.region(statement), f"{held} = {program.source(value)}")
    weights = f'{{"{path_inside}": {held}}}'
    return (edit, *(_call(program, call, framework, weights, path) for call in calls)) if held else ()


def _walked(loop: ast.AST | None, name: str) -> tuple[str, str]:
    """Return the module whose named parameters a loop walks, and the name of their names; empty where it does not."""
    match loop:
        case ast.For(
            target=ast.Tuple(elts=[ast.Name(id=variable), ast.Name(id=parameter)]),
            iter=ast.Call(func=ast.Attribute(attr="named_parameters", value=module)),
        ) if parameter == name:
            return dotted_name(module), variable
        case _:
            return "", ""


def _calls_after(program: Program, statement: ast.stmt, module: str) -> list[ast.Call]:
    around = program.function_of(statement) or program.tree
    end = statement.end_lineno or statement.lineno
    return [
        node
        for node in ast.walk(around)
        if isinstance(node, ast.Call) and node.lineno > end and dotted_name(node.func) == module
    ]


def _call(program: Program, call: ast.Call, framework: str, weights: str, path: str) -> Edit:
    made = f"{framework}.func.functional_call({program.source(call.func)}, {weights}, {arguments_of(program, call)})"
    return replace(path, program.region(call), made)
