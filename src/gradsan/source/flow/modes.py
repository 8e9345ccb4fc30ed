"""Context managers and decorators that switch gradients on and off."""

from __future__ import annotations

import ast

from gradsan.source.flow.branches import truth_of
from gradsan.source.flow.machine import Frame, evaluate
from gradsan.source.flow.values import External, Opaque, Value

OFF = frozenset({"torch.no_grad", "torch.autograd.no_grad", "torch.inference_mode", "torch.autograd.inference_mode"})
_OFF_BY_NAME = frozenset({"no_grad", "inference_mode"})
ON = frozenset({"torch.enable_grad", "torch.autograd.enable_grad"})
HOOKED = ("torch.autograd.graph.save", "torch.autograd.graph.allow_mutation")
"""Contexts in which other code keeps the saved tensors: whether a later write matters is theirs to say."""
_BY_DEFAULT = ("no_grad", "inference_mode", "._use_grad_for_differentiable")
"""How decorators are named that switch gradients off, unless a differentiable optimizer step was asked for.

Source: torch/optim/optimizer.py, 2.13.0.
"""
_BELOW = (".custom_op", ".register_kernel", ".triton_op", ".register_fake")
"""Decorators of what runs below autograd.  Source: torch.library documentation, 2.13."""
AUTOCAST = frozenset(
    f"torch.{name}"
    for name in ("autocast", "amp.autocast", "amp.autocast_mode.autocast", "cuda.amp.autocast", "cpu.amp.autocast")
)
MODE_UNKNOWN = ("if gradients are on",)
"""What is said of a write where the mode is set to what isn't known."""
SWITCH = frozenset({"torch.set_grad_enabled", "torch.autograd.set_grad_enabled"})

EXPORTING = (
    *("torch.jit.is_tracing", "torch._C._is_tracing", "torch.onnx.is_in_onnx_export", "torch.compiler.is_exporting"),
    *("torch.onnx.utils.is_in_onnx_export", "torch._C._get_tracing_state"),
)
"""What is true only while a network is traced, to be exported: a program that trains goes the other way."""


def enter_context(frame: Frame, node: ast.expr) -> Value:
    """Enter a context manager; the caller leaves it by restoring the modes."""
    machine = frame.machine
    if isinstance(node, ast.Call):
        callee = evaluate(frame, node.func)
        if isinstance(callee, External):
            if callee.dotted in OFF:
                argument = evaluate(frame, node.args[0]) if node.args else None
                if argument is None or truth_of(argument) is not False:
                    machine.grad_enabled = False
                    machine.is_inference = machine.is_inference or callee.dotted.endswith("inference_mode")
                return Opaque()
            if callee.dotted in ON:
                machine.grad_enabled = True
                return Opaque()
            if callee.dotted.startswith(HOOKED):
                machine.is_hooked = True
                return Opaque()
            if callee.dotted in SWITCH:
                switch(frame, node)
                return Opaque()
            if callee.dotted in AUTOCAST:
                machine.is_autocast = is_autocast(frame, [node], machine.is_autocast)
                return Opaque()
        if isinstance(callee, Opaque) and isinstance(node.func, ast.Attribute) and node.func.attr in _OFF_BY_NAME:
            machine.grad_enabled = False  # the framework was handed in, or imported by a function
            return Opaque()
    value = evaluate(frame, node)
    return value if isinstance(value, Opaque) else Opaque()


def switch(frame: Frame, node: ast.Call) -> None:
    """Set the gradient mode as ``set_grad_enabled`` does; what is unknown leaves it on, with a caveat."""
    mode = node.args[0] if node.args else node.keywords[0].value if node.keywords else None
    is_on = truth_of(evaluate(frame, mode)) if mode is not None else None
    frame.machine.grad_enabled = frame.machine.grad_enabled if is_on is None else is_on
    frame.machine.mode_caveats = MODE_UNKNOWN if is_on is None else ()


def is_autocast(frame: Frame, entered: list[ast.expr], was: bool) -> bool:
    """Return whether autocast is on after contexts are entered, or below decorators; what isn't known leaves it off."""
    for node in entered:
        if not isinstance(node, ast.Call):
            continue
        callee = evaluate(frame, node.func)
        if isinstance(callee, External) and callee.dotted in AUTOCAST:
            at = 0 if callee.dotted.startswith(("torch.cuda.", "torch.cpu.")) else 2
            given = [keyword.value for keyword in node.keywords if keyword.arg == "enabled"] or node.args[at : at + 1]
            asked = given[0] if given else None
            was = asked is None or truth_of(evaluate(frame, asked)) is True
    return was


def decorated_off(decorators: tuple[str, ...]) -> bool:
    """Return whether decorators switch gradients off."""
    return any(name in OFF or name.endswith(_BY_DEFAULT) or name.endswith(_BELOW) for name in decorators)
