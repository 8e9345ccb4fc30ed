"""Making, viewing and saving tensors; with `writes` the only file that records events."""

from __future__ import annotations

import ast

from gradsan.model.event import Refusal, ViewKind
from gradsan.model.history import TensorKind
from gradsan.source.flow.graph import Grad, Node, Place, Save, Storage, View
from gradsan.source.flow.machine import Frame
from gradsan.source.flow.values import Choice, Const, Opaque, Sequence, Tensor, Value, opaques_in, tensors_in

STALE = {ViewKind.MULTI_OUTPUT: Refusal.MULTI_OUTPUT_VIEW, ViewKind.CUSTOM_FUNCTION: Refusal.CUSTOM_FUNCTION_VIEW}
"""Views that can't be used any more once their base was written, and what is raised then.

Source: torch/csrc/autograd/variable.cpp, grad_fn of a view (2.13.0).
"""
MAX_SAVES = 24
"""Of one storage; more come from unrolled loops and tell nothing new."""

_HALF = frozenset(
    {
        *("linear", "matmul", "mm", "bmm", "mv", "addmm", "addmv", "addbmm", "baddbmm", "einsum", "prelu"),
        *("conv1d", "conv2d", "conv3d", "convtranspose1d", "convtranspose2d", "convtranspose3d"),
        *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "scaled_dot_product_attention"),
        *("rnn", "lstm", "gru", "rnncell", "lstmcell", "grucell", "multiheadattention"),
    }
)
"""Operations and layers, in small letters, that autocast runs in half precision; norms keep their weights' own.

Source: PyTorch's Automatic Mixed Precision page, "CUDA Ops that can autocast to float16" (2.13); measured on the CPU.
"""


def as_tensor(frame: Frame, value: Value, *, is_sure: bool = True) -> Tensor | None:
    """Return a value as the tensor that its use shows it to be; None where it is something else."""
    if type(value) is Tensor:
        if is_sure and not value.storage.is_tensor:
            value.storage.is_tensor = True
        return value
    if type(value) is Opaque:
        if value.is_number:
            return None
        if value.tensor is None:
            is_trained = value.node is not None and bool(value.node.leaves)  # what an unknown network returns
            grad = Grad.YES if is_trained else Grad.FLOWS if value.roots else Grad.UNKNOWN
            grad = max(grad, value.grad) if value.grad is not None else grad
            is_own = not value.roots and not value.name and value.grad is None
            storage = Storage(name=value.name, is_tensor=is_sure, is_own=is_own)
            frame.machine.touched.append(storage)
            value.tensor = Tensor(storage, grad, value.roots, node=value.node)
        elif is_sure:
            value.tensor.storage.is_tensor = True
        return value.tensor
    return None


def tensors_of(frame: Frame, value: Value, *, is_sure: bool = True) -> list[tuple[Tensor, frozenset[int]]]:
    """Return the tensors that an argument may be or, if it is a list of them, holds; each with its guard."""
    if type(value) is Tensor:
        if is_sure:
            value.storage.is_tensor = True
        return [(value, frozenset())]
    if type(value) is Opaque:
        tensor = as_tensor(frame, value, is_sure=is_sure)
        return [(tensor, frozenset())] if tensor is not None else []
    if type(value) is Choice:
        return [
            (tensor, guard | inner)
            for option, guard in value.options
            for tensor, inner in tensors_of(frame, option, is_sure=is_sure)
        ]
    if type(value) is Sequence:
        return [pair for item in value.items for pair in tensors_of(frame, item, is_sure=is_sure)]
    return []


def grad_of(tensor: Tensor) -> Grad:
    """Return whether a tensor requires a gradient, in-place writes to its storage included."""
    if tensor.is_detached or tensor.is_integer:
        return Grad.NO
    own, written = tensor.grad, tensor.storage.grad
    return own if own >= written else written


def roots_of(tensor: Tensor) -> frozenset[str]:
    """Return the parameters of the analysed function that its gradient flows to."""
    written = tensor.storage.roots
    return tensor.roots | written if written else tensor.roots


def node_of(tensor: Tensor) -> Node | None:
    """Return the node that a backward pass from the tensor begins at."""
    if tensor.is_detached or tensor.is_integer:
        return None
    own, written = tensor.node, tensor.storage.nodes
    if not written:
        return own
    parents = (own, *written) if own is not None else tuple(written)
    return parents[0] if len(parents) == 1 else Node(parents)


def fresh(
    frame: Frame,
    *,
    grad: Grad = Grad.NO,
    roots: frozenset[str] = frozenset(),
    node: Node | None = None,
    kind: TensorKind = TensorKind.INTERMEDIATE,
    name: str = "",
) -> Tensor:
    """Return a tensor on a storage of its own."""
    storage = Storage(kind=kind, name=name, is_own=True, is_inference=frame.machine.is_inference)
    frame.machine.touched.append(storage)
    return Tensor(storage, grad, roots, node=node, is_contiguous=True)


