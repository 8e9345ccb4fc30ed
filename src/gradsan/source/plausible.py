"""Where a gradient is likely to flow at all, when only a function's parameters could bring it.

A write that breaks the gradient of a parameter is an error where people differentiate, and noise where they don't:
boxes in non-maximum suppression, targets of a loss, images in a data loader.  Only conventions tell the two apart.
What is wrong whatever the caller does (a network's own weights are part of the graph) is not asked here.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gradsan.model.errors import SourceError
from gradsan.source.flow.graph import Place
from gradsan.source.flow.modes import decorated_off
from gradsan.source.hierarchy import is_hook
from gradsan.source.index import FunctionInfo, ModuleInfo, dotted_name
from gradsan.source.program import blocks_of
from gradsan.source.project import Project
from gradsan.source.walking import walk_lines

_DATA = re.compile(
    r"(?:^|_)(?:(?<!est_)(?<!pred_)(?<!predicted_)targets?|labels?|gts?|truths?|masks?|ids?|idx|idxs|ind|inds|indices|index|lengths?|[a-z]?lens?|texts?|observed(?:_\w+)?|sizes?|shapes?"
    r"|flags|params|gamma|tau|lambd?a?_?|lr|learning_rate|momentum|discount|kernel_size|stride|padding|dilation|groups|dims?|axis|axes|num|n|(?:num|n)_\w+|rows?|cols?|rowptr|colptr|perm|eps|scale_factor|batch_idx|homography_matrix|epoch|step|steps|timesteps?|(?:rotary|rope)(?:_\w+)?|freqs?|freqs_cis|cos|sin|tokens?|codes?|classes|paths?|args|kwargs|opts?|opt|config|cfg|conf|options|settings|batch(?:_[a-z])?|data|\w*data_?(?:loaders?|sets?)|item|sample|meta|metadata|self|cls|rng|seed|device|dtype)$"
)
"""Names of parameters that carry data, by convention."""

_FUNCTIONS = re.compile(
    r"(?:^|_)(?:nms|suppression|postprocess|post|preprocess|(?<!^_)evaluate(?!_\w*(?:energy|energies|potential|forces?|kernel|density|spline|basis|polynomial)s?(?:_|$))|eval|evaluation|inference|infer|predict|plot|draw"
    r"|show|visuali[sz]e|accuracy|(?:de)?compress|generate|augment|export|convert|load|save|test|validate|validation|metrics?|init"
    r"|initiali[sz]e|reset|sampler?|encode_targets|assign|assigner|match|matcher|sampling|decoding|calibrat\w*|find_q?params|cropper|nn_search|greedy|prefix_score|kv_cache|no_?grad|add_noise|tta|beam|search|recogni[sz]e|tracker)(?:_|\d|$)"
    r"|^(?:batch_)?(?-i:score)$"
    r"|^log(?:$|_(?:metrics?|scalars?|images?|stats|statistics|steps?|epoch|info|loss|losses|values?|dict|figures?|histograms?"
    r"|progress|results?|training|validation|val|test|gradients?|parameters|model|messages?|summary|samples?|audio|text|batch)$)"
    r"|^(?:un)?merge(?:_weights?|_adapters?|_and_unload)?$"
    r"|^(?:re|un)?(?:clip|scale)_(?:boxes|bboxes|coords|masks|segments?)$",
    re.IGNORECASE,
)
"""Words in the names of functions that run without gradients, by convention."""

_FOLDERS = re.compile(
    r"(?:^|/)(?:tests?|testing|(?<!distributions/)(?<!flows/)(?<!geometry/)transforms?|\w*datasets?|data(?:_?(?:pipes?|loaders?|loading|modules?))?|metrics?|evaluation|augmentations?|preprocessing"
    r"|postprocess\w*|predictors|inference|\w*decoding|samplers|scripts|tools|(?:\w+_)?export\w*|conversion|convert\w*|pipelines?|visuali[sz]ation|trackers?)/"
    r"|(?:^|/)(?:test_\w+|conftest|augment(?:er)?|generation_\w+|convert(?:er|_\w+)?|(?:\w+_)?datasets?(?:_\w+)?|data_?(?:loaders?|modules?)|image_processing_\w+|processing_\w+|\w*metrics?|\w*decoding|augmentations?"
    r"|predict|infer\w*|demo|io|(?:\w+_)?logg(?:ers?|ing)|\w*(?:adam|adamw|adagrad|adadelta|rmsprop|sgd|lamb|lars|lion|adafactor)(?:_\w+)?|kv_?cache)\.py$"
)


_BENCHMARKS = re.compile(r"(?:^|/)benchmarks?/")
"""Folders of what is only timed, but for the networks: these are trained."""
_OPTIMIZERS = re.compile(r"(?:^|/)(?:optim|optimizers?|schedulers?)/")
"""Folders of optimizers and of their helpers; a network that stands in one is differentiated like any other."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


