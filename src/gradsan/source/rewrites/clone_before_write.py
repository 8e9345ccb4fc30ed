"""``h[i] = v`` -> ``h = h.clone()`` on the line before: the saved tensor stays as it was.

Before a loop, where nothing in it could save what the loop writes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradsan.knowledge.remedies import is_window
from gradsan.model.rewrite import Applicability, Fix, Remedy
from gradsan.model.span import Span
from gradsan.source.program import Program, dotted_name
from gradsan.source.rewrites.editing import indentation, insert, locate
from gradsan.source.rewrites.visibility import is_only_name, without_views
from gradsan.source.targets import is_module_name, written_by


def propose(span: Span) -> Fix | None:
    """Return the fix that clones the written tensor on the line before the write.

    Args:
        span: The write.

    Returns:
        None where the written tensor has no plain name, or where no line can be put before the write.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    statement = program.statement_of(node)
    target = written_name(program, node)
    if statement is None or not target or _is_header(statement):
        return None
    place = _loop_of(program, statement, target) or statement
    blanks = indentation(program, place)
    if blanks is None:
        return None
    is_safe = "." not in target and is_only_name(program, target, node)
    edit = insert(span.path, place.lineno, 1, f"{blanks}{target} = {target}.clone()\n")
    applicability = Applicability.SAFE if is_safe else Applicability.UNSAFE
    return Fix(f"clone `{target}` before the write", applicability, (edit,), Remedy.COPY_BEFORE_WRITE)


def propose_item(span: Span) -> Fix | None:
    """Return the fix that puts a clone in the place of the item of a list or dict whose tensor is written.

    ``states[i][mask] = 0`` -> ``states[i] = states[i].clone()`` on the line before: the name is that of the list.

    Args:
        span: The write.

    Returns:
        None where what is written is no item, by a plain key, of what has a plain name.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    statement = program.statement_of(node)
    item = _item_of(written_by(program, node))
    blanks = None if statement is None or _is_header(statement) else indentation(program, statement)
    if statement is None or item is None or blanks is None:
        return None
    text = ast.unparse(item)
    edit = insert(span.path, statement.lineno, 1, f"{blanks}{text} = {text}.clone()\n")
    return Fix(f"clone `{text}` before the write", Applicability.UNSAFE, (edit,), Remedy.COPY_BEFORE_WRITE)


def propose_base(span: Span) -> Fix | None:
    """Return the fix that clones what the written name is a view of, before the view is taken.

    ``row = x[i]``, ``row.add_(1)`` -> ``x = x.clone()`` above the first, or above the loop that takes the rows: whoever
    reads ``x`` sees the write.

    Args:
        span: The write.

    Returns:
        None where the function does not bind the name once, to a view of what has a plain name.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    taken = _taken_from(program, written_name(program, node), node)
    if taken is None:
        return None
    base, statement = taken
    while (further := _taken_from(program, base, statement)) is not None:
        base, statement = further
    around = [each for each in program.loops_around(statement) if not _binds(each, base)]
    place = next((each for each in reversed(around) if isinstance(each, ast.stmt)), statement)
    blanks = indentation(program, place)
    if blanks is None:
        return None
    edit = insert(span.path, place.lineno, 1, f"{blanks}{base} = {base}.clone()\n")
    return Fix(f"clone `{base}` before a view of it is taken", Applicability.UNSAFE, (edit,), Remedy.COPY_BEFORE_WRITE)


def propose_view_again(span: Span) -> Fix | None:
    """Return the fix that takes a view again just before it is written: where gradients are recorded.

    ``with torch.no_grad(): row = x[i]``, ``row.add_(y)`` -> ``row = x[i]`` above the write.

    Args:
        span: The write.

    Returns:
        None where the function does not bind the name once, to a view of what has a plain name.
    """
    found = locate(span)
    statement = None if found is None else found[0].statement_of(found[1])
    if found is None or statement is None or _is_header(statement):
        return None
    program, node = found
    name, blanks = written_name(program, node), indentation(program, statement)
    taken = _taken_from(program, name, node)
    if taken is None or blanks is None or "\n" in program.source(taken[1]):
        return None
    edit = insert(span.path, statement.lineno, 1, f"{blanks}{program.source(taken[1])}\n")
    return Fix(f"take the view `{name}` where gradients are recorded", Applicability.UNSAFE, (edit,))


