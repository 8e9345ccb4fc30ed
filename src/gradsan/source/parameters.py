"""What the parameters of an entry may be, as far as their annotation and default tell."""

from __future__ import annotations

import ast
import re

from gradsan.source.flow.graph import Grad, Storage
from gradsan.source.flow.machine import Frame, evaluate
from gradsan.source.flow.values import Class, Const, External, Function, Layer, Mapping, Opaque, Sequence, Tensor, Value
from gradsan.source.hierarchy import holds_tensors
from gradsan.source.index import FunctionNode
from gradsan.source.spelling import spelled


def bind_unknown(frame: Frame, node: FunctionNode, receiver: Value | None) -> None:
    """Bind the parameters of an entry to what is known of them: their annotation and default."""
    spec = node.args
    names = [*spec.posonlyargs, *spec.args]
    defaults = defaults_of(node)
    for at, parameter in enumerate([*names, *spec.kwonlyargs]):
        if at == 0 and receiver is not None:
            frame.local[parameter.arg] = receiver
            continue
        frame.local[parameter.arg] = unknown_parameter(frame, parameter, defaults.get(parameter.arg))
    if spec.vararg is not None:
        roots = frozenset({spec.vararg.arg})
        frame.local[spec.vararg.arg] = Sequence([Opaque(roots=roots), Opaque(roots=roots)], is_exact=False)
    if spec.kwarg is not None:
        frame.local[spec.kwarg.arg] = Mapping({}, is_exact=False)


def defaults_of(node: FunctionNode) -> dict[str, ast.expr]:
    """Return the defaults of a function's parameters."""
    spec = node.args
    names = [*spec.posonlyargs, *spec.args]
    first = names[len(names) - len(spec.defaults) :]
    defaults = {p.arg: d for p, d in zip(first, spec.defaults, strict=True)}
    return defaults | {p.arg: d for p, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d is not None}


_NUMBERS = frozenset({"int", "float", "bool", "str", "bytes", "torch.device", "torch.dtype", "torch.Size", "dict"})
_TENSORS = frozenset({"Tensor", "torch.Tensor", "FloatTensor", "torch.FloatTensor"})
_MAY_BE_TENSOR = re.compile(
    r"Tensor|Any\b|object\b|^T[A-Z]?\w?$|\b(?:Float|Complex|Inexact|Num|Shaped)\d*\[(?!.*rray\b)"
)
_IS_INTEGRAL = re.compile(r"\b(?:Bool|U?Int|Integer)\d*\[(?!.*(?:Float|Complex|Inexact|Num|Shaped)\d*\[)")
_SHAPED = re.compile(r"(?:\w+\.)?(?:Float|Complex|Inexact|Bool|U?Int|Integer)\d*\[(?!.*(?:\||rray\b))")
"""Tensors of a dtype and a shape, as `jaxtyping` writes them: `Bool[Tensor, "batch time"]`."""
_LIST = re.compile(r"(?:typing\.)?(?:[Ll]ist|Sequence|Iterable)\[(?:torch\.)?Tensor\]$")
_INTEGERS = frozenset({"LongTensor", "torch.LongTensor", "IntTensor", "BoolTensor", "torch.BoolTensor"})


def unknown_parameter(frame: Frame, parameter: ast.arg, default: ast.expr | None) -> Value:
    """Return what a parameter of an entry may be."""
    name = parameter.arg
    annotation = spelled(parameter.annotation).strip("'\"") if parameter.annotation is not None else ""
    literal = default.value if isinstance(default, ast.Constant) else None
    if isinstance(default, ast.UnaryOp) and isinstance(default.operand, ast.Constant):
        literal = 1.0
    known = Const(literal) if isinstance(default, ast.Constant) else None
    if annotation in _NUMBERS or (isinstance(literal, (bool, int, float, str)) and literal is not None):
        return Opaque(name=name, default=known, is_number=True)
    if isinstance(default, (ast.Name, ast.Attribute, ast.Call)):
        chosen = evaluate(Frame(frame.machine, frame.module, "<module>"), default)
        if isinstance(chosen, (External, Class, Function) if not isinstance(default, ast.Call) else Layer):
            return chosen
    # What is annotated as something else than a tensor brings no gradient of its own.
    may_flow = not annotation or (_MAY_BE_TENSOR.search(annotation) and not _IS_INTEGRAL.search(annotation))
    may_flow = may_flow or holds_tensors(frame.machine.project, frame.module, annotation)
    roots = frozenset({name}) if may_flow else frozenset[str]()
    is_shaped = _SHAPED.match(annotation) is not None
    if is_shaped or annotation in _TENSORS or annotation in _INTEGERS:
        storage = Storage(name=name)
        frame.machine.touched.append(storage)
        is_integer = annotation in _INTEGERS or (is_shaped and not may_flow)
        return Tensor(storage, Grad.FLOWS, roots, is_integer=is_integer)
    if _LIST.match(annotation) and default is None:
        return Sequence([_element(frame, name), _element(frame, name)], is_exact=False)
    return Opaque(name=name, roots=roots, default=known)


def _element(frame: Frame, name: str) -> Tensor:
    storage = Storage(name=name)
    frame.machine.touched.append(storage)
    return Tensor(storage, Grad.FLOWS, frozenset({name}))