_TRIES = re.compile(
    r"(?:^|_)(?:tests?|eval|evaluate|evaluation|infer|inference|predict|generate|export|plot)(?:_|\.|$)"
)
"""Names of functions whose own networks run as they do."""


@cache
def is_data(name: str) -> bool:
    """Return whether a parameter carries data, by convention."""
    return _DATA.search(name.lower()) is not None


def is_only_called_without(place: Place) -> bool:
    """Return whether a module calls a function of its own, and without gradients only.

    The ``forward`` of a network is called without its name as well, from anywhere.
    """
    owner, _, name = place.function.rpartition(".")
    return not (owner and name == "forward") and is_called_without(place.module, name)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which lines of a module are which function's, and which run with gradients switched off."""

    functions: tuple[tuple[int, int, str], ...]
    switched_off: tuple[tuple[int, int], ...]

    def function_at(self, line: int) -> str | None:
        """Return the name of the innermost function that a line stands in."""
        inside = [(first, name) for first, last, name in self.functions if first <= line <= last]
        return max(inside)[1] if inside else None

    def is_off(self, line: int) -> bool:
        """Return whether a line runs with gradients switched off."""
        return any(first <= line <= last for first, last in self.switched_off)

    def is_off_by_name(self, line: int) -> bool:
        """Return whether the function that a line stands in runs without gradients, by convention."""
        name = self.function_at(line)
        return name is not None and _runs_without(name, "")


def layout_of(module: ModuleInfo) -> Layout:
    """Return a module's layout, remembered with the module."""
    known = module.remembered.get(Layout)
    if not isinstance(known, Layout):
        known = module.remembered[Layout] = _lay_out(module)
    return known


def _lay_out(module: ModuleInfo) -> Layout:
    functions: list[tuple[int, int, str]] = []
    off: list[tuple[int, int]] = []
    stack: list[ast.stmt] = list(module.tree.body)
    while stack:
        node = stack.pop()
        called: list[ast.expr] = []
        if isinstance(node, ast.ClassDef) and _is_function_class(module, node):
            # Source: torch/autograd/function.py (2.13.0): its methods run without gradients.
            off.append((node.lineno, node.end_lineno or node.lineno))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions.append((node.lineno, node.end_lineno or node.lineno, node.name))
            called = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            called = [i.context_expr.func for i in node.items if isinstance(i.context_expr, ast.Call)]
        elif isinstance(node, ast.If) and _asks_for_no_gradients(node.test):
            off.append((node.body[0].lineno, node.body[-1].end_lineno or node.body[-1].lineno))
        if called and decorated_off(tuple(module.absolute(dotted_name(name)) for name in called)):
            off.append((node.lineno, node.end_lineno or node.lineno))
        for block in blocks_of(node):
            stack += block
    return Layout(tuple(functions), tuple(off))


def _asks_for_no_gradients(test: ast.expr) -> bool:
    """Return whether a condition holds only while no gradients are recorded: ``not torch.is_grad_enabled()``."""
    match test:
        case ast.BoolOp(op=ast.And(), values=values):
            return any(map(_asks_for_no_gradients, values))
        case ast.UnaryOp(op=ast.Not(), operand=ast.Call(func=asked)):
            return dotted_name(asked).rpartition(".")[2] == "is_grad_enabled"
    return False


def _is_function_class(module: ModuleInfo, node: ast.ClassDef) -> bool:
    bases = [module.absolute(dotted_name(base)) for base in node.bases]
    return any(base.endswith(("autograd.Function", "autograd.function.Function")) for base in bases)


