"""Classes along their bases, as far as these stand in the project."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gradsan.source.index import ClassInfo, FunctionInfo, ModuleInfo, dotted_name
from gradsan.source.project import Project
from gradsan.source.spelling import spelled
from gradsan.source.walking import targets_below

MODULE_BASES = (
    "torch.nn.Module",
    "torch.nn.modules.module.Module",
    "torch.nn.modules.Module",
    "torch.jit.ScriptModule",
    "pytorch_lightning.LightningModule",
    "lightning.LightningModule",
    "lightning.pytorch.LightningModule",
    "transformers.PreTrainedModel",
)


def linearize(project: Project, info: ClassInfo) -> tuple[list[ClassInfo], list[str]]:
    """Return a class and its bases in the order in which members are looked up, and the bases outside the project."""
    order: list[ClassInfo] = []
    outside: list[str] = []
    _walk(project, info, order, outside, 0)
    return order, outside


def _walk(project: Project, info: ClassInfo, order: list[ClassInfo], outside: list[str], depth: int) -> None:
    if depth > 12:
        return
    if info in order:
        order.remove(info)
    order.append(info)
    for base in info.bases:
        found = project.lookup(info.module, base)
        if isinstance(found, ClassInfo):
            if found is not info:
                _walk(project, found, order, outside, depth + 1)
        else:
            outside.append(info.module.absolute(base))


def find_member(
    project: Project, info: ClassInfo, name: str, *, setters: bool = False
) -> tuple[ClassInfo, FunctionInfo | ast.expr] | None:
    """Return the class that defines a member, and the member."""
    key = info, name, setters
    members = project.members
    if key not in members:
        members[key] = _find(linearize_known(project, info)[0], name, setters=setters)
    return members[key]


def members_after(
    project: Project, info: ClassInfo, after: ClassInfo, name: str
) -> tuple[ClassInfo, FunctionInfo | ast.expr] | None:
    """Return a member as ``super()`` finds it."""
    order, _ = linearize_known(project, info)
    at = order.index(after) + 1 if after in order else len(order)
    return _find(order[at:], name, setters=False)


def _find(order: list[ClassInfo], name: str, *, setters: bool) -> tuple[ClassInfo, FunctionInfo | ast.expr] | None:
    for owner in order:
        if setters:
            if name in owner.setters:
                return owner, owner.setters[name]
            continue
        if name in owner.methods:
            return owner, owner.methods[name]
        if name in owner.assigned:
            return owner, owner.assigned[name]
    return None


def linearize_known(project: Project, info: ClassInfo) -> tuple[list[ClassInfo], list[str]]:
    """Return what `linearize` does, remembered."""
    known = project.hierarchies.get(id(info))
    if known is None:
        known = project.hierarchies[id(info)] = linearize(project, info)
    return known


def external_bases(project: Project, info: ClassInfo) -> list[str]:
    """Return the bases outside the project."""
    return linearize_known(project, info)[1]


def is_function_class(project: Project, info: ClassInfo) -> bool:
    """Return whether a class is a custom ``autograd.Function``."""
    return any(
        base.endswith(("autograd.Function", "autograd.function.Function")) or base == "Function"
        for base in external_bases(project, info)
    )


def is_module_class(project: Project, info: ClassInfo) -> bool:
    """Return whether a class is a network module; one with unknown bases and a ``forward`` counts as one."""
    outside = external_bases(project, info)
    if any(base in MODULE_BASES or base.startswith("torch.nn.") for base in outside):
        return True
    return bool(outside) and find_member(project, info, "forward") is not None and not is_function_class(project, info)


def is_optimizer_class(project: Project, info: ClassInfo) -> bool:
    """Return whether a class is an optimizer of the project's own."""
    return any(
        base in ("torch.optim.Optimizer", "torch.optim.optimizer.Optimizer") for base in external_bases(project, info)
    )


def container_base(project: Project, info: ClassInfo) -> str | None:
    """Return ``Sequential`` or another container of the framework that a class derives from."""
    for base in external_bases(project, info):
        last = base.rpartition(".")[2]
        if last in ("Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"):
            return last
    return None


_HOOKS = {"Transform": ("_call", "_inverse")}
"""Private methods that classes of the framework leave open.  Source: torch/distributions/transforms.py (2.13.0)."""


