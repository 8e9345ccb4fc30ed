"""``Block(inplace=True)`` -> ``Block(inplace=False)``, where ``Block`` hands the flag down to a module it makes."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradsan.model.rewrite import Applicability, Edit, Fix, Remedy
from gradsan.model.span import Span
from gradsan.source import program as parsed
from gradsan.source.program import Located, Program, arguments_of, last_name
from gradsan.source.rewrites.editing import locate, replace
from gradsan.source.targets import keyword_of

FLAG = "inplace"


def propose(span: Span, *, paths: Sequence[str] = ()) -> Fix | None:
    """Return the fix that sets the flag where it enters the function that constructs the module.

    Args:
        span: Where the module is constructed, inside a function with a parameter ``inplace``.
        paths: Other files of the project in which that function may be called.

    Returns:
        None where no parameter ``inplace`` is around, or where no call sets it.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    function = program.function_of(node)
    if not isinstance(function, ast.FunctionDef) or FLAG not in arguments_of(function):
        return None
    names = _called_as(program, function)
    edits: list[Edit] = []
    for path in dict.fromkeys([span.path, *paths]):
        caller = parsed.load(path)
        if caller is not None:
            edits += [replace(path, caller.region(flag), "False") for flag in _flags(caller, names)]
    edits += [replace(span.path, program.region(default), "False") for default in _defaults(function)]
    title = f"pass `{FLAG}=False` down"
    return Fix(title, Applicability.UNSAFE, tuple(sorted(edits)), Remedy.INPLACE_FLAG) if edits else None


def _called_as(program: Program, function: ast.FunctionDef) -> set[str]:
    """Return the names by which a function is called: its class's, and those of classes derived in the same file."""
    owner = program.class_of(function)
    if owner is None or function.name != "__init__":
        return {function.name}
    names = {owner.name}
    for node in ast.walk(program.tree):
        if isinstance(node, ast.ClassDef) and any(last_name(base) in names for base in node.bases):
            names.add(node.name)
    return names


def _flags(program: Program, names: set[str]) -> Iterator[Located]:
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Call) and last_name(node.func) in names:
            flag = keyword_of(node, FLAG)
            if isinstance(flag, ast.Constant) and flag.value is True:
                yield flag


def _defaults(function: ast.FunctionDef) -> Iterator[Located]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True)]
    pairs += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
    for argument, default in pairs:
        if argument.arg == FLAG and isinstance(default, ast.Constant) and default.value is True:
            yield default