def is_called_without(module: ModuleInfo, name: str, *, depth: int = 3) -> bool:
    """Return whether a module calls a function of its own, and only with gradients switched off."""
    if not depth or not name.isidentifier():
        return False
    key = (is_called_without, name, depth)
    known = module.remembered.get(key)
    if not isinstance(known, bool):
        known = module.remembered[key] = _is_called_without(module, name, depth)
    return known


def is_called_without_elsewhere(project: Project, place: Place, *, is_refused: bool = False) -> bool:
    """Return whether the other files of a package call a function, and only with gradients switched off.

    What ``is_refused`` is so in a constructor as well, though nobody differentiates that.

    Effect: reads the files of the package that name it.
    """
    key = (is_called_without_elsewhere, place.function, is_refused)
    known = place.module.remembered.get(key)
    if not isinstance(known, bool):
        known = place.module.remembered[key] = _is_called_without_elsewhere(project, place, is_refused=is_refused)
    return known


def _is_called_without_elsewhere(project: Project, place: Place, *, is_refused: bool) -> bool:
    home, (owner, _, name) = place.module, place.function.rpartition(".")
    package = home.root / home.name.partition(".")[0]
    if not package.is_dir() or name.startswith("__"):
        return False
    if name == "forward":
        return bool(owner) and "." not in owner and _is_part_run_without(project, package, owner)
    is_called = False
    for path in project.files_of(package):
        if path == home.path or not spells(path, name):
            continue
        try:
            module = project.load_parsed(path)
        except SourceError:
            continue
        layout, calls = layout_of(module), _calls_of(module, name)
        if calls:
            project.links.setdefault(str(home.path), set()).add(str(path))
        for func in calls:
            if not owner and _is_another(project, module, func, home):
                continue
            line = func.end_lineno or func.lineno
            by_name = not (is_refused and layout.function_at(line) == "__init__") and layout.is_off_by_name(line)
            if not (by_name or layout.is_off(line)):
                return False
            is_called = True
    return is_called


def _is_part_run_without(project: Project, package: Path, owner: str) -> bool:
    """Return whether the objects of a class are parts of others, which call them with gradients switched off only."""
    made = re.compile(rf"(?<!\w)(?<!class )(?:self\.(\w+)(?:: [\w.]+)? = (?:\w+\.)*)?{re.escape(owner)}\(")
    is_called = False
    for path in project.files_of(package):
        if not spells(path, owner):
            continue
        try:
            module = project.load_parsed(path)
        except SourceError:
            continue
        layout = layout_of(module)
        for attribute in {match[1] for match in made.finditer(module.text)}:
            calls = _calls_of(module, attribute) if attribute else []
            if not calls or not all(layout.is_off(func.end_lineno or func.lineno) for func in calls):
                return False
            is_called = True
    return is_called


def _calls_of(module: ModuleInfo, name: str) -> list[ast.expr]:
    """Return what a module calls by a name, as it spells that."""
    wanted = re.compile(rf"(?<!def )\b{re.escape(name)}\(")
    lines = [number for number, line in enumerate(module.lines, start=1) if name in line and wanted.search(line)]
    called = [node.func for node in walk_lines(module.tree, lines) if isinstance(node, ast.Call)] if lines else []
    return [func for func in called if getattr(func, "id", getattr(func, "attr", "")) == name]


def _is_another(project: Project, module: ModuleInfo, func: ast.expr, home: ModuleInfo) -> bool:
    """Return whether an imported name leads to another function than one of ``home``: into a library, or a kernel."""
    dotted = dotted_name(func)
    if dotted.partition(".")[0] not in module.imports:
        return False
    meant = project.lookup(module, dotted)
    return not isinstance(meant, FunctionInfo) or meant.module.path != home.path


