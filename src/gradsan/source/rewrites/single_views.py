"""``a, b = x.chunk(2)`` -> ``a, b = x.tensor_split(2)``: views taken one by one may be written, and so may their base.

They share memory as before: who reads the base, or another view, still sees the write.

Source: `chunk`, `split` and `unbind` return several views of one node, `tensor_split`, `select` and indexing one each;
checked on torch 2.13.0.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradsan.model.rewrite import Applicability, Edit, Fix, Remedy
from gradsan.model.span import Span
from gradsan.source import program as parsed
from gradsan.source.expressions import node_of
from gradsan.source.program import Program, dotted_name, last_name
from gradsan.source.rewrites.editing import (
    end_of,
    indentation,
    insert,
    is_repeatable,
    locate,
    replace,
    start_of,
    unused_name,
)
from gradsan.source.targets import is_module_name, keyword_of

TITLE = "take the views one by one"
_SIZES = ("split_size", "split_size_or_sections", "split_sizes")
_LOOSE = (ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Lambda, ast.NamedExpr)
_SHORT = ("n", "k", "at", "part")


def propose(span: Span) -> Iterator[Fix]:
    """Yield the fixes that take views one by one where an operation or an iteration returned several.

    Args:
        span: Where they were made: a call, the header of a loop, an assignment to several names.
    """
    program = parsed.load(span.path)
    node = None if program is None else next(iter(_places(program, span)), None)
    statement = None if program is None or node is None else program.statement_of(node)
    if program is None or node is None or statement is None:
        return
    inside = statement if isinstance(statement, ast.For) else node
    for call in ast.walk(inside.iter if isinstance(inside, ast.For) else inside):
        if isinstance(call, ast.Call):
            yield from _fixes(_of_call(program, call, span.path))
    yield from _implicit(program, statement, span.path)


def _places(program: Program, span: Span) -> list[ast.AST]:
    """Return the node at a span; of the header of a loop, which is none, its parts."""
    node = node_of(program, span)
    return program.roots_at(span.line) if node is None else [node]


def propose_for(span: Span, *names: str) -> Iterator[Fix]:
    """Yield the fixes that take views one by one, for views and bases known by name.

    Args:
        span: A place in the function that makes the views.
        names: What the views are bound to, or what they are views of; none to propose it for each that is made.
    """
    found = locate(span)
    if found is None:
        return
    program, node = found
    wanted = {*names} - {""}
    for statement in ast.walk(program.function_of(node) or program.tree):
        if not isinstance(statement, ast.Assign):
            continue
        bound = {dotted_name(n) for each in statement.targets for n in ast.walk(each)}
        for call in ast.walk(statement.value):
            if not isinstance(call, ast.Call):
                continue
            if not names or (bound | {dotted_name(_viewed(program, call) or call)}) & wanted:
                yield from _fixes(_of_call(program, call, span.path))
        if bound & wanted:
            yield from _implicit(program, statement, span.path)


def _fixes(edits: tuple[Edit, ...]) -> Iterator[Fix]:
    if edits:
        yield Fix(TITLE, Applicability.UNSAFE, edits, Remedy.SINGLE_VIEWS)


def _viewed(program: Program, call: ast.Call) -> ast.expr | None:
    """Return what a call takes views of: what stands before the method, or the function's first argument."""
    if not isinstance(call.func, ast.Attribute) or is_module_name(program, call.func.value):
        return call.args[0] if call.args else keyword_of(call, "input") or keyword_of(call, "tensor")
    return call.func.value


def _of_call(program: Program, call: ast.Call, path: str) -> tuple[Edit, ...]:
    of = _viewed(program, call)
    if of is None or any(isinstance(each, ast.Starred) for each in call.args) or "\n" in program.source(call):
        return ()
    given = [each for each in call.args if each is not of]
    n_before = 0 if last_name(call.func) == "unbind" else 1
    dim = keyword_of(call, "dim") or (given[n_before] if len(given) > n_before else None)
    match last_name(call.func):
        case "chunk":
            size = keyword_of(call, "chunks") or (given[0] if given else None)
            return () if size is None else _split_evenly(program, call, size, program.source(size), path)
        case "split" | "split_with_sizes":
            named = next((keyword_of(call, name) for name in _SIZES if keyword_of(call, name) is not None), None)
            size = named or (given[0] if given else None)
            return () if size is None else _of_split(program, call, of, size, dim, path)
        case "unbind" if is_repeatable(of):
            return (replace(path, program.region(call), _one_by_one(program, of, dim)),)
        case _:
            return ()


def _of_split(
    program: Program, call: ast.Call, of: ast.expr, size: ast.expr, dim: ast.expr | None, path: str
) -> tuple[Edit, ...]:
    if isinstance(size, (ast.List, ast.Tuple)):
        parts = [_operand(program, each) for each in size.elts]
        ends = [" + ".join(parts[: n + 1]) for n in range(len(parts) - 1)]
        return _split_evenly(program, call, size, f"[{', '.join(ends)}]", path) if ends else ()
    if not is_repeatable(of):
        return ()
    axis = "0" if dim is None else program.source(dim)
    count = f"{program.source(of)}.shape[{axis}] // {_operand(program, size)}"
    return _split_evenly(program, call, size, count, path)


