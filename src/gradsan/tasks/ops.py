"""What an operation saves, writes and aliases, said for a person; and lists of the operations that do something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradsan import knowledge
from gradsan.knowledge import Case, Effect, Operation, Table
from gradsan.model.errors import UsageError

FAMILIES: tuple[tuple[str, ...], ...] = (
    ("sigmoid", "tanh", *(f"nn.functional.{n}" for n in ("relu", "gelu", "silu", "elu", "leaky_relu", "softplus"))),
    ("exp", "log", "sqrt", "rsqrt", "reciprocal", "square", "pow", "abs", "neg"),
    ("sin", "cos", "tan", "sinh", "cosh", "tanh"),
    ("add", "sub", "mul", "div", "pow", "maximum"),
    ("sum", "mean", "prod", "cumsum", "cumprod", "amax", "logsumexp", "norm"),
    ("mm", "bmm", "matmul", "addmm", "nn.functional.linear", "add"),
    ("softmax", "log_softmax", "nn.functional.softmax", "nn.functional.cross_entropy", "logsumexp"),
    ("nn.ReLU", "nn.GELU", "nn.SiLU", "nn.ELU", "nn.LeakyReLU", "nn.Sigmoid", "nn.Tanh", "nn.Dropout"),
    ("nn.BatchNorm2d", "nn.LayerNorm", "nn.GroupNorm", "nn.Linear", "nn.Conv2d"),
    ("view", "reshape", "clone", "contiguous", "expand", "chunk", "split", "detach"),
    ("masked_fill", "where", "index_select", "gather", "index_put", "scatter"),
)
"""Operations that people weigh against each other; which of them behave otherwise is read from the table."""


MOST_CASES = 6
"""More cases than a person reads (`matmul` by the dimensions of both sides) are in the JSON only."""


MOST_NAMES = 4
"""A longer list of arguments (the parameters of a transformer) is in the JSON only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a list is filtered by; all that is asked for must hold."""

    saves_result: bool = False
    saves_input: bool = False
    saves_nothing: bool = False
    writes: bool = False
    views: bool = False
    may_return_input: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked for."""
        return self == Wanted()


def find(name: str, *, table: Table | None = None) -> Operation:
    """Return the operation of a name.

    Raises:
        UsageError: The table doesn't know it; the message names the nearest ones.
    """
    table = table or knowledge.load()
    operation = table.lookup(name)
    if operation is not None:
        return operation
    close = table.nearest(name)
    hint = f"; the nearest names are {', '.join(f'`{n}`' for n in close)}" if close else ""
    known = f"the operation table of {table.framework} {table.version}"
    raise UsageError(f"no operation is called `{name}` in {known}{hint}")


def select(wanted: Wanted, *, table: Table | None = None) -> tuple[Operation, ...]:
    """Return the public operations that do all of what is wanted, by name."""
    table = table or knowledge.load()
    return tuple(o for o in table.operations() if o.kind != "schema" and _does(o, wanted))


def _does(operation: Operation, wanted: Wanted) -> bool:
    saves = bool(operation.saves_inputs) or operation.saves_result is not False
    return (
        (not wanted.saves_result or operation.saves_result is not False)
        and (not wanted.saves_input or bool(operation.saves_inputs))
        and (not wanted.saves_nothing or (operation.differentiable and not saves))
        and (not wanted.writes or bool(operation.writes))
        and (not wanted.views or operation.views != "none")
        and (not wanted.may_return_input or operation.may_return_input)
    )


