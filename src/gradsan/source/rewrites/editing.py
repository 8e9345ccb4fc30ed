"""The small steps that every rewrite takes: edits from nodes, parentheses, the twin of an in-place name."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from gradsan import knowledge
from gradsan.model.rewrite import Edit
from gradsan.model.span import Span
from gradsan.source import program as parsed
from gradsan.source.expressions import node_of
from gradsan.source.program import Located, Program, Region

# In-place operations whose out-of-place schema exists for the compiler's functionalization only: the tensor has no such
# method.  Source: `hasattr(torch.Tensor, name)` over the operation table, torch 2.13.0.
_NO_METHOD = frozenset(
    [
        "alpha_dropout",
        "cauchy",
        "celu",
        "copy",
        "dropout",
        "elu",
        "embedding_renorm",
        "exponential",
        "feature_alpha_dropout",
        "feature_dropout",
        "fill",
        "geometric",
        "log_normal",
        "normal",
        "random",
        "resize",
        "resize_as",
        "rrelu",
        "selu",
        "set",
        "threshold",
        "uniform",
        "zero",
    ]
)
_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant, ast.List, ast.Dict, ast.Set, ast.ListComp)


def locate(span: Span) -> tuple[Program, Located] | None:
    """Return the parsed file of a span and the node that stands there; None where either is unknown."""
    program = parsed.load(span.path)
    node = None if program is None else node_of(program, span)
    return None if program is None or node is None else (program, node)


def replace(path: str, region: Region, text: str) -> Edit:
    """Return the edit that puts a text in place of a region."""
    return Edit(path, *region, text)


def insert(path: str, line: int, column: int, text: str) -> Edit:
    """Return the edit that puts a text before a character."""
    return Edit(path, line, column, line, column, text)


def start_of(program: Program, node: Located) -> tuple[int, int]:
    """Return the line and column at which a node begins."""
    return program.region(node)[:2]


def end_of(program: Program, node: Located) -> tuple[int, int]:
    """Return the line and column just after a node."""
    return program.region(node)[2:]


def between(program: Program, left: Located, right: Located) -> str:
    """Return the text from the end of one node to the beginning of another."""
    return program.text_at((*end_of(program, left), *start_of(program, right)))


def is_atom(node: ast.expr) -> bool:
    """Whether ``.clone()`` can follow an expression without parentheses around it."""
    return isinstance(node, _ATOMS) and not (isinstance(node, ast.Constant) and isinstance(node.value, (int, float)))


def is_parenthesised(program: Program, node: ast.expr) -> bool:
    """Whether a pair of parentheses of its own stands around an expression (a call's parentheses are not its own)."""
    line, column, end_line, end_column = program.region(node)
    before = program.lines[line - 1][: column - 1].rstrip()
    after = program.lines[end_line - 1][end_column - 1 :].lstrip()
    if not (before.endswith("(") and after.startswith(")")):
        return False
    owner = before[:-1].rstrip()
    return not re.search(r"[\w\])]$", owner) or bool(re.search(r"\b(in|and|or|not|return|if|else|yield|is)$", owner))


def cloned(program: Program, node: ast.expr, path: str) -> tuple[Edit, ...]:
    """Return the edits that put ``.clone()`` behind an expression, and parentheses; none where it is a clone."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "clone":
        return ()
    line, column = end_of(program, node)
    if is_atom(node):
        return (insert(path, line, column, ".clone()"),)
    if is_parenthesised(program, node):
        source = program.lines[line - 1]
        after = source.index(")", column - 1) + 2
        return (insert(path, line, after, ".clone()"),)
    return insert(path, *start_of(program, node), "("), insert(path, line, column, ").clone()")


def out_of_place_twin(name: str) -> str:
    """Return the last name of an in-place method's out-of-place twin, ``add`` of ``add_``; empty where it has none."""
    if name == "detach_":  # which writes the tensor itself, and no memory
        return "detach"
    operation = knowledge.load("torch").lookup(f"torch.Tensor.{name}")
    twin = "" if operation is None else (operation.out_of_place or "")
    return "" if twin in _NO_METHOD or twin.startswith("_") else twin.rpartition(".")[2]


def out_of_place_function(dotted: str) -> str:
    """Return the last name of an in-place function's out-of-place twin, ``relu`` of ``torch.relu_``."""
    last = dotted.rpartition(".")[2]
    table = knowledge.load("torch")
    operation = table.lookup(dotted) or table.lookup(last)
    twin = "" if operation is None else (operation.out_of_place or "")
    return twin.rpartition(".")[2] if twin and not twin.startswith("_") else ""


def framework_name(program: Program) -> str:
    """Return the name by which a file knows the framework; empty where it does not import it."""
    return next((name for name, origin in program.imports.items() if origin == "torch"), "")


def imported(program: Program, module: str, path: str) -> tuple[str, tuple[Edit, ...]]:
    """Return the name by which a file knows a module, and the edit that imports it if need be.

    The import goes above the file's first one that is no ``from __future__``; without one, above the first statement
    but for these and the file's docstring.
    """
    known = next((name for name, origin in program.imports.items() if origin == module), "")
    if known:
        return known, ()
    body = program.tree.body
    heads = [each for at, each in enumerate(body) if _is_head(each, is_first=not at)]
    first = next((each for each in body if isinstance(each, (ast.Import, ast.ImportFrom)) and each not in heads), None)
    below = 1 if not heads else (heads[-1].end_lineno or heads[-1].lineno) + 1
    line = below if first is None else first.lineno
    is_taken = any(isinstance(each, ast.Name) and each.id == module for each in ast.walk(program.tree))
    name = f"{module}_module" if is_taken else module
    return name, (insert(path, line, 1, f"import {module} as {name}\n" if is_taken else f"import {module}\n"),)


def _is_head(statement: ast.stmt, *, is_first: bool) -> bool:
    """Whether nothing may stand above a statement: the file's docstring, or a ``from __future__``."""
    if isinstance(statement, ast.ImportFrom):
        return statement.module == "__future__"
    return is_first and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def indentation(program: Program, statement: ast.stmt) -> str | None:
    """Return the blanks before a statement that begins its line and is alone on it; None for any other."""
    line = program.lines[statement.lineno - 1]
    before = line[: start_of(program, statement)[1] - 1]
    last = program.lines[(statement.end_lineno or statement.lineno) - 1]
    after = last[end_of(program, statement)[1] - 1 :].strip()
    return before if not before.strip() and (not after or after.startswith("#")) else None


def step_of(program: Program, blanks: str) -> str:
    """Return what a file indents a block by, beside a statement that stands behind some blanks."""
    for node in ast.walk(program.tree):
        body = getattr(node, "body", None)
        if not isinstance(node, ast.stmt) or not isinstance(body, list):
            continue
        outer, inner = indentation(program, node), indentation(program, body[0])
        if outer is None or inner is None or not inner.startswith(outer) or inner == outer:
            continue
        if "\t" in inner or "\t" not in blanks:
            return inner.removeprefix(outer)
    return "\t" if "\t" in blanks else "    "


def unused_name(program: Program, names: Sequence[str]) -> str:
    """Return the first of several names that a file does not use; empty where it uses them all."""
    used = {each.id for each in ast.walk(program.tree) if isinstance(each, ast.Name)}
    return next((each for each in names if each not in used), "")


def arguments_of(program: Program, call: ast.Call) -> str:
    """Return the arguments of a call as a tuple, and the named ones as a dictionary."""
    positional = ", ".join(program.source(argument) for argument in call.args)
    given = f"({positional},)" if len(call.args) == 1 else f"({positional})"
    named = [
        f"**{program.source(k.value)}" if k.arg is None else f'"{k.arg}": {program.source(k.value)}'
        for k in call.keywords
    ]
    return f"{given}, {{{', '.join(named)}}}" if named else given


def is_repeatable(node: ast.expr) -> bool:
    """Whether an expression reads something by names and indices alone, so that it may be written twice."""
    match node:
        case ast.Attribute(value=inner):
            return is_repeatable(inner)
        case ast.Subscript(value=inner, slice=index):
            parts = (ast.Call, ast.NamedExpr, ast.Await)
            return is_repeatable(inner) and not any(isinstance(each, parts) for each in ast.walk(index))
        case _:
            return isinstance(node, ast.Name)
