"""``critic(x)`` -> ``torch.func.functional_call(critic, copies, (x,))``, where ``copies`` are clones of its parameters.

What the module saves are then copies, which no later step reaches; the gradients arrive at the parameters as before.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from gradsan import knowledge
from gradsan.model.rewrite import Applicability, Edit, Fix
from gradsan.model.span import Span
from gradsan.source.program import Program, blocks_of, dotted_name
from gradsan.source.rewrites.editing import (
    arguments_of,
    framework_name,
    indentation,
    insert,
    is_repeatable,
    locate,
    replace,
    unused_name,
)
from gradsan.source.targets import is_module_name

TITLE = "with copies of its"
_SCOPES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_NAMES = ("copies", "cloned", "clones")


def propose(span: Span, *, kind: str = "parameters") -> Iterator[Fix]:
    """Yield, for each call of what may be a module, the fix that calls it with copies of its parameters.

    Args:
        span: The expression or statement that saved them.
        kind: "parameters" or "buffers", whichever are written later.
    """
    found = locate(span)
    framework = "" if found is None else framework_name(found[0])
    if found is None or not framework:
        return
    program, node = found
    calls: dict[str, list[ast.Call]] = {}
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and _may_call_module(program, call):
            calls.setdefault(program.source(call.func), []).append(call)
    for module, of_module in calls.items():
        copies = f"{{name: each.clone() for name, each in {module}.named_{kind}()}}"
        head, copies = _on_its_own_line(program, of_module[0], copies, span.path)
        edits = []
        for call in of_module:
            edited = f"{framework}.func.functional_call({module}, {copies}, {arguments_of(program, call)})"
            edits.append(replace(span.path, program.region(call), edited))
        yield Fix(f"call `{module}` {TITLE} {kind}", Applicability.UNSAFE, (*head, *edits))


def _on_its_own_line(program: Program, call: ast.Call, copies: str, path: str) -> tuple[tuple[Edit, ...], str]:
    """Return the edit that binds the copies before the call's statement, and their name; else none, and the copies."""
    statement = program.statement_of(call)
    blanks = None if statement is None or blocks_of(statement) else indentation(program, statement)
    is_inside = any(
        isinstance(each, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp))
        for each in program.enclosing(call)
    )
    name = unused_name(program, _NAMES)
    if statement is None or blanks is None or is_inside or not name:
        return (), copies
    return (insert(path, statement.lineno, 1, f"{blanks}{name} = {copies}\n"),), name


def _may_call_module(program: Program, call: ast.Call) -> bool:
    name = dotted_name(call.func)
    if isinstance(call.func, ast.Subscript):  # of a list of modules
        return is_repeatable(call.func) and "\n" not in program.source(call)
    if not name or is_module_name(program, call.func) or hasattr(builtins, name) or "\n" in program.source(call):
        return False
    owner, _, method = name.rpartition(".")
    if owner in ("self", ""):
        home = program.class_of(call) if owner else program.tree
        defined = () if home is None else home.body
        return not any(isinstance(each, ast.FunctionDef) and each.name == method for each in defined)
    return knowledge.load("torch").lookup(f"torch.Tensor.{method}") is None
