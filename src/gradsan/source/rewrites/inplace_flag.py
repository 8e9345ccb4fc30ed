"""``nn.ReLU(inplace=True)`` -> ``nn.ReLU(inplace=False)``, also where the flag is passed by position."""

from __future__ import annotations

import ast

from gradsan import knowledge
from gradsan.model.rewrite import Applicability, Fix, Remedy
from gradsan.model.span import Span
from gradsan.source.program import Program, dotted_name
from gradsan.source.rewrites.editing import locate, replace
from gradsan.source.rewrites.visibility import is_fresh, is_only_name, is_used_later
from gradsan.source.targets import first_argument, keyword_of


def propose(span: Span, *, call: Span | None = None) -> Fix | None:
    """Return the fix that constructs a module without ``inplace``.

    Args:
        span: Where the module is constructed.
        call: Where it is called; tells whether anybody else sees the write.

    Returns:
        None where the flag does not stand there, as with ``nn.ReLU(**options)``.
    """
    found = locate(span)
    if found is None:
        return None
    program, node = found
    constructor = node if isinstance(node, ast.Call) else None
    if constructor is None and isinstance(node, (ast.Assign, ast.AnnAssign, ast.Expr, ast.Return)):
        constructor = node.value if isinstance(node.value, ast.Call) else None
    flag = None if constructor is None else flag_of(constructor)
    if flag is None:
        return None
    applicability = Applicability.SAFE if call is not None and _is_unseen(call) else Applicability.UNSAFE
    edit = replace(span.path, program.region(flag), "False")
    return Fix("construct the module with `inplace=False`", applicability, (edit,), Remedy.INPLACE_FLAG)


def flag_of(call: ast.Call) -> ast.expr | None:
    """Return the expression that a call passes as ``inplace``; None where it passes none that stands there."""
    flag = keyword_of(call, "inplace")
    if flag is not None:
        return None if isinstance(flag, ast.Constant) and flag.value is False else flag
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    known = knowledge.load("torch").lookup(dotted_name(call.func))
    names = [] if known is None else [parameter.name for parameter in known.parameters]
    if "inplace" in names:
        place = names.index("inplace")
        return call.args[place] if place < len(call.args) and not _is_false(call.args[place]) else None
    flags = [argument for argument in call.args if isinstance(argument, ast.Constant) and argument.value is True]
    return flags[0] if len(flags) == 1 else None


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _is_unseen(span: Span) -> bool:
    """Whether the module's call writes into a tensor that nothing but its result shows afterwards."""
    found = locate(span)
    if found is None:
        return False
    program, call = found
    if not isinstance(call, ast.Call):
        return False
    argument = first_argument(call)
    return argument is not None and is_write_unseen(program, argument, call)


def is_write_unseen(program: Program, argument: ast.expr, call: ast.Call) -> bool:
    """Whether nobody reads an argument's tensor after a call wrote into it, but through the call's result."""
    if not isinstance(argument, ast.Name):
        return is_fresh(program, argument)
    return is_only_name(program, argument.id, call) and not is_used_later(program, argument.id, call)
