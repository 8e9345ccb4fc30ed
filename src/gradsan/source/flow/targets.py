"""What targets bind: names, attributes, items, and the parts of what is unpacked."""

from __future__ import annotations

import ast

from gradsan.source.flow.iterating import elements, rows
from gradsan.source.flow.machine import Frame, evaluate
from gradsan.source.flow.objects import set_attribute
from gradsan.source.flow.subscripts import store
from gradsan.source.flow.values import Choice, Opaque, Sequence, Tensor, Value, join


def assign(frame: Frame, target: ast.expr, value: Value, source: ast.AST) -> None:
    """Bind a target to a value."""
    if target.__class__ is ast.Name:  # by far the most frequent
        bind(frame, target.id, value)
        return
    match target:
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            _unpack(frame, parts, value, source)
        case ast.Attribute():
            set_attribute(frame, evaluate(frame, target.value), target.attr, value, target)
        case ast.Subscript():
            store(frame, evaluate(frame, target.value), target.slice, value, target)
        case ast.Starred():
            assign(frame, target.value, value, source)


def bind(frame: Frame, name: str, value: Value) -> None:
    """Bind a name."""
    if type(value) is Tensor and not value.storage.name:
        value.storage.name = name
    holder = frame.local
    if frame.globals and name in frame.globals:
        body = frame.machine.module_frames.get(id(frame.module))
        scope = frame.scope
        while scope is not None and name not in scope.local:
            scope = scope.scope
        holder = scope.local if scope is not None else body.local if body is not None else frame.local
    frame.machine.journal.set(holder, name, value)


def _may_be_tuple(frame: Frame, source: ast.AST) -> str:
    """Return the doubt whether a parameter that is unpacked is a tensor, where nothing says so."""
    if frame.info is None or not isinstance(source, ast.Name) or len(frame.machine.stack) < 2:
        return ""
    spec = frame.info.node.args
    is_bare = any(
        p.arg == source.id and p.annotation is None for p in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)
    )
    return f"`{source.id}` is a tensor and no tuple" if is_bare else ""


def _likely(value: Choice, length: int) -> Value:
    """Return what of several things is unpacked: rather a tuple than a tensor, and tuples that fit item by item."""
    tuples = [(option, guard) for option, guard in value.options if isinstance(option, Sequence)]
    fitting = [(option, guard) for option, guard in tuples if option.is_exact and len(option.items) == length]
    if len(fitting) > 1:
        rows = [join([(option.items[at], guard) for option, guard in fitting]) for at in range(length)]
        return Sequence(rows, is_tuple=True)
    if tuples:
        return (fitting or tuples)[0][0]
    options = [option for option, _ in value.options]
    return next((option for option in reversed(options) if not isinstance(option, Tensor)), options[-1])


def _unpack(frame: Frame, targets: list[ast.expr], value: Value, source: ast.AST) -> None:
    if isinstance(value, Choice):
        value = _likely(value, len(targets))
    tensor = value if isinstance(value, Tensor) else value.tensor if isinstance(value, Opaque) else None
    if tensor is not None and tensor.storage.is_tensor:
        items = rows(frame, tensor, source, len(targets), caveat=_may_be_tuple(frame, source))
    elif isinstance(value, Opaque):
        items = [_unpacked(value, at) for at in range(len(targets))]
    else:
        items, is_exact = elements(frame, value, source)
        if not is_exact and 0 < len(items) < len(targets):
            items = [*items, *([items[-1]] * (len(targets) - len(items)))]
    star = next((i for i, t in enumerate(targets) if isinstance(t, ast.Starred)), None)
    if star is not None:
        tail = len(targets) - star - 1
        middle = items[star : len(items) - tail] if tail else items[star:]
        rest = items[len(items) - tail :] if tail else []
        items = [*items[:star], Sequence(list(middle), is_exact=False), *rest]
    for at, target in enumerate(targets):
        assign(frame, target, items[at] if at < len(items) else Opaque(), source)


def _unpacked(value: Opaque, at: int) -> Opaque:
    known = value.attributes.get(("item", at))
    if not isinstance(known, Opaque):
        known = Opaque(roots=value.roots, node=value.node, is_number=value.is_number)
        value.attributes["item", at] = known
    return known
