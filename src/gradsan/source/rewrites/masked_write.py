"""``h[h < 0] = 0`` -> ``h = h.masked_fill(h < 0, 0)``, where the index is surely a mask of the tensor's own shape."""

from __future__ import annotations

import ast

from gradsan.model.rewrite import Edit
from gradsan.source.program import Program, dotted_name, last_name

_TESTS = frozenset(["isnan", "isinf", "isfinite", "isneginf", "isposinf", "signbit", "logical_not"])
_ELEMENTWISE = frozenset(
    [
        "abs",
        "exp",
        "log",
        "sqrt",
        "square",
        "sign",
        "floor",
        "ceil",
        "round",
        "sigmoid",
        "tanh",
        "relu",
        "detach",
        "float",
    ]
)


def name_of(node: ast.Assign) -> str:
    """Return the name that is written to; empty where it is not one index of a plain name."""
    target = node.targets[0]
    return dotted_name(target.value) if len(node.targets) == 1 and isinstance(target, ast.Subscript) else ""


def rewrite(program: Program, node: ast.Assign, path: str) -> tuple[Edit, ...]:
    """Return the edit; none where the index may be anything else than a mask of the same shape."""
    name = name_of(node)
    target = node.targets[0]
    if not name or not isinstance(target, ast.Subscript) or not _is_number(node.value):
        return ()
    if not is_own_mask(program, target.slice, name, node):
        return ()
    mask, value = program.source(target.slice), program.source(node.value)
    return (Edit(path, *program.region(node), f"{name} = {name}.masked_fill({mask}, {value})"),)


def is_own_mask(program: Program, index: ast.expr, name: str, at: ast.AST) -> bool:
    """Whether an index is surely boolean and of the shape of ``name``."""
    match index:
        case ast.Compare(ops=[op]):
            other = index.comparators[0]
            is_elementwise = not isinstance(op, (ast.In, ast.NotIn, ast.Is, ast.IsNot))
            sides = (index.left, other)
            return is_elementwise and any(
                _has_shape_of(side, name) and _is_number(rest) for side, rest in (sides, sides[::-1])
            )
        case ast.UnaryOp(op=ast.Invert()):
            return is_own_mask(program, index.operand, name, at)
        case ast.BinOp(op=ast.BitAnd() | ast.BitOr() | ast.BitXor()):
            return is_own_mask(program, index.left, name, at) and is_own_mask(program, index.right, name, at)
        case ast.Call():
            tested = index.args[0] if index.args else getattr(index.func, "value", None)
            return last_name(index.func) in _TESTS and isinstance(tested, ast.expr) and _has_shape_of(tested, name)
        case ast.Name():
            value = _only_value(program, index.id, at)
            return value is not None and is_own_mask(program, value, name, at)
        case _:
            return False


def _has_shape_of(node: ast.expr, name: str) -> bool:
    if dotted_name(node) == name:
        return True
    return (
        isinstance(node, ast.Call)
        and not node.args
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _ELEMENTWISE
        and _has_shape_of(node.func.value, name)
    )


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _is_number(node.operand)
    if isinstance(node, ast.Call):
        return dotted_name(node.func) == "float" and len(node.args) == 1 and isinstance(node.args[0], ast.Constant)
    if dotted_name(node) in ("math.inf", "math.nan", "torch.inf", "torch.nan"):
        return True
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool)


def _only_value(program: Program, name: str, at: ast.AST) -> ast.expr | None:
    """Return the one expression that a local name is bound to in the function."""
    function = program.function_of(at)
    stores = [
        node
        for node in ast.walk(function or program.tree)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
    ]
    parent = program.parent(stores[0]) if len(stores) == 1 else None
    return parent.value if isinstance(parent, ast.Assign) and parent.targets == stores else None
