"""``checkpoint(block, x)`` -> the same with a copy of the module, or ``block(x)``: backward gets what forward computed.

A checkpointed region is run again in backward, with what it reads by then.  A shallow copy of its module keeps the
attributes that were there at the call, and shares the parameters; without checkpointing nothing is run again, at the
price of the memory that it saved.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradsan.model.rewrite import Applicability, Edit, Fix
from gradsan.source import program as parsed
from gradsan.source.program import Program, dotted_name
from gradsan.source.rewrites.editing import imported, replace
from gradsan.source.targets import keyword_of

ORIGIN = "torch.utils.checkpoint"
_OF_CHECKPOINT = frozenset(
    {"use_reentrant", "preserve_rng_state", "context_fn", "determinism_check", "debug", "early_stop"}
)
"""Keywords that checkpoint keeps for itself.  Source: torch/utils/checkpoint.py, torch 2.13.0."""


def propose(paths: Sequence[str]) -> Iterator[Fix]:
    """Yield the fixes of every checkpointed call, those that keep the checkpointing first.

    Args:
        paths: The files of the program, those of the finding first: who called the region is not known.
    """
    programs = list(parsed.load_all(paths))
    calls = [(path, program, call) for path, program in programs for call in _checkpointed(program)]
    for path, program, call in calls:
        yield from _with_copy(program, call, path)
    for path, program, call in calls:
        yield from _without(program, call, path)


def _checkpointed(program: Program) -> Iterator[ast.Call]:
    for node in ast.walk(program.tree):
        if not isinstance(node, ast.Call) or not node.args or isinstance(node.args[0], ast.Starred):
            continue
        if _origin(program, node.func) in (f"{ORIGIN}.checkpoint", f"{ORIGIN}.checkpoint_sequential"):
            yield node


def _origin(program: Program, func: ast.expr) -> str:
    head, dot, rest = dotted_name(func).partition(".")
    return f"{program.imports.get(head, '')}{dot}{rest}"


def _with_copy(program: Program, call: ast.Call, path: str) -> Iterator[Fix]:
    region = call.args[0]
    is_sequential = _origin(program, call.func).endswith("sequential")
    if is_sequential or not dotted_name(region) or _is_function(program, dotted_name(region)):
        return
    copy, head = imported(program, "copy", path)
    name = program.source(region)
    edit = replace(path, program.region(region), f"{copy}.copy({name})")
    yield Fix(f"checkpoint a shallow copy of `{name}`", Applicability.UNSAFE, (*head, edit))


def _is_function(program: Program, name: str) -> bool:
    """Whether a name is a function or a method of this file: a copy of it reads what it reads."""
    last = name.rpartition(".")[2]
    return any(isinstance(each, ast.FunctionDef) and each.name == last for each in ast.walk(program.tree))


def _without(program: Program, call: ast.Call, path: str) -> Iterator[Fix]:
    """Yield the fix that calls the region itself; ``checkpoint_sequential`` takes a number of segments besides."""
    is_sequential = _origin(program, call.func).endswith("sequential")
    region, rest = call.args[0], call.args[2 if is_sequential else 1 :]
    if keyword_of(call, "context_fn") is not None or any(keyword.arg is None for keyword in call.keywords):
        return
    given = [program.source(each) for each in rest]
    own = (*_OF_CHECKPOINT, "segments")
    given += [f"{keyword.arg}={program.source(keyword.value)}" for keyword in call.keywords if keyword.arg not in own]
    name = program.source(region)
    called = name if dotted_name(region) else f"({name})"
    if "\n" in name:
        return
    edit: Edit = replace(path, program.region(call), f"{called}({', '.join(given)})")
    yield Fix(f"call `{name}` without checkpointing it", Applicability.UNSAFE, (edit,))
