"""Reading and writing items: basic indexing views, advanced indexing copies and saves its index tensors."""

from __future__ import annotations

import ast

from gradsan.source.flow.children import child_named, is_dict, put_child
from gradsan.source.flow.graph import Grad, Guard, Node
from gradsan.source.flow.literals import equality, text_of
from gradsan.source.flow.machine import Frame, evaluate
from gradsan.source.flow.operations import apply
from gradsan.source.flow.overlaps import opened
from gradsan.source.flow.tensors import (
    as_tensor,
    fresh,
    grad_of,
    node_of,
    record_save,
    roots_of,
    tensors_of,
    used_as_index,
    view_of,
)
from gradsan.source.flow.trees import is_entry_of_tree
from gradsan.source.flow.user_operators import special_method
from gradsan.source.flow.values import (
    ABSENT,
    MAX_OPTIONS,
    Choice,
    Class,
    Const,
    External,
    Function,
    Instance,
    Layer,
    Mapping,
    Opaque,
    Sequence,
    Tensor,
    Value,
    join,
    tensors_in,
)
from gradsan.source.flow.writes import write


def subscript(frame: Frame, value: Value, index: ast.expr, node: ast.AST) -> Value:
    """Return what an item of a value may be."""
    if type(value) is Choice:
        return join([(subscript(frame, option, index, node), guard) for option, guard in value.options])
    if type(value) is Opaque and value.tensor is None and _is_tensor_index(index):
        as_tensor(frame, value, is_sure=False)
    if type(value) is Opaque and value.tensor is not None and not _is_text(index):
        return _tensor_item(frame, value.tensor, index, node)
    match value:
        case Tensor():
            return _tensor_item(frame, value, index, node)
        case Sequence():
            return _list_item(frame, value, index)
        case Mapping():
            return _dict_item(frame, value, index)
        case Instance(children=Sequence() as children) | Layer(children=Sequence() as children):
            return _child(frame, value, children, index)
        case Instance():
            key = evaluate(frame, index)
            if isinstance(key, Const) and isinstance(key.value, str) and key.value in value.attributes:
                return value.attributes[key.value]
            known = special_method(frame, value, "__getitem__", [key], node)
            return known if known is not None else Opaque()
        case Opaque():
            key = evaluate(frame, index)
            if _is_tensor_key(key):
                base = as_tensor(frame, value, is_sure=False)
                return _tensor_item(frame, base, index, node) if base is not None else Opaque()
            return opaque_item(value, _key_of(frame, key, index))
        case External():
            return value
        case Const(value=str() as text):
            return _letter(frame, text, index)
        case _:
            evaluate(frame, index)
            return Opaque()


def _child(frame: Frame, module: Instance | Layer, children: Sequence, index: ast.expr) -> Value:
    key = evaluate(frame, index)
    if not isinstance(key, Const) or not isinstance(key.value, str):
        return _list_item(frame, children, index)
    known = child_named(module, key.value) or module.attributes.get(key.value)
    if known is None and not children.is_exact:
        known = _list_item(frame, children, index)
    return known if known is not None else Opaque()


def _letter(frame: Frame, text: str, index: ast.expr) -> Value:
    """Return a letter of a known text, or a part of it."""
    parts = (index.lower, index.upper, index.step) if isinstance(index, ast.Slice) else (index,)
    keys = [evaluate(frame, part) if part is not None else Const(None) for part in parts]
    bounds = [key.value for key in keys if isinstance(key, Const) and isinstance(key.value, (int, type(None)))]
    if len(bounds) < len(keys):
        return Opaque()
    try:
        return Const(text[slice(*bounds)] if isinstance(index, ast.Slice) else text[bounds[0]])  # type: ignore[index]
    except (IndexError, TypeError, ValueError):
        return Opaque()


def _is_tensor_key(key: Value) -> bool:
    """Return whether something is indexed with a tensor, as only another one is."""
    tensor = key.tensor if isinstance(key, Opaque) else key
    return isinstance(tensor, Tensor) and tensor.storage.is_tensor