def _split_evenly(program: Program, call: ast.Call, size: ast.expr, text: str, path: str) -> tuple[Edit, ...]:
    """Return the edits that call `tensor_split`, with a text in place of the size."""
    func = call.func
    line, column = program.region(func)[2:]
    name = Edit(path, line, column - len(last_name(func)), line, column, "tensor_split")
    if isinstance(func, ast.Name):
        return ()
    keyword = next((each for each in call.keywords if each.value is size), None)
    region = program.region(size)
    if keyword is not None and keyword.arg is not None:
        region = (region[0], region[1] - len(keyword.arg) - 1, *region[2:])
        if not program.text_at(region).startswith(f"{keyword.arg}="):
            return ()
        text = f"{'indices' if text.startswith('[') else 'sections'}={text}"
    return name, replace(path, region, text)


def _operand(program: Program, node: ast.expr) -> str:
    text = program.source(node)
    return f"({text})" if isinstance(node, _LOOSE) else text


def _one_by_one(program: Program, of: ast.expr, dim: ast.expr | None) -> str:
    text = program.source(of)
    at = next(name for name in (*_SHORT, "_") if name not in {n.id for n in ast.walk(of) if isinstance(n, ast.Name)})
    axis = "0" if dim is None else program.source(dim)
    if axis == "0":
        return f"[{text}[{at}] for {at} in range(len({text}))]"
    return f"[{text}.select({axis}, {at}) for {at} in range({text}.shape[{axis}])]"


def _implicit(program: Program, statement: ast.stmt, path: str) -> Iterator[Fix]:
    """Yield the fixes of what iterates over a tensor itself: a loop, a comprehension, an assignment to names."""
    if isinstance(statement, ast.For):
        yield from _of_loop(program, statement, path)
        yield from _of_iterated(program, statement.iter, path)
        return
    for around in ast.walk(statement):
        if isinstance(around, ast.comprehension):
            yield from _of_iterated(program, around.iter, path)
    match statement:
        case ast.Assign(targets=[ast.Tuple(elts=names) | ast.List(elts=names)], value=value) if is_repeatable(value):
            if not any(isinstance(name, ast.Starred) for name in names):
                parts = ", ".join(f"{program.source(value)}[{n}]" for n in range(len(names)))
                yield from _fixes((replace(path, program.region(value), parts),))


def _of_loop(program: Program, loop: ast.For, path: str) -> Iterator[Fix]:
    """Yield the fixes that count where a loop iterates, and take the view in the first line of its body."""
    match loop.target, loop.iter:
        case ast.Tuple(elts=[ast.Name() as count, ast.Name() as name]), ast.Call(
            func=ast.Name(id="enumerate"), args=[over], keywords=[]
        ):
            yield from _counted(program, loop, name, over, path, header=count.id)
        case ast.Tuple(elts=targets), ast.Call(func=ast.Name(id="zip"), args=args) if len(targets) == len(args):
            for target, over in zip(targets, args, strict=True):
                yield from _counted(program, loop, target, over, path)
        case target, over:
            yield from _counted(program, loop, target, over, path)


def _counted(
    program: Program, loop: ast.For, target: ast.expr, over: ast.expr, path: str, header: str = ""
) -> Iterator[Fix]:
    """Yield the fix that puts a count in place of what a loop takes from a tensor.

    Args:
        program: The file.
        loop: The loop.
        target: What it binds to each part of the tensor.
        over: The tensor.
        path: The file's path.
        header: The name of the count where the loop has one, and counts nothing else.
    """
    at, blanks = header or unused_name(program, _SHORT), indentation(program, loop.body[0])
    used = {n.id for n in ast.walk(over) if isinstance(n, ast.Name)}
    bound = {n.id for n in ast.walk(loop) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    if not (at and blanks and isinstance(target, ast.Name) and is_repeatable(over)) or used & bound:
        return
    text = program.source(over)
    taken = insert(path, loop.body[0].lineno, 1, f"{blanks}{target.id} = {text}[{at}]\n")
    counts = f"range(len({text}))"
    if header:
        region = (*start_of(program, loop.target), *end_of(program, loop.iter))
        yield from _fixes((replace(path, region, f"{at} in {counts}"), taken))
        return
    yield from _fixes((replace(path, program.region(target), at), replace(path, program.region(over), counts), taken))


def _of_iterated(program: Program, node: ast.expr, path: str) -> Iterator[Fix]:
    match node:
        case ast.Call(func=ast.Name(id="zip" | "enumerate" | "reversed" | "list"), args=args):
            for each in args:
                yield from _of_iterated(program, each, path)
        case _ if is_repeatable(node):
            yield from _fixes((replace(path, program.region(node), _one_by_one(program, node, None)),))


__all__ = ["TITLE", "propose", "propose_for"]
