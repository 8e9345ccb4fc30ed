"""What a finding proposes, in the user's own names.

A rule knows the events, not the source: where it has no name for a tensor, it writes one down that reads well.  In a
program that has no such name, code with it would only be in the way; the sentence above it says what to do.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import replace

from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Saved, Writer, Written
from gradsan.model.history import TensorKind
from gradsan.model.rewrite import Remedy
from gradsan.record.frames import is_installed
from gradsan.source import program as parsed
from gradsan.source.program import Program

_AT_WRITE = frozenset({Remedy.OUT_OF_PLACE, Remedy.COPY_BEFORE_WRITE, Remedy.INPLACE_FLAG, Remedy.OFF_TAPE})
"""What is done on the line that writes, or where the module that writes is constructed."""


def in_own_names(finding: Diagnostic) -> Diagnostic:
    """Return the finding without the code of proposals that is no Python or names what the user's source does not.

    Effect: reads the source files that the finding names.
    """
    paths = dict.fromkeys(label.span.path for label in finding.labels)
    programs = [program for path in paths if (program := parsed.load(path)) is not None and program.tree.body]
    if not programs or not any(help_.code for help_ in finding.helps):
        return finding
    known = {name for program in programs for name in _names_in(program)}
    helps = tuple(help_ if can_be_written(help_.code, known) else replace(help_, code="") for help_ in finding.helps)
    return replace(finding, helps=helps)


def for_the_program(finding: Diagnostic) -> Diagnostic:
    """Return the finding without what would edit an installed package; where one wrote, with what its caller can do.

    To be called with the fixes in it.
    """
    history = finding.history
    if history is None or not any(_is_of_package(write) for write in history.all(Written)):
        return finding
    fixes = tuple(fix for fix in finding.fixes if not any(is_installed(edit.path) for edit in fix.edits))
    saved = [each.span for each in history.all(Saved) if each.span is not None]
    left_out = _AT_WRITE if any(not is_installed(span.path) for span in saved) else _AT_WRITE | {Remedy.COPY_AT_SAVE}
    helps = tuple(help_ for help_ in finding.helps if help_.remedy not in left_out)
    if history.subject.kind in (TensorKind.INTERMEDIATE, TensorKind.LEAF):
        own = Help("let the package write to a copy, made before the call", "", Remedy.COPY_BEFORE_WRITE)
        helps = (own, *helps)
    return replace(finding, fixes=fixes, helps=helps)


def _is_of_package(write: Written) -> bool:
    return write.in_program not in (None, write.span) and write.writer in (Writer.PROGRAM, Writer.MODULE)


def can_be_written(code: str, known: set[str]) -> bool:
    """Whether code parses, the head of a block too, and reads no name but known ones and those that it binds before."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        try:
            tree = ast.parse(f"{code}\n    pass")
        except SyntaxError:
            return False
    bound = known | set(dir(builtins))
    for statement in tree.body:
        names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        own = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
        inner = (
            own if not isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign)) else _bound_inside(statement)
        )
        if any(isinstance(node.ctx, ast.Load) and node.id not in bound | inner for node in names):
            return False
        bound |= own
    return True


def _bound_inside(statement: ast.stmt) -> set[str]:
    """Return the names that the value of an assignment binds for itself, as a comprehension does."""
    loops = [node.target for node in ast.walk(statement) if isinstance(node, ast.comprehension)]
    return {node.id for loop in loops for node in ast.walk(loop) if isinstance(node, ast.Name)}


def _names_in(program: Program) -> Iterator[str]:
    yield from program.imports
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
