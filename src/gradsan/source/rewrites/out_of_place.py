"""``h += e`` -> ``h = h + e``, ``h.add_(e)`` -> ``h = h.add(e)``, and other writes that can make a new tensor."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradsan import knowledge
from gradsan.knowledge.remedies import is_window
from gradsan.model.rewrite import Applicability, Edit, Fix, Remedy
from gradsan.model.span import Span
from gradsan.source.program import Located, Program, dotted_name, last_name
from gradsan.source.rewrites import masked_write, operator_write
from gradsan.source.rewrites.editing import (
    framework_name,
    insert,
    is_repeatable,
    locate,
    out_of_place_function,
    out_of_place_twin,
    replace,
    start_of,
)
from gradsan.source.rewrites.inplace_flag import flag_of
from gradsan.source.rewrites.visibility import is_fresh, is_only_name, is_read_before_in_statement, is_used_later
from gradsan.source.targets import first_argument, is_module_name, keyword_of

TITLE = "write out of place"


def propose(span: Span, *, of_data: bool = False) -> Fix | None:
    """Return the fix that makes a new tensor instead of writing into the old one.

    Args:
        span: The write: a statement or an expression.
        of_data: Whether a write through ``.data`` may bind what is computed from ``.data`` to the tensor's name: what
            has no history loses none.

    Returns:
        None where there is no out-of-place form that means the same: a write through a view that isn't named, an
        index whose kind is unknown, an operation without a twin.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    node = _essence(program, node)
    match node:
        case ast.AugAssign():
            edits, name = operator_write.rewrite(program, node, span.path), dotted_name(node.target)
        case ast.Assign():
            edits, name = masked_write.rewrite(program, node, span.path), masked_write.name_of(node)
        case ast.Call():
            return _of_call(program, node, span.path, of_data=of_data)
        case _:
            return None
    if not edits or is_window(name):
        return None
    is_safe = "." not in name and is_only_name(program, name, node)
    return Fix(TITLE, Applicability.SAFE if is_safe else Applicability.UNSAFE, edits, Remedy.OUT_OF_PLACE)


def _essence(program: Program, node: Located) -> Located:
    """Return the node that writes: of a stored target its statement, of a plain statement the call in it."""
    if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store):
        return program.statement_of(node) or node
    if isinstance(node, (ast.Expr, ast.Return)) and isinstance(node.value, ast.expr):
        return node.value
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
        return node.value if not isinstance(node.targets[0], ast.Subscript) else node
    return node


def _of_call(program: Program, call: ast.Call, path: str, *, of_data: bool) -> Fix | None:
    """Rename the in-place calls of a chain and bind the result where the old name is still read."""
    call = _whole_chain(program, call)
    replaced = _assigned(program, call, path) or _filled(program, call, path) or _taken(program, call, path)
    if replaced is not None:
        return replaced
    edits, written = _renamed(program, call, path)
    if not edits or written is None:
        return None
    is_statement = isinstance(program.parent(call), ast.Expr)
    name = dotted_name(written)
    name = name.removesuffix(".data") if of_data else name
    if not name:
        if is_statement:
            # Written through a view or into something unnamed: a renamed call alone would lose the write.
            return None
        applicability = Applicability.SAFE if is_fresh(program, written) else Applicability.UNSAFE
        return Fix(TITLE, applicability, tuple(edits), Remedy.OUT_OF_PLACE)
    if is_window(name) or (name.endswith(".grad") and not is_statement):
        return None
    binding = _binding(program, call, name, path, is_statement=is_statement)
    if binding is None:
        return None
    is_safe = (
        "." not in name
        and is_only_name(program, name, call)
        and not is_read_before_in_statement(program, name, written)
    )
    applicability = Applicability.SAFE if is_safe else Applicability.UNSAFE
    return Fix(TITLE, applicability, tuple(sorted([*edits, *binding])), Remedy.OUT_OF_PLACE)


def _assigned(program: Program, call: ast.Call, path: str) -> Fix | None:
    """Make ``x.copy_(x * a + b)`` ``x = x * a + b``: a computation with the tensor itself has its shape, most often."""
    match call:
        case ast.Call(func=ast.Attribute(attr="copy_", value=target), args=[ast.BinOp() as value], keywords=[]):
            name = dotted_name(target)
            if (
                name
                and not is_window(name)
                and name in map(dotted_name, _operands(value))
                and isinstance(program.parent(call), ast.Expr)
            ):
                edit = replace(path, program.region(call), f"{name} = {_one_operand(program, value)}")
                return Fix(TITLE, Applicability.UNSAFE, (edit,), Remedy.OUT_OF_PLACE)
    return None


def _filled(program: Program, call: ast.Call, path: str) -> Fix | None:
    """Make ``x.zero_()`` ``x = torch.zeros_like(x)``, and ``x.fill_(v)`` ``x = torch.full_like(x, v)``."""
    framework = framework_name(program)
    match call:
        case ast.Call(func=ast.Attribute(attr="zero_", value=target), args=[], keywords=[]):
            made = "zeros_like({})"
        case ast.Call(func=ast.Attribute(attr="fill_", value=target), args=[value], keywords=[]):
            made = f"full_like({{}}, {program.source(value)})"
        case _:
            return None
    name = dotted_name(target)
    if not name or not framework or is_window(name) or not isinstance(program.parent(call), ast.Expr):
        return None
    edit = replace(path, program.region(call), f"{name} = {framework}.{made.format(name)}")
    return Fix(TITLE, Applicability.UNSAFE, (edit,), Remedy.OUT_OF_PLACE)