def spells(path: Path, name: str) -> bool:
    """Return whether a file holds a name.

    Effect: reads the file.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return False
    word = name.encode()
    return word in data and re.search(rb"\b" + re.escape(word) + rb"\b", data) is not None


def _is_called_without(module: ModuleInfo, name: str, depth: int) -> bool:
    layout = layout_of(module)
    is_called = False
    for line in sorted({func.end_lineno or func.lineno for func in _calls_of(module, name)}):
        if layout.is_off(line):
            is_called = True
            continue
        caller = layout.function_at(line)
        if caller == name:
            continue
        if caller is not None and _runs_without(caller, ""):
            is_called = True
            continue
        if caller is None or not is_called_without(module, caller, depth=depth - 1):
            return False
        is_called = True
    return is_called


@cache
def _runs_without(function: str, path: str) -> bool:
    around, _, inside = function.rpartition("<locals>.")
    if "." in inside and not _TRIES.search(around):
        function = inside  # a network is no part of the run of the function that defines its class
    parts = _CAMEL.sub("_", function).split(".")
    if any(_FUNCTIONS.search(part) for part in parts if part != "<locals>") or _FOLDERS.search(path) is not None:
        return True
    return parts[-1] != "forward" and _BENCHMARKS.search(path) is not None


def gradient_may_flow(roots: frozenset[str], place: Place, project: Project, entry: Place | None = None) -> bool:
    """Return whether people differentiate a function with respect to its parameters; a place in it would break that.

    A private function is its module's own matter, but for what is called from an ``entry`` that isn't private, and for
    what the public methods of a base class call.
    """
    if not any(not is_data(root) for root in roots):
        return False
    entry = entry or place
    return not (runs_without(place) or (_is_internal(entry) and not is_hook(project, entry.module, entry.function)))


def runs_without(place: Place) -> bool:
    """Return whether a place stands in code that runs without gradients: by convention, or as its module calls it."""
    return is_only_called_without(place) or runs_without_by_name(place)


def runs_without_by_name(place: Place) -> bool:
    """Return whether a place stands in code that runs without gradients, by convention."""
    path = shown_path(place.module)
    if not _runs_without(place.function, path):
        return False
    # A policy's `sample` that draws so that gradients flow through the draw is there for their sake.
    plain = _SAMPLES.sub("", place.function)
    return plain == place.function or _runs_without(plain, path) or not _draws_for_gradients(place)


_SAMPLES = re.compile(r"(?<![a-z])sample(?![a-z])")
_REPARAMETRISED = re.compile(r"\brsample\(|\w*reparam\w*\(")


def _draws_for_gradients(place: Place) -> bool:
    """Return whether the function around a place draws samples that are differentiated: the reparametrisation trick."""
    line = getattr(place.node, "lineno", 0)
    inside = [(first, last) for first, last, _ in layout_of(place.module).functions if first <= line <= last]
    return bool(inside) and any(_REPARAMETRISED.search(text) for text in place.module.lines[slice(*max(inside))])


def stands_without(place: Place) -> bool:
    """Return whether a place stands in a file whose code runs without gradients, by convention."""
    return _FOLDERS.search(shown_path(place.module)) is not None


def stands_with_optimizers(place: Place) -> bool:
    """Return whether a place stands among optimizers, by its folder."""
    return _OPTIMIZERS.search(shown_path(place.module)) is not None


def shown_path(module: ModuleInfo) -> str:
    """Return a module's path below the folder that its imports start from; remembered with the module."""
    known = module.remembered.get(shown_path)
    if not isinstance(known, str):
        try:
            known = module.path.relative_to(module.root).as_posix()
        except ValueError:
            known = module.path.name
        module.remembered[shown_path] = known
    return known


def _is_internal(place: Place) -> bool:
    """Return whether a function is private to its module, which knows what it passes; a private network is none."""
    parts = place.function.split(".")
    parts = parts[-1:] if parts[-1] == "forward" else parts
    names = [name for name in parts if name.startswith("_") and not name.startswith("__")]
    return any(_n_mentions(place.module, name) > 1 for name in names)


def _n_mentions(module: ModuleInfo, name: str) -> int:
    """Return how often a name stands in a module, its definition included."""
    key = (_n_mentions, name)
    known = module.remembered.get(key)
    if not isinstance(known, int):
        wanted = re.compile(rf"\b{re.escape(name)}\b")
        known = module.remembered[key] = sum(len(wanted.findall(line)) for line in module.lines if name in line)
    return known