def leaf(frame: Frame, *, kind: TensorKind, name: str = "", requires_grad: bool = True, owner: str = "") -> Tensor:
    """Return a parameter, a buffer or another leaf."""
    tensor = fresh(frame, grad=Grad.YES if requires_grad else Grad.NO, kind=kind, name=name)
    tensor.is_leaf = True
    tensor.storage.owner = owner
    tensor.storage.is_own = False
    # A layer's parameters are asked for when they are used; it was made before.
    tensor.storage.is_inference = tensor.storage.is_inference and frame.machine.is_program
    return tensor


def view_of(
    frame: Frame,
    base: Tensor,
    operation: str,
    node: ast.AST,
    *,
    kind: ViewKind = ViewKind.PLAIN,
    caveat: str = "",
    is_contiguous: bool | None = None,
) -> Tensor:
    """Return a view of a tensor."""
    machine = frame.machine
    if kind in (ViewKind.PLAIN, ViewKind.MULTI_OUTPUT) and not machine.grad_enabled:  # of the two, the mode is told
        kind = ViewKind.NO_GRAD
    base_is_leaf = base.is_leaf or (base.view is not None and base.view.base_is_leaf)
    if base.view is not None and base.view.kind not in (ViewKind.PLAIN, ViewKind.NO_GRAD):
        view = base.view  # what the framework refuses is the first view
    else:
        view = View(kind, operation, frame.place(node), machine.tick(), base_is_leaf)
        base.storage.has_special_views = base.storage.has_special_views or kind in STALE
    return Tensor(
        base.storage,
        grad_of(base),
        roots_of(base),
        node_of(base),
        view,
        is_detached=base.is_detached,
        is_data=base.is_data,
        is_integer=base.is_integer,
        is_contiguous=is_contiguous,
        caveats=(*base.caveats, caveat) if caveat else base.caveats,
    )


def used_as_size(frame: Frame, node: ast.AST) -> None:
    """Note that a parameter, or an entry of one, says how large a new tensor is: that is a number."""
    size = node.args[0] if isinstance(node, ast.Call) and node.args else None
    while isinstance(size, ast.Subscript):
        size = size.value
    if isinstance(size, ast.Name):
        value = frame.local.get(size.id)
        if isinstance(value, Opaque) and value.tensor is None and value.roots == {size.id}:
            frame.machine.index_roots.add(size.id)


def used_as_index(frame: Frame, tensor: Tensor) -> None:
    """Record that a tensor indexes another one."""
    if node_of(tensor) is None:
        frame.machine.index_roots |= roots_of(tensor)


def detached(_frame: Frame, base: Tensor, *, is_data: bool = False) -> Tensor:
    """Return an alias outside the graph."""
    return Tensor(
        base.storage,
        Grad.NO,
        is_detached=True,
        is_data=is_data or base.is_data,
        is_integer=base.is_integer,
        is_contiguous=base.is_contiguous,
        ones=base.ones,
        shared=base.shared,
        caveats=base.caveats,
    )


def record_save(
    frame: Frame,
    tensor: Tensor,
    *,
    node: Node,
    place: Place,
    operation: str,
    operand: str,
    grad: Grad,
    roots: frozenset[str],
    guard: frozenset[int] = frozenset(),
    backward: str = "",
    name: str = "",
) -> None:
    """Record that an operation kept a tensor for its backward."""
    machine, storage = frame.machine, tensor.storage
    if grad is Grad.NO or machine.is_hooked or (machine.is_autocast and _is_cast(storage, operation)):
        return
    if len(storage.saves) >= MAX_SAVES:
        storage.saves = storage.saves[MAX_SAVES // 2 :]
    save = Save(
        storage,
        node,
        place,
        operation,
        operand,
        storage.version,
        machine.guard | guard,
        machine.tick(),
        grad,
        roots,
        tensor.view is not None,
        id(tensor),
        backward,
        not tensor.caveats,
        name,
        roots_of(tensor),
    )
    machine.kept.append(tensor)
    machine.last_saves[id(place.node), operand] = save.sequence
    storage.saves.append(save)


def _is_cast(storage: Storage, operation: str) -> bool:
    """Return whether autocast hands an operation a copy of what it saves: of weights, which are kept in float32."""
    return storage.kind in (TensorKind.PARAMETER, TensorKind.LEAF) and operation.lower() in _HALF


def nodes_and_grad(_frame: Frame, values: list[Value]) -> tuple[Node | None, Grad, frozenset[str]]:
    """Return what a computation from values would hang on in the graph."""
    parents: dict[int, Node] = {}
    grad, roots = Grad.NO, frozenset[str]()
    for value in values:
        if type(value) is Const:
            continue
        for unknown in (value,) if type(value) is Opaque else opaques_in(value):
            roots |= unknown.roots
            if unknown.node is not None:
                parents[id(unknown.node)] = unknown.node
        for tensor in (value,) if type(value) is Tensor else tensors_in(value, depth=2):
            grad = max(grad, grad_of(tensor))
            roots |= roots_of(tensor)
            node = node_of(tensor)
            if node is not None:
                parents[id(node)] = node
    return (Node(tuple(parents.values())) if parents else None), grad, roots
