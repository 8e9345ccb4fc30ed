"""Whether tensors require a gradient: asked for, switched, and taken over from another one."""

from __future__ import annotations

import ast

from gradsan.source.flow.graph import Grad
from gradsan.source.flow.machine import Frame, evaluate
from gradsan.source.flow.regrads import regrad_of
from gradsan.source.flow.tensors import grad_of, roots_of, tensors_of
from gradsan.source.flow.values import Const, Opaque, Tensor, Value


def requires_grad_of(value: Tensor) -> Value:
    """Return ``tensor.requires_grad``; where gradients flow, they flow through what the caller passes."""
    grad = grad_of(value)
    return Opaque(is_number=True) if grad is Grad.UNKNOWN else Const(grad is not Grad.NO)


def require_grad(frame: Frame, tensor: Tensor, value: Value) -> None:
    """Switch a tensor's gradient on or off."""
    frame.machine.regrads.append(regrad_of(tensor))
    if isinstance(value, Opaque):
        if value.default is None:
            tensor.grad = max(tensor.grad, Grad.UNKNOWN)
            return
        value = value.default
    if isinstance(value, Const) and value.value is False:
        if tensor.node is None:
            tensor.grad = Grad.NO
    elif tensor.grad is not Grad.YES:
        if tensor.node is None and (tensor.grad is Grad.NO or tensor.is_detached):
            tensor.is_leaf, tensor.is_detached = True, False
            tensor.storage.grad = Grad.NO
        tensor.grad = Grad.YES


def cut(frame: Frame, tensor: Tensor) -> None:
    """Cut a tensor off from the graph, as ``detach_`` does: it is a leaf then that requires no gradient."""
    frame.machine.regrads.append(regrad_of(tensor))
    storage = tensor.storage
    storage.is_cut = True
    tensor.grad, tensor.roots, tensor.node = Grad.NO, frozenset(), None
    storage.grad, storage.roots, storage.nodes = Grad.NO, frozenset(), []


def share_gradient(frame: Frame, tensor: Tensor, asked: ast.expr) -> None:
    """Let a leaf made with ``requires_grad=other.requires_grad`` have one where the caller brings it to the other.

    Nothing tells what an object holds that the caller passes.
    """
    if not isinstance(asked, ast.Attribute) or asked.attr != "requires_grad":
        return
    for other, _ in tensors_of(frame, evaluate(frame, asked.value), is_sure=False):
        if grad_of(other) is Grad.FLOWS:
            is_passed = isinstance(asked.value, ast.Name)
            tensor.grad = Grad.FLOWS if is_passed else Grad.UNKNOWN
            tensor.roots = roots_of(other) if is_passed else frozenset()
