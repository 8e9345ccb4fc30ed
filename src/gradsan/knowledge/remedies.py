"""Proposals that several rules make: the code to write, and its price."""

from __future__ import annotations

import math
import re

from gradsan.knowledge.table import load
from gradsan.model.diagnostic import Help
from gradsan.model.event import Access, Saved, Written, shown_operation
from gradsan.model.history import Subject, TensorKind
from gradsan.model.rewrite import Remedy

_CONSTANT = {"zero_": "torch.zeros_like({name})", "fill_": "torch.full_like({name}, {given})"}

# They have a twin in the schemas, but no statement with it says the same: `copy` is not a method, the others draw anew.
_NO_TWIN = frozenset(
    {"copy_", "bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "normal_", "random_", "uniform_"}
)

_WINDOWS = frozenset({"data", "real", "imag", "T", "mT", "H", "mH"})
"""Properties of a tensor that show its memory: assigned to, they write there, or refuse."""

_COMPILED = "CompiledFunction"
"""The node of what was compiled: it saves its inputs, its results, and what is neither."""

_ELEMENT_BYTES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "complex64": 8,
    "complex128": 16,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}

FULL_TRACE = Help("record every operation to find the line that wrote", "gradsan run --trace full SCRIPT")


def out_of_place_code(written: Written) -> str:
    """Return the statement that binds a new tensor instead of writing; empty where there is none to name.

    An item assignment or a write through a slice has no such statement: assigning to the slice writes again.
    Nor has a write to the items of a loop or to an argument that nothing reads on: the new tensor would be lost.
    """
    if written.is_item_of_loop or written.is_lost:
        return ""
    name, given = written.target, "..." if written.given is None else written.given
    operation = written.operation.rpartition(".")[2]
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name) or is_window(name):
        return ""
    shown = shown_operation(operation)
    if shown.endswith("=") and shown != "[...] =":
        return f"{name} = {name} {shown[:-1]} {given}"
    if operation in _CONSTANT:
        return f"{name} = {_CONSTANT[operation].format(name=name, given=given)}"
    known = None if operation in _NO_TWIN else load().lookup(operation)
    twin = known.out_of_place if known is not None else None
    return f"{name} = {name}.{twin.rpartition('.')[2]}({given})" if twin else ""


def is_window(name: str) -> bool:
    """Return whether what is given to a dotted name goes into the tensor in front of it: ``spectrum.real = ...``."""
    return name.rpartition(".")[2] in _WINDOWS and "." in name


def price_of_copy(subject: Subject) -> str:
    """Say what one more copy costs, in bytes where shape and dtype are known."""
    n_bytes = _bytes_of(subject)
    return "costs one copy" if n_bytes is None else f"costs one copy of {_shown_bytes(n_bytes)}"


def write_out_of_place(written: Written, subject: Subject) -> Help | None:
    """Propose a new tensor in place of the write; None where none can be named, or state would not move."""
    code = out_of_place_code(written)
    if not code or (written.is_borrowed and subject.kind is not TensorKind.INTERMEDIATE):
        return None
    text = f"write out of place, where no other name must see the write ({price_of_copy(subject)})"
    return Help(text, code, Remedy.OUT_OF_PLACE)


def price_of_written_copy(written: Written | None, subject: Subject) -> str:
    """Say what a copy of what is written costs: in bytes only where that is the tensor whose shape is known."""
    name = "" if written is None else _whole(written.target)
    if written is None or written.access is Access.ITSELF or not name:
        return price_of_copy(subject)
    return f"costs one copy of `{name}`"


def clone_before_write(written: Written | None, subject: Subject) -> Help:
    """Propose to write to a copy; the saved tensor stays as it is."""
    code = copy_to_write(written.target if written is not None else "", subject.name)
    return Help(f"write to a copy ({price_of_written_copy(written, subject)})", code, Remedy.COPY_BEFORE_WRITE)


def copy_to_write(target: str, name: str = "") -> str:
    """Return the statement that makes a copy of what is written: under its name, or under one for what a call gives."""
    whole = _whole(target) or _whole(name)
    if whole:
        return f"{whole} = {whole}.clone()  # before the write"
    return f"part = {target}.clone()  # then write to `part`" if target else ""


def _whole(target: str) -> str:
    """Return the name that is written, whole or in part; empty where a call gives it."""
    name = variable(target)
    while is_window(name):
        name = name.rpartition(".")[0]
    return name if re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name) else ""


def clone_where_saved(saved: Saved, subject: Subject, written: Written | None = None) -> Help:
    """Propose to give the saving operation a copy of its own, which no alias can reach.

    The tensor has its name from where it was written: another function may not know it.
    """
    if saved.operation == _COMPILED and written is not None:
        price = price_of_written_copy(written, subject)
        code = copy_to_write(written.target, subject.name)
        return Help(f"write to a copy of what the compiled code saved ({price})", code, Remedy.COPY_BEFORE_WRITE)
    name = variable(subject.name) if written is None or _is_known_at(saved, written) else ""
    price = price_of_copy(subject)
    if is_result(saved):
        code = f"{name} = {name}.clone()  # right after `{saved.operation}`" if name else ""
        return Help(f"go on with a copy of what `{saved.operation}` returned ({price})", code, Remedy.COPY_AT_SAVE)
    code = f"{name}.clone()  # in the call" if name else ""
    return Help(f"give `{saved.operation}` a copy of its own ({price})", code, Remedy.COPY_AT_SAVE)


def _is_known_at(saved: Saved, written: Written) -> bool:
    return saved.span is None or written.span is None or saved.span.function == written.span.function


def is_result(saved: Saved) -> bool:
    """Return whether what was saved is a result, under that name or one of its own: ``eigenvalues`` of ``eigh``."""
    if saved.operand.startswith("result"):
        return True
    known = load().lookup(saved.operation) if saved.operand else None
    if known is None or not known.saves_result:
        return False
    return saved.operand not in {"self", "input", *(parameter.name for parameter in known.parameters)}


def construct_out_of_place(written: Written, subject: Subject) -> Help:
    """Propose ``inplace=False`` for the module that wrote."""
    module = written.operation.rpartition(".")[2].partition("(")[0]
    code = f"nn.{module}(inplace=False)" if module[:1].isupper() else "inplace=False"
    return Help(f"let it return a new tensor ({price_of_copy(subject)})", code, Remedy.INPLACE_FLAG)


def stack_pieces(written: Written, subject: Subject) -> Help:
    """Propose to collect what a loop writes into a buffer, and to build the tensor once."""
    name = variable(written.target) or variable(subject.name) or "result"
    return Help(
        "where the loop fills the whole tensor: collect the pieces in a list, and build it once after the loop",
        f"pieces.append(piece)\n{name} = torch.stack(pieces)",
    )


def variable(name: str) -> str:
    """Return the name up to its first index: ``self.queue`` for ``self.queue[0]``."""
    return name.partition("[")[0] if re.match(r"[^\W\d]", name) else ""


def _bytes_of(subject: Subject) -> int | None:
    size_bytes = _ELEMENT_BYTES.get(subject.dtype)
    if subject.shape is None or size_bytes is None:
        return None
    return math.prod(subject.shape) * size_bytes


def _shown_bytes(n_bytes: int) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes} bytes"