def fields(operation: Operation) -> dict[str, Any]:
    """Return an operation as the JSON format shows it."""
    saved = operation.saves_result
    return {
        "name": operation.name,
        "kind": operation.kind,
        "saves_inputs": list(operation.saves_inputs),
        "saves_result": saved if isinstance(saved, bool) else list(saved),
        "saves_when": {operand: list(needs) for operand, needs in operation.saves_when.items()},
        "saved_not_read": list(operation.saved_not_read),
        "writes": list(operation.writes),
        "uncounted": list(operation.uncounted),
        "aliases": list(operation.aliases),
        "views": operation.views,
        "may_return_input": operation.may_return_input,
        "maybe": list(operation.maybe),
        "inplace": operation.inplace,
        "out_of_place": operation.out_of_place,
        "backward": operation.backward,
        "derivative": operation.derivative,
        "differentiable": operation.differentiable,
        "parameters": [p.name for p in operation.parameters],
        "cases": [case_fields(case) for case in operation.cases] if len(operation.cases) > 1 else [],
        "source": operation.source,
    }


def case_fields(case: Case) -> dict[str, Any]:
    """Return one case as the JSON format shows it."""
    return {
        "when": {name: dict(test) for name, test in case.when.items()},
        "saves": list(case.saves),
        "writes": list(case.writes),
        "aliases": list(case.aliases),
        "maybe": list(case.maybe),
    }


def page_of(operation: Operation, *, table: Table | None = None) -> str:
    """Return what a person wants to know of an operation, as Markdown."""
    table = table or knowledge.load()
    lines = [f"# {spelled(operation)}", ""]
    lines += [f"- {line}" for line in verdicts(operation)]
    if 1 < len(operation.cases) <= MOST_CASES:
        lines += ["", "It depends on the arguments:", ""]
        lines += [f"- {line}" for line in case_lines(operation)]
    facts = _facts(operation)
    if facts:
        lines += ["", *(f"- {fact}" for fact in facts)]
    others = related(operation, table)
    if others:
        lines += ["", "Operations that behave otherwise:", ""]
        lines += [f"- `{spelled(o)}` {says_saves(o)}" for o in others]
    lines += ["", f"From the table of {table.framework} {table.version} ({operation.source or 'schema'})."]
    return "\n".join(lines) + "\n"


def list_page(operations: Sequence[Operation]) -> str:
    """Return one line for each operation, as Markdown."""
    lines = [f"- `{spelled(o)}` {says_saves(o)}{_says_writes(o)}" for o in operations]
    return "\n".join([*lines, "", f"{len(operations)} operations."]) + "\n"


def spelled(operation: Operation) -> str:
    """Return the name as a program writes it."""
    if operation.kind == "schema":
        return operation.name
    if operation.kind == "method" and "." not in operation.name:
        return f"torch.Tensor.{operation.name}"
    return f"torch.{operation.name}"


def verdicts(operation: Operation) -> list[str]:
    """Say, for the call with default arguments, whether its input and its result may be written afterwards."""
    if not operation.differentiable:
        written = _names(operation.writes)
        return [f"It is not differentiable.{f' It writes {written}.' if written else ''}"]
    inputs = _tensor_names(operation)
    kept = [n for n in inputs if n in operation.saves_inputs]
    kept += [n for n in operation.saves_inputs if n not in kept]
    free = [n for n in inputs if n not in kept]
    lines = []
    if operation.writes:
        lines.append(f"It writes {_names(operation.writes)} in place.")
    if operation.uncounted:
        lines.append(f"The version counter does not count the writes to {_names(operation.uncounted)}.")
    lines += [_kept_line(operation, name) for name in kept]
    if free:
        lines.append(f"You may modify {_names(free)} in place afterwards: backward does not need the value.")
    lines.append(_result_line(operation))
    if operation.may_return_input:
        lines.append("The result may be its input, or share its memory: then a write to one is a write to the other.")
    elif operation.views != "none":
        what = "The results are views" if operation.views == "multiple" else "The result is a view"
        lines.append(f"{what} of {_names(operation.aliases)}: a write through one is seen by all.")
    return lines


def _kept_line(operation: Operation, name: str) -> str:
    needs = operation.saves_when.get(name, ())
    which = " or ".join(f"`{n}`" for n in needs) if len(needs) <= MOST_NAMES else "another of its tensors"
    when = f" when {which} requires a gradient" if needs else ""
    saved = "may be saved, depending on the arguments," if name in operation.maybe else "is saved"
    line = f"Do not modify `{name}` in place before backward: it {saved}{when}".rstrip(",") + "."
    if name in operation.saved_not_read:
        line += " Its values are not used, but a write raises all the same."
    return line