def _key_of(frame: Frame, key: Value, index: ast.expr) -> object:
    """Return what tells an item from the others: what one name stands for differs from one iteration to the next."""
    if isinstance(key, Const):
        return key.value
    text = text_of(frame, index)
    if not isinstance(index, ast.Name):
        return text
    frame.machine.kept.append(key)
    return text, id(key)


def _place_in(frame: Frame, value: Sequence, key: Value, index: ast.expr) -> object:
    """Return what tells the item of a list that a name stands for; None where no name does."""
    return (id(value), _key_of(frame, key, index)) if isinstance(index, ast.Name) else None


def opaque_item(value: Opaque, key: object) -> Opaque:
    """Return an item of something unknown; the same one each time it is asked for by the same key."""
    known = value.attributes.get(("item", key))
    if not isinstance(known, Opaque):
        known = Opaque(roots=value.roots, node=value.node, is_number=value.is_number, is_network=value.is_network)
        value.attributes["item", key] = known
    return known


def _is_tensor_index(index: ast.expr) -> bool:
    """Return whether only a tensor or an array takes such an index."""
    if isinstance(index, ast.Tuple):
        return any(_is_tensor_index(part) or isinstance(part, ast.Slice) for part in index.elts)
    return isinstance(index, ast.Constant) and (index.value is None or index.value is Ellipsis)


def _list_item(frame: Frame, value: Sequence, index: ast.expr) -> Value:
    if isinstance(index, ast.Slice):
        return _list_slice(frame, value, index)
    key = evaluate(frame, index)
    is_stored = bool(frame.machine.stored) and not value.is_exact
    stored = frame.machine.stored.get(_place_in(frame, value, key, index)) if is_stored else None
    if stored is not None:
        return stored
    kinds = {item.dotted if isinstance(item, Layer) else "" for item in value.items}
    if not value.is_exact and len(kinds) > 1 and not (isinstance(key, Const) and key.value in (0, -1)):
        return Opaque()  # how many stand before it isn't known
    if isinstance(key, Const) and isinstance(key.value, int) and not isinstance(key.value, bool):
        if -len(value.items) <= key.value < len(value.items) and (value.is_exact or key.value >= 0):
            return value.items[key.value]
        return value.items[-1] if key.value == -1 and value.items else Opaque()
    if value.items and not value.is_exact:
        return value.items[-1]
    return one_of(frame, list(enumerate(value.items)), key, index) if value.items else Opaque()


def one_of(frame: Frame, items: list[tuple[object, Value]], key: Value, index: ast.expr) -> Value:
    """Return the item of an unknown key: where the items can be called, only one of them is, each on its own paths."""
    is_called = all(isinstance(item, (Class, External, Function, Instance, Layer)) for _, item in items)
    if not is_called or len(items) > MAX_OPTIONS:
        return join([(item, frozenset()) for _, item in items])
    literals = [equality(frame, index, key, name) for name, _ in items]
    return join(
        [
            (item, frozenset(n if n == literal else -n for n in literals))
            for literal, (_, item) in zip(literals, items, strict=True)
        ]
    )


def _list_slice(frame: Frame, value: Sequence, index: ast.Slice) -> Value:
    bounds: list[int | None] = []
    for part in (index.lower, index.upper, index.step):
        bound = evaluate(frame, part) if part is not None else Const(None)
        if not isinstance(bound, Const) or not isinstance(bound.value, (int, type(None))):
            return Sequence(list(value.items), is_exact=False, is_tuple=value.is_tuple)
        bounds.append(bound.value)
    if bounds[2] == 0:
        return Opaque()
    return Sequence(value.items[slice(*bounds)], is_exact=value.is_exact, is_tuple=value.is_tuple)


def _dict_item(frame: Frame, value: Mapping, index: ast.expr) -> Value:
    key = evaluate(frame, index)
    if isinstance(key, Const) and isinstance(key.value, (str, int, float, bool, type(None))):
        if value.items.get(key.value, ABSENT) is not ABSENT:
            return value.items[key.value]
        if not value.is_exact:
            frame.machine.journal.set(value.items, key.value, Opaque())
            return value.items[key.value]
        return Opaque()
    if isinstance(key, Opaque) and value.items:
        return one_of(frame, list(value.items.items())[:MAX_OPTIONS], key, index)
    return Opaque()