def propose_argument(span: Span) -> Iterator[Fix]:
    """Yield the fixes that clone what a call is given, on the line before: what is called writes to it.

    Args:
        span: The call, ``package.normalise_(scores)``.
    """
    found = locate(span)
    statement = None if found is None else found[0].statement_of(found[1])
    blanks = None if found is None or statement is None or _is_header(statement) else indentation(found[0], statement)
    if found is None or statement is None or blanks is None:
        return
    calls = [node for node in ast.walk(found[1]) if isinstance(node, ast.Call)]
    given = [each for call in calls for each in (*call.args, *(named.value for named in call.keywords))]
    named = [dotted_name(each) for each in given if not is_module_name(found[0], each)]
    for name in dict.fromkeys(name for name in named if name not in ("", "self")):
        edit = insert(span.path, statement.lineno, 1, f"{blanks}{name} = {name}.clone()\n")
        title = f"clone `{name}` before the call that writes to it"
        yield Fix(title, Applicability.UNSAFE, (edit,), Remedy.COPY_BEFORE_WRITE)


def _taken_from(program: Program, name: str, node: ast.AST) -> tuple[str, ast.stmt] | None:
    """Return the name of which another one is bound to a view, and the statement that binds it."""
    scope = program.function_of(node) or program.tree
    statements = [
        each for each in ast.walk(scope) if isinstance(each, ast.stmt) and not isinstance(each, ast.AugAssign)
    ]
    bound = [each for each in statements if _binds_here(each, name)]
    if not name or len(bound) != 1 or not isinstance(bound[0], ast.Assign):
        return None
    statement = bound[0]
    base = without_views(program, statement.value)
    if base is statement.value or not isinstance(base, ast.Name) or base.id == name:
        return None
    return base.id, statement


def _binds(node: ast.AST, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name and not _is_read(each) for each in ast.walk(node))


def _binds_here(statement: ast.stmt, name: str) -> bool:
    """Whether a statement itself, and none inside of it, binds a name."""
    inner = {part for each in ast.iter_child_nodes(statement) if isinstance(each, ast.stmt) for part in ast.walk(each)}
    names = [each for each in ast.walk(statement) if isinstance(each, ast.Name) and each not in inner]
    return any(each.id == name and not _is_read(each) for each in names)


def _is_read(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Load)


def _item_of(target: ast.expr | None) -> ast.Subscript | None:
    """Return the innermost item of a chain of items and views: ``x[i]`` of ``x[i][0]``."""
    item = None
    while isinstance(target, ast.Subscript):
        item, target = target, target.value
    if item is None or not dotted_name(item.value) or not isinstance(item.slice, (ast.Name, ast.Constant)):
        return None
    return item


def is_filled_in_loop(span: Span) -> bool:
    """Whether a write fills a part of a tensor made before the loop: a clone in each turn would copy it all."""
    found = locate(span)
    statement = None if found is None else found[0].statement_of(found[1])
    if found is None or statement is None:
        return False
    program = found[0]
    name, target = written_name(program, statement), written_by(program, statement)
    stored = statement.targets[0] if isinstance(statement, ast.Assign) else None
    loop = next((loop for loop in program.loops_around(statement) if isinstance(loop, ast.stmt)), None)
    if loop is None or not name or not (isinstance(target, ast.Subscript) or isinstance(stored, ast.Subscript)):
        return False
    bound = [n for n in ast.walk(loop) if isinstance(n, (ast.Name, ast.Attribute)) and isinstance(n.ctx, ast.Store)]
    return not any(dotted_name(n) == name for n in bound)


def written_name(program: Program, node: ast.stmt | ast.expr | ast.excepthandler) -> str:
    """Return the name that holds what is written, ``h`` of ``h[0].add_(1)`` and ``h.t().add_(1)``; or an empty text."""
    target = written_by(program, node)
    name = "" if target is None else dotted_name(without_views(program, target))
    while is_window(name) and not name.endswith(".data"):
        name = name.rpartition(".")[0]
    return "" if name == "self" or name.endswith((".data", ".grad")) else name


def _loop_of(program: Program, statement: ast.stmt, name: str) -> ast.stmt | None:
    """Return the widest loop around a write that only stores into parts of what a name holds."""
    widest = None
    for loop in program.loops_around(statement):
        named = [n for n in ast.walk(loop) if isinstance(n, (ast.Name, ast.Attribute)) and dotted_name(n) == name]
        if not isinstance(loop, (ast.For, ast.While)) or indentation(program, loop) is None:
            break
        if not all(_is_stored_into(program, each) for each in named):
            break
        widest = loop
    return widest


def _is_stored_into(program: Program, node: ast.expr) -> bool:
    """Whether an item of an expression is assigned to, or added to: nothing of it is saved."""
    around = program.parent(node)
    while isinstance(around, ast.Subscript) and around.value is node:
        node, around = around, program.parent(around)
    if not isinstance(node, ast.Subscript) or isinstance(node.ctx, ast.Load):
        return False
    return isinstance(around, ast.Assign) or (
        isinstance(around, ast.AugAssign) and isinstance(around.op, (ast.Add, ast.Sub))
    )


def _is_header(statement: ast.stmt) -> bool:
    return bool(getattr(statement, "body", None))
