"""``optimizer.step()`` before ``loss.backward()`` -> after it; the same for whatever else writes state too early.

Either of the two may stand in a function that the block calls: ``self.update_target()``, ``self.backward_g()``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradsan.model.rewrite import Applicability, Edit, Fix, Remedy
from gradsan.model.span import Span
from gradsan.source import program as parsed
from gradsan.source.expressions import node_of
from gradsan.source.program import Program, blocks_of, last_name
from gradsan.source.rewrites.editing import indentation, insert
from gradsan.source.targets import keyword_of

MAX_FIXES = 3
TITLES = ("move the step behind the backward", "move the write behind the backward")
_FILLS = frozenset({"append", "appendleft", "extend", "insert", "add", "setdefault"})
"""Methods of containers by which a statement leaves a value."""
_MOVED = (ast.Expr, ast.If, ast.For, ast.With, ast.AugAssign)


def propose(write: Span, backward: Span, *, is_step: bool = False, paths: Sequence[str] = ()) -> Iterator[Fix]:
    """Yield the fixes that move a statement which writes behind one which runs the backward that needs the old values.

    Args:
        write: What writes: an optimizer's step, the update of an average.
        backward: The call that needs what was written over.
        is_step: Whether it is an optimizer's step.
        paths: Other files of the program, in which both may be called.
    """
    for path in list(dict.fromkeys([write.path, backward.path, *paths])):
        program = parsed.load(path)
        if program is None:
            continue
        pairs = _pairs(program, path, write, backward)
        free = (pair for pair in pairs if not _feeds(*pair))
        found = (_moved(program, path, *pair) for pair in free if is_step or _may_pass(write, *pair))
        edits = [each for each in found if each]
        if edits:
            for each in edits[:MAX_FIXES]:
                yield Fix(TITLES[not is_step], Applicability.UNSAFE, each, Remedy.WRITE_LATER)
            return


def _pairs(program: Program, path: str, write: Span, backward: Span) -> Iterator[tuple[ast.stmt, list[ast.stmt]]]:
    """Yield a statement that writes, and those of its block up to the one that runs the backward."""
    for block in _blocks(program.tree):
        writers = [
            n for n, each in enumerate(block) if isinstance(each, _MOVED) and _performs(program, path, each, write)
        ]
        runners = [n for n, each in enumerate(block) if writers and _performs(program, path, each, backward)]
        for first in writers:
            second = next((n for n in runners if n > first), None)
            if second is not None and not _performs(program, path, block[first], backward):
                yield block[first], block[first + 1 : second + 1]


def _blocks(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    yield tree.body
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            yield from blocks_of(node)


def _performs(program: Program, path: str, statement: ast.stmt, span: Span) -> bool:
    """Whether a statement holds what stands at a span, or calls the function in which it stands."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return False
    if path == span.path and statement.lineno <= span.line and span.end_line <= (statement.end_lineno or 0):
        return True
    name = span.function.removesuffix(".<locals>").rpartition(".")[2]
    around = program.function_of(statement)
    is_inside = around is not None and path == span.path and around.lineno <= span.line <= (around.end_lineno or 0)
    if is_inside and getattr(around, "name", "") == name:
        return False  # what is called here by that name is another's: `optimizer.step()` in `Trainer.step`
    return name != "<module>" and any(
        isinstance(node, ast.Call) and last_name(node.func) == name for node in ast.walk(statement)
    )


def _may_pass(write: Span, moved: ast.stmt, passed: list[ast.stmt]) -> bool:
    """Whether a write may come behind a backward: what it reads is the same there.

    A step down the gradients would meet those of that backward as well, an average the weights of a step in between.
    """
    *between, after = passed
    calls = [node for node in ast.walk(after) if isinstance(node, ast.Call)]
    leaves_gradients = any(last_name(each.func) == "grad" or keyword_of(each, "inputs") is not None for each in calls)
    if not leaves_gradients and _reads_gradient(moved, write):
        return False
    return not any(
        isinstance(node, ast.Call) and last_name(node.func) == "step" for each in between for node in ast.walk(each)
    )


def _feeds(moved: ast.stmt, passed: list[ast.stmt]) -> bool:
    """Whether a statement makes what one of those that it would come behind reads: it runs the forward pass, too."""
    made: set[str] = set()
    for node in ast.walk(moved):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                made.add(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in _FILLS:
                made.add(name)
    if isinstance(moved, ast.AugAssign) and isinstance(moved.target, ast.Name):
        made.discard(moved.target.id)  # the write itself
    return any(
        isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in made
        for each in passed
        for node in ast.walk(each)
    )


def _reads_gradient(moved: ast.stmt, write: Span) -> bool:
    """Whether a statement reads gradients, or the function that it calls to write."""
    program = parsed.load(write.path)
    node = None if program is None else node_of(program, write)
    function = None if program is None or node is None else program.function_of(node)
    inside = [moved, *([] if function is None or moved in ast.walk(function) else [function])]
    return any(isinstance(node, ast.Attribute) and node.attr == "grad" for each in inside for node in ast.walk(each))


def _moved(program: Program, path: str, moved: ast.stmt, passed: list[ast.stmt]) -> tuple[Edit, ...]:
    after = passed[-1]
    if indentation(program, moved) is None or indentation(program, after) is None:
        return ()
    last, end = moved.end_lineno or moved.lineno, after.end_lineno or after.lineno
    text = "\n".join(program.lines[moved.lineno - 1 : last])
    return Edit(path, moved.lineno, 1, last + 1, 1, ""), insert(path, end, len(program.lines[end - 1]) + 1, f"\n{text}")