def _result_line(operation: Operation) -> str:
    if "result" in operation.maybe:
        return "Do not modify the result in place before backward: it may be saved, depending on the arguments."
    match operation.saves_result:
        case False:
            return "You may modify the result in place: it is not saved."
        case True:
            return "Do not modify the result in place before backward: it is saved."
        case indices:
            which = " and ".join(str(i) for i in indices)
            return f"Do not modify result {which} in place before backward: it is saved (counted from 0)."


def case_lines(operation: Operation) -> list[str]:
    """Say each case in one line."""
    lines = []
    for case in operation.cases:
        when = " and ".join(f"`{n}` {_says_test(t)}" for n, t in case.when.items()) or "otherwise"
        saved = [_operand_name(o) for o in case.saves if o not in case.maybe]
        maybe = [_operand_name(o) for o in case.saves if o in case.maybe]
        parts = [f"saves {' and '.join(saved)}" if saved else "" if maybe else "saves nothing"]
        parts.append(f"may save {' and '.join(maybe)}" if maybe else "")
        parts.append(f"writes {_names(case.writes)}" if case.writes else "")
        parts.append("may return its input" if case.may_return_input else "")
        lines.append(f"{when}: {'; '.join(p for p in parts if p)}")
    return lines


def _says_test(test: Any) -> str:
    return " and ".join(_says_one_test(key, wanted) for key, wanted in test.items())


def _says_one_test(key: str, wanted: Any) -> str:
    negative = key.endswith("_not")
    key = key.removesuffix("_not")
    if isinstance(wanted, bool):
        return f"is {'' if wanted else 'not '}{key}"
    values = " or ".join(_says_value(key, w) for w in wanted)
    return f"is {'not ' if negative else ''}{values}"


def _says_value(key: str, value: Any) -> str:
    if key == "ndim":
        return f"{value}-dimensional"
    if key == "kind":
        return {"none": "None", "number": "a number", "tensor": "a tensor"}.get(value, "something else")
    return f"`{value!r}`"


def related(operation: Operation, table: Table) -> list[Operation]:
    """Return operations of the same family that save something else."""
    found: dict[str, Operation] = {}
    for family in FAMILIES:
        if operation.name in family:
            for name in family:
                other = table.lookup(f"torch.{name}")
                if other is not None and _saves(other) != _saves(operation):
                    found[other.name] = other
    return list(found.values())[:6]


def _saves(operation: Operation | Effect) -> tuple[bool, bool]:
    return bool(operation.saves_inputs), operation.saves_result is not False


def says_saves(operation: Operation) -> str:
    """Say what an operation saves, as the end of a sentence."""
    parts = [_names(operation.saves_inputs)] if operation.saves_inputs else []
    if operation.saves_result is not False:
        results = operation.saves_result
        parts.append("its result" if results is True else f"result {' and '.join(map(str, results))}")
    if not parts:
        return "saves nothing" if operation.differentiable else "is not differentiable"
    return f"saves {' and '.join(parts)}"


def _says_writes(operation: Operation) -> str:
    return f", writes {_names(operation.writes)}" if operation.writes else ""


def _facts(operation: Operation) -> list[str]:
    return [
        f"{label}: `{value}`"
        for label, value in (
            ("derivative", operation.derivative),
            ("node", operation.backward),
            ("in-place twin", operation.inplace),
            ("out-of-place twin", operation.out_of_place),
        )
        if value
    ]


def _tensor_names(operation: Operation) -> list[str]:
    if operation.kind == "module":
        return list(operation.inputs[:1])
    return [p.name for p in operation.parameters if p.tensor and p.name not in ("out",)]


def _operand_name(operand: str) -> str:
    return "its result" if operand == "result" else f"`{operand}`"


def _names(names: Sequence[str]) -> str:
    return " and ".join(f"`{n}`" for n in names)
