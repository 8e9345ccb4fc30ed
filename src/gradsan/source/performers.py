"""Which expressions of a statement perform an operation that the framework names."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence

from gradsan import knowledge
from gradsan.source.program import dotted_name, last_name

_BINARY: dict[type[ast.operator], frozenset[str]] = {
    ast.Add: frozenset({"add"}),
    ast.Sub: frozenset({"sub", "rsub", "subtract"}),
    ast.Mult: frozenset({"mul", "multiply"}),
    # A number divided by a tensor is the tensor's reciprocal, multiplied.
    ast.Div: frozenset({"div", "divide", "truedivide", "reciprocal", "mul"}),
    ast.FloorDiv: frozenset({"floordivide"}),
    ast.Mod: frozenset({"remainder", "fmod"}),
    ast.Pow: frozenset({"pow", "square", "exp2"}),
    ast.MatMult: frozenset(
        {"matmul", "mm", "bmm", "mv", "dot", "addmm", "baddbmm", "addmv", "linear", "squeeze", "sparseaddmm"}
    ),
    ast.BitAnd: frozenset({"and", "bitwiseand", "logicaland"}),
    ast.BitOr: frozenset({"or", "bitwiseor", "logicalor"}),
    ast.BitXor: frozenset({"xor", "bitwisexor", "logicalxor"}),
    ast.LShift: frozenset({"lshift", "bitwiseleftshift"}),
    ast.RShift: frozenset({"rshift", "bitwiserightshift"}),
}
_AUGMENTED = {
    ast.Add: "iadd",
    ast.Sub: "isub",
    ast.Mult: "imul",
    ast.Div: "itruediv",
    ast.FloorDiv: "ifloordiv",
    ast.Mod: "imod",
    ast.Pow: "ipow",
    ast.MatMult: "imatmul",
    ast.BitAnd: "iand",
    ast.BitOr: "ior",
    ast.BitXor: "ixor",
    ast.LShift: "ilshift",
    ast.RShift: "irshift",
}
_UNARY: dict[type[ast.unaryop], frozenset[str]] = {
    ast.USub: frozenset({"neg", "negative"}),
    ast.Invert: frozenset({"bitwisenot", "logicalnot"}),
}
_COMPARE: dict[type[ast.cmpop], frozenset[str]] = {
    ast.Lt: frozenset({"lt", "less"}),
    ast.LtE: frozenset({"le", "lessequal"}),
    ast.Gt: frozenset({"gt", "greater"}),
    ast.GtE: frozenset({"ge", "greaterequal"}),
    ast.Eq: frozenset({"eq"}),
    ast.NotEq: frozenset({"ne", "notequal"}),
}
_READS = frozenset({"getitem", "index", "select", "slice", "unsqueeze", "alias", "narrow"})
_WRITES = frozenset({"setitem", "copy", "copyslices", "indexput", "indexputimpl", "fill", "maskedfill"})
_TRANSPOSES = frozenset({"transpose", "t", "permute", "numpyt", "mt", "h"})

# Names of one thing: the node's operation on the left, what people write on the right.
_SPELLINGS: dict[str, frozenset[str]] = {
    "addmm": frozenset({"linear"}),
    "mm": frozenset({"linear", "matmul", "einsum", "tensordot", "inner"}),
    "bmm": frozenset({"matmul", "einsum", "bilinear", "tensordot", "inner"}),
    "mv": frozenset({"matmul", "einsum"}),
    "dot": frozenset({"matmul", "einsum", "inner", "vdot"}),
    "matmul": frozenset({"mm", "bmm", "mv", "dot", "linear"}),
    "linear": frozenset({"addmm", "mm", "matmul"}),
    "convolution": frozenset({f"conv{n}d" for n in (1, 2, 3)} | {f"convtranspose{n}d" for n in (1, 2, 3)}),
    "div": frozenset({"truedivide", "divide", "normalize"}),
    "pow": frozenset({"square", "floatpower"}),
    "clamp": frozenset({"clip", "clampmin", "clampmax", "hardtanh", "relu6"}),
    "clampmin": frozenset({"clamp", "clip", "relu"}),
    "cat": frozenset({"concat", "concatenate", "hstack", "vstack", "dstack"}),
    "nllloss": frozenset({"nllloss", "crossentropy", "crossentropyloss"}),
    "nlllossforward": frozenset({"nllloss", "crossentropy", "crossentropyloss"}),
    "nllloss2dforward": frozenset({"nllloss", "crossentropy", "crossentropyloss"}),
    "sparseaddmm": frozenset({"mm", "spmm", "addmm", "matmul"}),
    "logsoftmax": frozenset({"crossentropy", "crossentropyloss"}),
    "tocopy": frozenset({"to", "float", "half", "double", "bfloat16", "type", "typeas", "cuda", "cpu"}),
    "linalgvectornorm": frozenset({"norm", "vectornorm", "normalize"}),
    "vectornorm": frozenset({"norm", "normalize"}),
    "unsafeview": frozenset({"view", "reshape"}),
    "view": frozenset({"reshape", "flatten", "unflatten", "viewas"}),
    "expand": frozenset({"expandas", "broadcastto", "repeat"}),
    "cdistforward": frozenset({"cdist"}),
    "amax": frozenset({"max", "logsumexp"}),
}
_BACKENDS = ("native", "cudnn", "mkldnn", "miopen", "thnn", "mps")
_BUILTINS = frozenset(vars(builtins))


def normalised(name: str) -> str:
    """Return a name without what only spelling adds: case, underscores, the backend that computes it."""
    name = name.rpartition("::")[2].partition(".")[0] if "::" in name else name.rpartition(".")[2]
    parts = [part for part in name.strip("_").split("_") if part]
    if len(parts) > 1 and parts[0] in _BACKENDS:
        parts = parts[1:]
    return "".join(parts).lower()


def performers(roots: Sequence[ast.AST], operation: str, line: int) -> list[ast.stmt | ast.expr]:
    """Return the expressions that may perform an operation, by what they are called.

    Args:
        roots: Statements and expressions that run on the line.
        operation: The framework's name, ``sigmoid``, ``add_``, ``__setitem__``, ``AdamW.step``.
        line: The line that ran; it decides among several in a statement of several lines.
    """
    wanted = normalised(operation)
    if not wanted:
        return []
    nodes = [node for root in roots for node in walk(root)]
    makers = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    nodes = [node for node in nodes if id(node) not in makers and not _is_construction(node)]
    found = [node for node in nodes if _performs(node, wanted, operation)]
    if knowledge.load().mutates(operation):
        found = _writers(found) or found
    found = found or [node for node in nodes if _is_named_for(node, wanted)]
    if not found:
        found = [node for node in nodes if isinstance(node, ast.Call) and not _is_known(node, wanted)]
    if len(found) > 1:
        found = [node for node in found if _line_of(node) == line] or found
    return found


def walk(root: ast.AST) -> Iterator[ast.stmt | ast.expr]:
    """Yield the statements and expressions in a root.

    What stands inside an f-string is left out: before Python 3.12 its positions are wrong.
    """
    if isinstance(root, ast.JoinedStr):
        return
    if isinstance(root, (ast.stmt, ast.expr)):
        yield root
    for child in ast.iter_child_nodes(root):
        yield from walk(child)


def _is_construction(node: ast.AST) -> bool:
    """Whether a call constructs a module, ``nn.Tanh()``, that something else calls."""
    if not isinstance(node, ast.Call) or isinstance(node.func, ast.Call) or not _is_literal(*node.args):
        return False
    name = dotted_name(node.func)
    return name.rpartition(".")[2][:1].isupper() and name.partition(".")[0] != "self"


def call_name(call: ast.Call) -> str:
    """Return the last name of what is called; of ``nn.Sigmoid()(x)`` that is ``Sigmoid``."""
    return last_name(call.func.func) if isinstance(call.func, ast.Call) else last_name(call.func)


def _performs(node: ast.AST, wanted: str, operation: str) -> bool:
    match node:
        case ast.Call():
            return _call_performs(node, wanted, operation)
        case ast.BinOp():
            return wanted in _BINARY[type(node.op)] and not _is_literal(node.left, node.right)
        case ast.AugAssign():
            return wanted in _BINARY[type(node.op)] or wanted == _AUGMENTED[type(node.op)]
        case ast.UnaryOp():
            return wanted in _UNARY.get(type(node.op), ()) and not _is_literal(node.operand)
        case ast.Compare():
            return any(wanted in _COMPARE.get(type(op), ()) for op in node.ops)
        case ast.Subscript(ctx=ast.Load()):
            return wanted in _READS
        case ast.Assign():
            return _assignment_performs(node.targets, wanted)
        case ast.Attribute(ctx=ast.Load()):
            return node.attr in ("T", "mT", "H", "mH") and wanted in _TRANSPOSES
        case _:
            return False


def _call_performs(node: ast.Call, wanted: str, operation: str) -> bool:
    called = normalised(call_name(node))
    if called == wanted or called in _SPELLINGS.get(wanted, ()):
        return True
    if isinstance(node.func, ast.Attribute) and wanted == f"linalg{called}":
        return last_name(node.func.value) == "linalg"
    # `Norm.apply(x)`: a custom Function is named for its class.
    return called == "apply" and isinstance(node.func, ast.Attribute) and last_name(node.func.value) == operation


def _is_named_for(node: ast.AST, wanted: str) -> bool:
    """Whether a module that ``self`` holds is called, and named for what it does: ``self.norm1(x)``."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
            bare = normalised(name).rstrip("0123456789")
            return len(bare) > 3 and bare in wanted
        case _:
            return False