def _taken(program: Program, call: ast.Call, path: str) -> Fix | None:
    """Make ``torch.mul(a, b, out=self.c)`` ``self.c = torch.mul(a, b)``, and ``out=c[0]`` a write of the item."""
    out = keyword_of(call, "out")
    if not isinstance(out, (ast.Attribute, ast.Subscript)) or not is_repeatable(out):
        return None
    edits = _without_out(program, call, path)
    if not edits:
        return None
    if isinstance(program.parent(call), (ast.Expr, ast.Assign)):
        edits = [insert(path, *start_of(program, call), f"{program.source(out)} = "), *edits]
    return Fix(TITLE, Applicability.UNSAFE, tuple(sorted(edits)), Remedy.OUT_OF_PLACE)


def _operands(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what a computation with operators is made of."""
    if isinstance(node, ast.BinOp):
        yield from _operands(node.left)
        yield from _operands(node.right)
    else:
        yield node


def _one_operand(program: Program, value: ast.expr) -> str:
    """Return the text of an argument; in parentheses where it runs over several lines."""
    text = program.source(value)
    return f"({text})" if "\n" in text else text


def _whole_chain(program: Program, call: ast.Call) -> ast.Call:
    """Return the longest chain of in-place methods that a call begins: ``x.mul_(a)`` begins ``x.mul_(a).add_(b)``."""
    while True:
        attribute = program.parent(call)
        outer = None if attribute is None else program.parent(attribute)
        if not (isinstance(attribute, ast.Attribute) and isinstance(outer, ast.Call) and outer.func is attribute):
            return call
        if not _is_inplace_method(program, outer):
            return call
        call = outer


def _is_inplace_method(program: Program, call: ast.Call) -> bool:
    return (
        isinstance(call.func, ast.Attribute)
        and not is_module_name(program, call.func.value)
        and (knowledge.load().mutates(call.func.attr) or call.func.attr == "detach_")
    )


def _renamed(program: Program, call: ast.Call, path: str) -> tuple[list[Edit], ast.expr | None]:
    """Return the edits that make a call, and those it is chained to, out of place; and what they wrote into."""
    if (out := keyword_of(call, "out")) is not None:
        return (_without_out(program, call, path) if isinstance(out, ast.Name) else []), out
    if _is_inplace_method(program, call) and isinstance(call.func, ast.Attribute):
        twin = out_of_place_twin(call.func.attr)
        if not twin:
            return [], None
        edits = [_rename(program, call.func, twin, path)]
        inner = call.func.value
        if isinstance(inner, ast.Call) and _is_inplace_method(program, inner):
            inner_edits, written = _renamed(program, inner, path)
            return ([*inner_edits, *edits], written) if inner_edits else ([], None)
        return edits, inner
    name = dotted_name(call.func)
    if knowledge.load().mutates(last_name(call.func)):
        twin = out_of_place_function(name)
        if not twin:
            return [], None
        func = call.func
        edit = _rename(program, func, twin, path) if isinstance(func, ast.Attribute) else None
        return ([edit] if edit is not None else [], first_argument(call))
    if isinstance(call.func, ast.Call) or name.startswith("self."):
        return [], None  # a module: its flag stands where it is constructed
    flag = flag_of(call)
    return ([replace(path, program.region(flag), "False")], first_argument(call)) if flag is not None else ([], None)


def _rename(program: Program, func: ast.Attribute, name: str, path: str) -> Edit:
    _, _, line, column = program.region(func)
    return Edit(path, line, column - len(func.attr), line, column, name)


def _without_out(program: Program, call: ast.Call, path: str) -> list[Edit]:
    """Drop ``, out=c`` from a call."""
    keyword = next(keyword for keyword in call.keywords if keyword.arg == "out")
    others = [*call.args, *(k.value for k in call.keywords if k is not keyword)]
    before = [node for node in others if program.region(node)[2:] <= program.region(keyword.value)[:2]]
    if not before:
        return []
    start = max(program.region(node)[2:] for node in before)
    return [Edit(path, *start, *program.region(keyword.value)[2:], "")]


def _binding(program: Program, call: ast.Call, name: str, path: str, *, is_statement: bool) -> list[Edit] | None:
    """Return the edits that bind the new tensor to the old name where it is read later; None where that can't be."""
    start, end = start_of(program, call), program.region(call)[2:]
    if is_statement:
        return [insert(path, *start, f"{name} = ")]
    if "." in name:
        return None
    inner = _comprehension_that_binds(program, name, call)
    if inner is not None:
        is_read = any(
            isinstance(n, ast.Name) and n.id == name and n not in set(ast.walk(call)) for n in ast.walk(inner)
        )
        return None if is_read else []
    if not is_used_later(program, name, call):
        return []
    statement = program.parent(call)
    if isinstance(statement, ast.Assign):
        return [insert(path, *start, f"{name} = ")]
    if isinstance(statement, ast.Call) and call in statement.args:
        return [insert(path, *start, f"{name} := ")]
    return [insert(path, *start, f"({name} := "), insert(path, *end, ")")]


def _comprehension_that_binds(program: Program, name: str, call: ast.Call) -> ast.expr | None:
    """Return what a comprehension around a call makes of each item, where it binds a name; the name ends there."""
    for around in program.enclosing(call):
        if isinstance(around, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
            targets = [n for each in around.generators for n in ast.walk(each.target)]
            if any(isinstance(n, ast.Name) and n.id == name for n in targets):
                return around.elt
        if isinstance(around, ast.stmt):
            return None
    return None


__all__ = ["TITLE", "propose"]