def _parts(frame: Frame, index: ast.expr) -> list[tuple[str, Value | None]]:
    """Return each part of an index as ``basic``, ``advanced`` or ``unknown``, with the value of an advanced one."""
    nodes = index.elts if isinstance(index, ast.Tuple) else [index]
    parts: list[tuple[str, Value | None]] = []
    for node in nodes:
        if isinstance(node, ast.Slice):
            for bound in (node.lower, node.upper, node.step):
                if bound is not None and not isinstance(bound, ast.Constant):
                    evaluate(frame, bound)
            parts.append(("basic", None))
            continue
        value = evaluate(frame, node)
        match value:
            case Const(value=bool()):
                parts.append(("unknown", None))
            case _ if is_entry_of_tree(node):
                parts.append(("basic", None))
            case Const():
                parts.append(("basic", None))
            case Tensor():
                used_as_index(frame, value)
                parts.append(("advanced", value))
            case Choice(options=options) if all(isinstance(option, Tensor) for option, _ in options):
                parts.append(("advanced", value))
            case Opaque(tensor=Tensor() as tensor):
                used_as_index(frame, tensor)
                parts.append(("advanced", tensor))
            case Sequence(items=items) if not isinstance(node, ast.Tuple):
                if items and all(isinstance(i, Const) and isinstance(i.value, (slice, type(None))) for i in items):
                    parts.append(("basic", None))
                else:
                    parts.append(("advanced" if items and isinstance(items[0], Tensor) else "unknown", value))
            case Opaque(is_number=True, is_flag=False):
                parts.append(("basic", None))
            case _:
                parts.append(("unknown", None))
    return parts


def _is_text(index: ast.expr) -> bool:
    """Return whether only a dict takes such an index."""
    return isinstance(index, ast.JoinedStr) or (isinstance(index, ast.Constant) and isinstance(index.value, str))


def _tensor_item(frame: Frame, tensor: Tensor, index: ast.expr, node: ast.AST) -> Value:
    parts = _parts(frame, index)
    kinds = {kind for kind, _ in parts}
    if kinds <= {"basic"}:
        is_select = not isinstance(index, (ast.Slice, ast.Tuple))
        label = "select" if is_select else "slice"
        return opened(view_of(frame, tensor, label, node, is_contiguous=is_select or None), index)
    graph = node_of(tensor)
    grad = grad_of(tensor) if frame.machine.grad_enabled else Grad.NO
    roots = roots_of(tensor)
    if "advanced" not in kinds:
        return fresh(frame, grad=grad, roots=roots, node=graph)
    if grad is not Grad.NO:
        graph = Node((graph,) if graph is not None else ())
        save_indices(frame, parts, graph, node, grad, roots)
    result = fresh(frame, grad=grad, roots=roots, node=graph)
    result.is_integer = tensor.is_integer
    return result


def save_indices(
    frame: Frame,
    parts: list[tuple[str, Value | None]],
    graph: Node,
    node: ast.AST,
    grad: Grad,
    roots: frozenset[str],
) -> None:
    """Record that indexing kept its index tensors."""
    operation = frame.machine.operation("torch.index")
    if operation is None or "indices" not in operation.saves_inputs:
        return
    for _, value in parts:
        for tensor, guard in tensors_of(frame, value, is_sure=False) if value is not None else ():
            record_save(
                frame,
                tensor,
                guard=guard,
                node=graph,
                place=frame.place(node),
                operation="index",
                operand="indices",
                grad=grad,
                roots=roots,
                backward="IndexBackward0",
            )


def store(frame: Frame, value: Value, index: ast.expr, new: Value, node: ast.AST, guard: Guard = frozenset()) -> None:
    """Record that an item was assigned."""
    match value:
        case Choice(options=options):
            for option, more in options:
                store(frame, option, index, new, node, guard | more)
        case Tensor():
            _store_tensor(frame, value, index, new, node, guard)
        case Opaque():
            _store_in_opaque(frame, value, index, new, node, guard)
        case Instance() | Layer():
            _store_child(frame, value, index, new, node)
        case Sequence():
            _store_in_list(frame, value, index, new)
        case Mapping():
            _store_in_dict(frame, value, index, new)