def _assignment_performs(targets: Sequence[ast.expr], wanted: str) -> bool:
    if wanted in _WRITES:
        return any(isinstance(part, ast.Subscript) for target in targets for part in _unpacked(target))
    if wanted in ("data", "set", "setdata"):
        return any(isinstance(part, ast.Attribute) and part.attr == "data" for t in targets for part in _unpacked(t))
    return False


def _unpacked(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, (ast.Tuple, ast.List)):
        for part in target.elts:
            yield from _unpacked(part)
    else:
        yield target


def _writers(found: Sequence[ast.stmt | ast.expr]) -> list[ast.stmt | ast.expr]:
    """Return those that mutate by their form: augmented assignments, operations that write, ``inplace=``."""
    return [
        node
        for node in found
        if isinstance(node, (ast.AugAssign, ast.Assign))
        or (
            isinstance(node, ast.Call)
            and (knowledge.load().mutates(call_name(node)) or _has_keyword(node, "inplace", "out"))
        )
    ]


def _has_keyword(call: ast.Call, *names: str) -> bool:
    return any(keyword.arg in names for keyword in call.keywords)


def _is_known(call: ast.Call, wanted: str) -> bool:
    """Whether a call is known to perform something else than what is wanted."""
    name = call_name(call)
    if isinstance(call.func, ast.Name) and name in _BUILTINS:
        return True
    operation = knowledge.load().lookup(name) if name and name not in ("forward", "apply") else None
    if operation is None or operation.kind == "other":
        return False
    return operation.backward is None or normalised(operation.backward.partition("Backward")[0]) != wanted


def _is_literal(*nodes: ast.expr) -> bool:
    return all(isinstance(node, ast.Constant) for node in nodes)


def _line_of(node: ast.stmt | ast.expr) -> int:
    """Return the line on which the interpreter is while a node runs: of a method call, that of the method's name."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.end_lineno or node.lineno
    return node.lineno
