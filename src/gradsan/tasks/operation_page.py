"""What a person wants to know of an operation: whether its input, and its result, may be written afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradsan.knowledge import Case, Operation, Table

FAMILIES: tuple[tuple[str, ...], ...] = (
    ("sigmoid", "tanh", *(f"nn.functional.{n}" for n in ("relu", "gelu", "silu", "elu", "leaky_relu", "softplus"))),
    ("exp", "log", "sqrt", "rsqrt", "reciprocal", "square", "pow", "abs", "neg"),
    ("sin", "cos", "tan", "sinh", "cosh", "tanh"),
    ("add", "sub", "mul", "div", "pow", "maximum"),
    ("sum", "mean", "prod", "cumsum", "cumprod", "amax", "logsumexp", "norm"),
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

_STATEMENTS = ("Tensor.__setitem__",)
"""What is written as a statement, and returns nothing."""

_SOURCES = {
    "observed": "observed by running it",
    "by hand": "entered by hand",
    "": "read from its schema",
}


def page_of(operation: Operation, table: Table) -> str:
    """Return the page, as Markdown."""
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
    source = _SOURCES.get(operation.source, f"read from {operation.source}")
    lines += ["", f"From the table of {table.framework} {table.version}, {source}."]
    return "\n".join(lines) + "\n"


def list_page(operations: Sequence[Operation]) -> str:
    """Return one line for each operation, as Markdown."""
    lines = [f"- `{spelled(o)}` {says_saves(o)}{_says_writes(o)}" for o in operations]
    return "\n".join([*lines, "", f"{len(operations)} operations."]) + "\n"


def is_public(operation: Operation) -> bool:
    """Return whether programs call the operation by this name: it is no schema, and not private to torch."""
    last = operation.name.rpartition(".")[2]
    return operation.kind != "schema" and (not last.startswith("_") or last.endswith("__"))


def spelled(operation: Operation) -> str:
    """Return the name as a program writes it."""
    if operation.kind == "schema":
        return operation.name
    if operation.kind == "method" and "." not in operation.name:
        return f"torch.Tensor.{operation.name}"
    return f"torch.{operation.name}"


def verdicts(operation: Operation) -> list[str]:
    """Say, for the call with default arguments, what may be written afterwards and what may not."""
    lines = _writing(operation)
    if operation.differentiable:
        kept = [n for n in operation.saves_inputs if n not in _returned(operation)]
        lines += _keeping(operation, kept)
        held = {*kept, *operation.writes}
        free = [shown(operation, n) for n in _tensor_names(operation) if n not in held]
        if free:
            needed = "their values" if len(free) > 1 else "its value"
            lines.append(f"You may modify {_names(free)} in place afterwards: backward does not need {needed}.")
        lines += [] if _returned(operation) else [_result_line(operation)]
    elif operation.kind != "other":
        lines.append("It is not differentiable, and saves nothing.")
    elif not operation.note:
        lines.append("It returns no tensor: nothing is saved, written or shared.")
    lines += _sharing(operation)
    return [*lines, operation.note] if operation.note else lines


def shown(operation: Operation, name: str) -> str:
    """Return an argument's name as programs spell it: functions call ``self`` their ``input``."""
    if name == "self" and not _is_method(operation):
        return "input"
    # `max(input, other)` and `max(input, dim)` share a position: what is saved there is the tensor.
    parameter, other = operation.parameter(name), operation.parameter("other")
    if parameter is not None and not parameter.tensor and other is not None and other.chooses_overload:
        return "other"
    return name


def _is_method(operation: Operation) -> bool:
    return operation.kind in ("method", "schema") or operation.name.startswith("Tensor.")


def _returned(operation: Operation) -> tuple[str, ...]:
    """Return the arguments that the call writes and hands back."""
    return tuple(n for n in operation.writes if n in operation.aliases and f"writes:{n}" not in operation.maybe)