def is_hook(project: Project, module: ModuleInfo, qualified_name: str) -> bool:
    """Return whether a private method fills in one that a base class leaves open, and calls."""
    owner, _, name = qualified_name.rpartition(".")
    info = module.classes.get(owner)
    if info is None or not name.startswith("_"):
        return False
    bases, outside = linearize_known(project, info)
    if any(name in _HOOKS.get(base.rpartition(".")[2], ()) for base in outside):
        return True
    return any(name in base.methods and _is_open(base.methods[name]) for base in bases if base is not info)


def _is_open(method: FunctionInfo) -> bool:
    """Return whether a method does nothing but refuse."""
    if isinstance(method.node, ast.Lambda):
        return False
    body = [s for s in method.node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    is_abstract = any(decorator.endswith("abstractmethod") for decorator in method.decorators)
    return is_abstract or (len(body) == 1 and isinstance(body[0], ast.Raise))


_OPTIONAL = re.compile(r"([\w.]+) \| None|None \| ([\w.]+)|(?:\w+\.)?Optional\[([\w.]+)\]")
_MADE = re.compile(r"[\w.]+$(?<!Config)(?<!Args)")
_DATA = re.compile("Box|Instance|Batch|Data|Sample|Mask|Point|Track|Target|Label|Token|Cache|Meta")
"""Classes of what is measured, annotated or kept: nobody differentiates that, by convention."""


def holds_tensors(project: Project, module: ModuleInfo, annotation: str) -> bool:
    """Return whether an annotation names a class of the project whose objects are made of tensors."""
    optional = _OPTIONAL.fullmatch(annotation)
    annotation = (optional[1] or optional[2] or optional[3]) if optional is not None else annotation
    if not _MADE.match(annotation) or _DATA.search(annotation):
        return False
    info = project.lookup(module, annotation)
    if not isinstance(info, ClassInfo):
        return False
    known = info.module.remembered.get((holds_tensors, info.name))
    if not isinstance(known, bool):
        known = info.module.remembered[holds_tensors, info.name] = _holds_tensors(info)
    return known


def _holds_tensors(info: ClassInfo) -> bool:
    made = info.methods.get("__init__")
    given = [*made.node.args.args, *made.node.args.kwonlyargs] if made is not None else []
    annotations = [parameter.annotation for parameter in given]
    annotations += [part.annotation for part in info.node.body if isinstance(part, ast.AnnAssign)]
    return any(annotation is not None and "Tensor" in spelled(annotation) for annotation in annotations)


def is_method_of_its_own(owner: ClassInfo, found: ast.expr) -> bool:
    """Return whether a class makes a method of another one, with some arguments given: ``partialmethod``."""
    return isinstance(found, ast.Call) and owner.module.absolute(dotted_name(found.func)) == "functools.partialmethod"


def fields_of(project: Project, info: ClassInfo) -> dict[str, tuple[ClassInfo, ast.AnnAssign]]:
    """Return the annotated fields of a class and of its bases, these first, as a dataclass takes them."""
    found: dict[str, tuple[ClassInfo, ast.AnnAssign]] = {}
    for owner in reversed(linearize_known(project, info)[0]):
        for part in owner.node.body:
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                found[part.target.id] = owner, part
    return found


_GENERATED = re.compile(r"(?:^|\.)(?:dataclass|define|frozen|mutable|attrs?|s)$")
_MODELS = ("BaseModel", "NamedTuple", "Struct")


def is_made_of_fields(project: Project, info: ClassInfo) -> bool:
    """Return whether the constructor of a class takes its fields: a dataclass, or a model of pydantic's."""
    owners, outside = linearize_known(project, info)
    called = (d.func if isinstance(d, ast.Call) else d for owner in owners for d in owner.node.decorator_list)
    if any(_GENERATED.search(dotted_name(decorator)) for decorator in called):
        return True
    return any(base.rpartition(".")[2] in _MODELS for base in outside)


def assigned_elsewhere(info: ClassInfo) -> frozenset[str]:
    """Return the attributes that a class assigns outside of its constructor; remembered with its module."""
    remembered = info.module.remembered
    known = remembered.get((assigned_elsewhere, info))
    if not isinstance(known, frozenset):
        known = remembered[assigned_elsewhere, info] = frozenset(_assigned_elsewhere(info))
    return known


def _assigned_elsewhere(info: ClassInfo) -> Iterator[str]:
    for name, method in info.methods.items():
        if name in ("__init__", "__new__") or method.is_static:
            continue
        for target in targets_below(method.node):
            match target:
                case ast.Attribute(value=ast.Name(id="self"), attr=attribute):
                    yield attribute