def _store_in_opaque(frame: Frame, value: Opaque, index: ast.expr, new: Value, node: ast.AST, guard: Guard) -> None:
    if value.tensor is None and (_is_tensor_index(index) or isinstance(index, ast.Slice)):
        as_tensor(frame, value, is_sure=False)
    if value.tensor is not None:
        _store_tensor(frame, value.tensor, index, new, node, guard)
        return
    key = evaluate(frame, index)
    base = as_tensor(frame, value, is_sure=False) if _is_tensor_key(key) else None
    if base is not None:
        _store_tensor(frame, base, index, new, node, guard)
        return
    item = _key_of(frame, key, index)
    if (value.roots or value.name.startswith("self.")) and not isinstance(_literal_of(key), str):
        frame.machine.is_open = True
    frame.machine.journal.set(value.attributes, ("item", item), new)
    frame.machine.escaped += [n for t in tensors_in(new) if (n := node_of(t)) is not None]


def _store_in_list(frame: Frame, value: Sequence, index: ast.expr, new: Value) -> None:
    key, items, journal = evaluate(frame, index), value.items, frame.machine.journal
    at = key.value if isinstance(key, Const) else None
    if isinstance(at, int) and -len(items) <= at < len(items) and value.is_exact:
        replaced = list(items)
        replaced[at] = new
        journal.set_items(value, replaced, is_exact=True)
    elif items:
        replaced = [*items[:-1], join([(items[-1], frozenset()), (new, frozenset())])]
        journal.set_items(value, replaced, is_exact=False)
        if isinstance(index, ast.Name):
            frame.machine.kept.append(value)
            journal.set(frame.machine.stored, _place_in(frame, value, key, index), new)
    else:
        journal.set_items(value, [new], is_exact=False)


def _store_in_dict(frame: Frame, value: Mapping, index: ast.expr, new: Value) -> None:
    key = evaluate(frame, index)
    if isinstance(key, Const) and isinstance(key.value, (str, int, float, bool, type(None))):
        frame.machine.journal.set(value.items, key.value, new)
    else:
        frame.machine.journal.set(value.items, ("unknown", len(value.items)), new)
        value.is_exact = False


def _store_child(frame: Frame, value: Instance | Layer, index: ast.expr, new: Value, node: ast.AST) -> None:
    key = evaluate(frame, index)
    if isinstance(value, Instance) and special_method(frame, value, "__setitem__", [key, new], node) is not None:
        return
    name = _literal_of(key)
    if is_dict(frame, value) or isinstance(name, str):
        put_child(frame, value, name if isinstance(name, str) else "", new)
    elif value.children is not None:
        store(frame, value.children, index, new, node)


def _literal_of(key: Value) -> object:
    return key.value if isinstance(key, Const) else None


def _store_tensor(frame: Frame, tensor: Tensor, index: ast.expr, new: Value, node: ast.AST, guard: Guard) -> None:
    if _is_text(index):
        frame.machine.escaped += [n for t in tensors_in(new) if (n := node_of(t)) is not None]
        return
    parts = _parts(frame, index)
    basic = all(kind == "basic" for kind, _ in parts)
    target = view_of(frame, tensor, "slice", node) if basic and isinstance(index, ast.expr) else tensor
    write(
        frame,
        target if target.view is not None and tensor.is_leaf else tensor,
        operation="__setitem__",
        node=node,
        target=text_of(frame, node.value) if isinstance(node, ast.Subscript) else "",
        # A mask that is written through itself; a number is filled in without that.
        sources=(new, *(m for _, m in parts if m is tensor)) if isinstance(new, Tensor) else (new,),
        guard=guard,
        index=index,
    )
    grad = grad_of(tensor)
    if frame.machine.grad_enabled and grad is not Grad.NO and any(kind == "advanced" for kind, _ in parts):
        graph = Node(tuple(tensor.storage.nodes) + ((tensor.node,) if tensor.node is not None else ()))
        tensor.storage.nodes = [graph]
        save_indices(frame, parts, graph, node, grad, roots_of(tensor))


__all__ = ["apply", "store", "subscript"]