def _writing(operation: Operation) -> list[str]:
    returned = _returned(operation)
    hands_back = "" if operation.name in _STATEMENTS else " and returns it"
    lines = [f"It writes {_shown_names(operation, returned)} in place{hands_back}."] if returned else []
    sure = [n for n in operation.writes if n not in returned and f"writes:{n}" not in operation.maybe]
    if sure:
        lines.append(f"It writes {_shown_names(operation, sure)} in place.")
    unsure = [n for n in operation.writes if f"writes:{n}" in operation.maybe]
    if unsure:
        lines.append(f"It may write {_shown_names(operation, unsure)} in place, depending on the arguments.")
    if operation.uncounted:
        uncounted = _shown_names(operation, operation.uncounted)
        lines.append(f"The version counter does not count the write to {uncounted}.")
    if returned and operation.differentiable:
        again = f"modify {_shown_names(operation, returned)} again"
        if operation.saves_result is False:
            lines.append(f"You may {again} afterwards: backward needs neither what it was nor what it is now.")
        else:
            lines.append(f"Do not {again} before backward: what it is now, the result, is saved.")
    return lines


def _keeping(operation: Operation, kept: Sequence[str]) -> list[str]:
    """Say which arguments are saved; those under one condition together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name in kept:
        groups.setdefault((_condition(operation, name), _aside(operation, name)), []).append(shown(operation, name))
    lines = []
    for (condition, aside), names in groups.items():
        subject = "they are" if len(names) > 1 else "it is"
        if condition.startswith("may"):
            subject = "they" if len(names) > 1 else "it"
        lines.append(f"Do not modify {_names(names)} in place before backward: {subject} {condition}.{aside}")
    return lines


def _condition(operation: Operation, name: str) -> str:
    saved = "may be saved, depending on the arguments" if name in operation.maybe else "saved"
    needs = operation.saves_when.get(name, ())
    if not needs:
        return saved
    which = " or ".join(f"`{shown(operation, n)}`" for n in needs) if len(needs) <= MOST_NAMES else "another tensor"
    return f"{saved}{', and' if name in operation.maybe else ''} when {which} requires a gradient"


def _aside(operation: Operation, name: str) -> str:
    not_read = name in operation.saved_not_read
    return " Backward does not use the value, but refuses a write all the same." if not_read else ""


def _result_line(operation: Operation) -> str:
    if operation.views == "multiple":
        source = _shown_names(operation, operation.aliases)
        return f"Do not modify a result in place: each is one of several views of {source}, and the write is refused."
    maybe = [o for o in operation.maybe if o.startswith("result")]
    match operation.saves_result:
        case False if operation.n_results > 1:
            return "You may modify the results in place: none is saved."
        case False:
            return "You may modify the result in place: it is not saved."
        case True:
            saved = "it may be saved, depending on the arguments" if maybe else "it is saved"
            return f"Do not modify the result in place before backward: {saved}."
        case indices:
            which = _list([str(i) for i in indices])
            saved = "may be saved, depending on the arguments" if maybe else "is saved" if len(indices) == 1 else ""
            subject = f"results {which} (counted from 0)" if len(indices) > 1 else f"result {which} (counted from 0)"
            pronoun = "they" if len(indices) > 1 else "it"
            return f"Do not modify {subject} in place before backward: {pronoun} {saved or 'are saved'}."


def _sharing(operation: Operation) -> list[str]:
    if _returned(operation):
        return []
    source = _shown_names(operation, operation.aliases) or "its input"
    if operation.may_return_input:
        return [f"The result may be {source} itself or share its memory: then a write to one is a write to the other."]
    match operation.views:
        case "none" if operation.aliases:
            return [f"The result shares the memory of {source}: a write to one is a write to the other."]
        case "single":
            return [f"The result is a view of {source}: a write to one is a write to the other."]
        case "several" | "multiple":
            return [f"The results are views of {source}: a write to one is a write to the other."]
    return []


def case_lines(operation: Operation) -> list[str]:
    """Say each case in one line."""
    lines = []
    for case in operation.cases:
        tests = [_says_test(operation, name, test) for name, test in case.when.items()]
        parts = [_case_saves(operation, case)]
        parts.append(f"writes {_shown_names(operation, case.writes)}" if case.writes else "")
        parts.append("may return its input" if case.may_return_input else "")
        lines.append(f"{' and '.join(tests) or 'otherwise'}: {'; '.join(p for p in parts if p)}")
    return lines


def _case_saves(operation: Operation, case: Case) -> str:
    sure = [_operand(operation, o) for o in case.saves if o not in case.maybe]
    maybe = [_operand(operation, o) for o in case.saves if o in case.maybe]
    parts = [f"saves {_list(sure)}" if sure else "", f"may save {_list(maybe)}" if maybe else ""]
    return "; ".join(p for p in parts if p) or "saves nothing"


def _says_test(operation: Operation, name: str, test: Any) -> str:
    if set(test.get("kind_not", ())) == {"number", "none"}:
        test = {key: wanted for key, wanted in test.items() if key != "kind_not"} | {"kind": ["tensor"]}
    elif "kind" in test:
        # What it is tells what it is not.
        test = {key: wanted for key, wanted in test.items() if key != "kind_not"}
    called = shown(operation, name) if name == "self" or test.get("kind") == ["tensor"] else name
    return f"`{called}` " + " and ".join(_says_one_test(key, wanted) for key, wanted in test.items())


def _says_one_test(key: str, wanted: Any) -> str:
    negative = "not " if key.endswith("_not") else ""
    key = key.removesuffix("_not")
    if isinstance(wanted, bool):
        return f"is {'' if wanted else 'not '}{key}"
    values = " or ".join(_says_value(key, w) for w in wanted)
    return f"is {negative}of type {values}" if key == "dtype" else f"is {negative}{values}"


def _says_value(key: str, value: Any) -> str:
    if key == "ndim":
        return f"{value}-dimensional"
    if key == "kind":
        return {"none": "None", "number": "a number", "tensor": "a tensor"}.get(value, "something else")
    return value if key == "dtype" else f"`{value!r}`"


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


def _saves(operation: Operation) -> tuple[bool, bool]:
    return bool(operation.saves_inputs), operation.saves_result is not False


def says_saves(operation: Operation) -> str:
    """Say what an operation saves, as the end of a sentence."""
    parts = [f"`{shown(operation, n)}`" for n in operation.saves_inputs]
    if operation.saves_result is not False:
        results = operation.saves_result
        parts.append("its result" if results is True else f"result {_list(list(map(str, results)))}")
    if not parts:
        return "saves nothing" if operation.differentiable else "is not differentiable"
    return f"saves {_list(parts)}"


def _says_writes(operation: Operation) -> str:
    return f", writes {_shown_names(operation, operation.writes)}" if operation.writes else ""


def _facts(operation: Operation) -> list[str]:
    derivative = operation.derivative
    if derivative and not _is_method(operation):
        derivative = derivative.replace("self", "input")
    return [
        f"{label}: `{value}`"
        for label, value in (
            ("derivative", derivative),
            ("node", operation.backward),
            ("in-place twin", operation.inplace),
            ("out-of-place twin", operation.out_of_place),
        )
        if value
    ]


def _tensor_names(operation: Operation) -> list[str]:
    if operation.kind == "module":
        return list(operation.inputs[:1])
    names = [p.name for p in operation.parameters if p.tensor and p.name != "out"]
    is_bound = _is_method(operation) and operation.parameter("self") is not None
    return ["self", *names] if is_bound and "self" not in names else names


def _operand(operation: Operation, operand: str) -> str:
    if operand == "result":
        return "its result"
    if operand.startswith("result") and operand[len("result") :].isdigit():
        return f"result {operand[len('result') :]}"
    return f"`{shown(operation, operand)}`"


def _shown_names(operation: Operation, names: Sequence[str]) -> str:
    return _names([shown(operation, n) for n in names])


def _names(names: Sequence[str]) -> str:
    return _list([f"`{n}`" for n in dict.fromkeys(names)])


def _list(items: Sequence[str]) -> str:
    if len(items) > MOST_NAMES + 1:
        items = [*items[: MOST_NAMES - 1], f"{len(items) - MOST_NAMES + 1} more"]
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)
