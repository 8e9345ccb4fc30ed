"""Where a gradient is likely to flow at all, when only a function's parameters could bring it.

A write that breaks the gradient of a parameter is an error where people differentiate, and noise where they don't:
boxes in non-maximum suppression, targets of a loss, images in a data loader.  Only conventions tell the two apart.
What is wrong whatever the caller does (a network's own weights are part of the graph) is not asked here.
"""

from __future__ import annotations

import ast
import re
from functools import cache

from gradsan.source.flow.graph import Place
from gradsan.source.flow.modes import decorated_off
from gradsan.source.index import ModuleInfo, dotted_name

_DATA = re.compile(
    r"(?:^|_)(?:targets?|labels?|gts?|truths?|masks?|ids?|idx|idxs|ind|inds|indices|index|lengths?|lens?|sizes?|shapes?"
    r"|flags|params|kernel_size|stride|padding|dilation|groups|dims?|axis|axes|num|n|k|eps|scale_factor|batch_idx|epoch|step|steps|timesteps?|tokens?|codes?|classes|paths?|args|kwargs|opts?|opt|config|cfg|conf|options|settings|batch|data|item|sample|meta|metadata|self|cls|rng|seed|device|dtype)$"
)
"""Names of parameters that carry data, by convention."""

_FUNCTIONS = re.compile(
    r"(?:^|_)(?:nms|suppression|postprocess|post|preprocess|evaluate|eval|evaluation|inference|infer|predict|plot|draw"
    r"|show|visuali[sz]e|accuracy|generate|augment|export|convert|load|save|test|validate|validation|metrics?|init"
    r"|initiali[sz]e|reset|sampler?|encode_targets|assign|assigner|match|matcher|sampling|nn_search|log|tta)(?:_|\d|$)",
    re.IGNORECASE,
)
"""Words in the names of functions that run without gradients, by convention."""

_FOLDERS = re.compile(
    r"(?:^|/)(?:tests?|testing|transforms?|datasets?|data|metrics?|evaluation|augmentations?|preprocessing"
    r"|postprocess\w*|scripts|tools|export\w*|conversion|convert\w*|pipelines?|optim|optimizers?|schedulers?|benchmarks?|visuali[sz]ation)/"
    r"|(?:^|/)(?:test_\w+|conftest|convert_\w+|image_processing_\w+|processing_\w+|\w*metrics?)\.py$"
)


_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@cache
def _is_data(name: str) -> bool:
    return _DATA.search(name.lower()) is not None


def is_only_called_without(place: Place) -> bool:
    """Return whether a function is private and judged where it is called, or is called without gradients only."""
    return _is_internal(place) or is_called_without(place.module, place.function.rpartition(".")[2])


def no_grad_lines(module: ModuleInfo) -> list[tuple[int, int]]:
    """Return the stretches of a module that run with gradients switched off."""
    found: list[tuple[int, int]] = []
    for node in ast.walk(module.tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                names = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
                if decorated_off(tuple(module.absolute(dotted_name(name)) for name in names)):
                    found.append((node.lineno, node.end_lineno or node.lineno))
            case ast.With(items=items):
                calls = [i.context_expr.func for i in items if isinstance(i.context_expr, ast.Call)]
                if decorated_off(tuple(module.absolute(dotted_name(name)) for name in calls)):
                    found.append((node.lineno, node.end_lineno or node.lineno))
    return found


def is_called_without(module: ModuleInfo, name: str, *, depth: int = 3) -> bool:
    """Return whether a module calls a function of its own, and only with gradients switched off."""
    if not depth or not name.isidentifier():
        return False
    wanted = re.compile(rf"(?<!def )\b{name}\(")
    lines = [number for number, line in enumerate(module.lines, start=1) if name in line and wanted.search(line)]
    if not lines:
        return False
    stretches = no_grad_lines(module)
    for line in lines:
        if any(first <= line <= last for first, last in stretches):
            continue
        caller = _function_at(module, line)
        if caller is None or caller == name or not is_called_without(module, caller, depth=depth - 1):
            return False
    return True


def _function_at(module: ModuleInfo, line: int) -> str | None:
    inside = [
        node
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return max(inside, key=lambda node: node.lineno).name if inside else None


@cache
def _runs_without(function: str, path: str) -> bool:
    parts = _CAMEL.sub("_", function).split(".")
    return any(_FUNCTIONS.search(part) for part in parts if part != "<locals>") or _FOLDERS.search(path) is not None


def gradient_may_flow(roots: frozenset[str], place: Place) -> bool:
    """Return whether people differentiate this function with respect to these parameters."""
    if not any(not _is_data(root) for root in roots):
        return False
    return not runs_without(place)


def runs_without(place: Place) -> bool:
    """Return whether a place stands in code that runs without gradients: by convention, or as its module calls it."""
    if is_only_called_without(place):
        return True
    path = place.module.path
    try:
        shown = path.relative_to(place.module.root).as_posix()
    except ValueError:
        shown = path.name
    return _runs_without(place.function, shown)


def _is_internal(place: Place) -> bool:
    """Return whether a function is private and its own module calls it: it is judged where it is called."""
    for name in place.function.split("."):
        if name.startswith("_") and not name.startswith("__"):
            calls = f"{name}("
            if sum(line.count(calls) for line in place.module.lines if calls in line) > 1:
                return True
    return False
