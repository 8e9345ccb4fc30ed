"""A rule's page, and the meaning of an error text."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from difflib import get_close_matches

from gradsan import knowledge
from gradsan.knowledge.error_texts import ErrorText, recognise
from gradsan.model.errors import UsageError
from gradsan.model.event import Refusal
from gradsan.rules import Rule, all_rules, find_rule

_FRAME = re.compile(r'^\s*(?:\[\w+\]:\s*)?File "(?P<path>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_NOT_THE_USERS = re.compile(r"site-packages|dist-packages|[/\\]lib[/\\]python\d|<frozen ")

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

_MEANINGS = {
    Refusal.SAVED_OVERWRITTEN: "A tensor that backward needs was modified in place after an operation had saved it.",
    Refusal.LEAF: "A leaf (a parameter, or a tensor with `requires_grad=True`) was to be modified in place.",
    Refusal.LEAF_VIEW: "A part or a view of a leaf (a parameter, or a tensor with `requires_grad=True`) was to be"
    " modified in place; `x[0] = ...` is such a write.",
    Refusal.MULTI_OUTPUT_VIEW: "One of several views that a single operation returned (`chunk`, `split`, `unbind`, a"
    " loop over the rows) was to be modified in place.",
    Refusal.NO_GRAD_VIEW: "A view made while gradients were off was to be modified in place while they are on.",
    Refusal.CUSTOM_FUNCTION_VIEW: "What a custom `autograd.Function` returned is a view of its input, and it was to be"
    " modified in place.",
    Refusal.MODULE_HOOK_VIEW: "A tensor that a module's full backward hook wraps was to be modified in place.",
    Refusal.INFERENCE_TENSOR: "A tensor made under `torch.inference_mode()` was to be modified in place outside of it.",
    Refusal.INFERENCE_SAVED: "A tensor made under `torch.inference_mode()` met an operation that must save it for"
    " backward.",
    Refusal.OVERLAP: "A tensor was to be modified in place whose elements share memory, with each other (`expand`) or"
    " with what the write reads.",
    Refusal.DIRTY_MARK: "A custom `autograd.Function` modified an input and marked it in a way that the engine can't"
    " follow.",
    Refusal.SAVED_DETACHED: "`detach_` took away the graph of a tensor that an operation had saved for backward.",
    Refusal.VIEW_DETACHED: "A view was to be cut from its graph in place, which would cut it from its base as well.",
    Refusal.CAPTURED: "A function that `torch.func` differentiates was to modify a tensor in place that was made"
    " outside of it.",
    Refusal.UNMAPPED: "A function under `vmap` was to write a tensor that is mapped over into one that is not.",
    Refusal.GRAPH_FREED: "A backward reached what an earlier backward had freed: a loss was used twice, or a state that"
    " outlives a step still has its history.",
    Refusal.OUT_WITH_GRADIENT: "A function was to write its result into `out=`, where its gradient must be recorded.",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the traceback."""

    path: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What an error text means.

    ``rules`` are those that can have led to it, the likeliest first; ``place`` is the innermost line of user code in
    the traceback, ``script`` its outermost file.
    """

    said: ErrorText
    meaning: tuple[str, ...]
    command: str
    """What to type next."""
    rules: tuple[Rule, ...]
    place: Place | None
    script: str | None


def rule_of(code_or_name: str) -> Rule:
    """Return the rule of a code or a name.

    Raises:
        UsageError: There is no such rule; the message names the nearest ones.
    """
    rule = find_rule(code_or_name)
    if rule is not None:
        return rule
    known = [word for each in all_rules() for word in (each.code, each.name)]
    close = get_close_matches(code_or_name.upper(), known, n=2) + get_close_matches(code_or_name.lower(), known, n=3)
    hint = f"; did you mean {' or '.join(f'`{word}`' for word in dict.fromkeys(close))}?" if close else ""
    raise UsageError(f"no rule is called `{code_or_name}`{hint or '; `gradsan explain` lists them'}")


def page_of(rule: Rule) -> str:
    """Return a rule's page in Markdown."""
    source = "".join(f"- {part.strip()}\n" for part in rule.source.split(";"))
    return (
        f"# {rule.code}: {rule.name}\n\n"
        f"{rule.summary}\n\n"
        f"## Why the gradient breaks\n\n{rule.explanation.strip()}\n\n"
        f"## Example\n\n```python\n{rule.example.strip()}\n```\n\n"
        f"## Instead\n\n```python\n{rule.instead.strip()}\n```\n\n"
        f"## Allow\n\nWhere it is meant: `# gradsan: allow[{rule.name}] reason`, on the line that is reported.\n\n"
        f"## Source\n\n{source}"
    )


def index_page() -> str:
    """Return the list of all rules in Markdown."""
    rows = "".join(f"| [{rule.code}]({rule.name}.md) | `{rule.name}` | {rule.summary} |\n" for rule in all_rules())
    return (
        "# Rules\n\n"
        "Codes are by consequence: GS1xx backward raises, GS2xx forward raises,\n"
        "GS3xx nothing is raised and the gradient is wrong, GS4xx under transforms,\n"
        "GS5xx a framework's own, GS9xx advice.\n"
        "`gradsan explain CODE` prints a page in the terminal.\n\n"
        f"| code | name | what it catches |\n|---|---|---|\n{rows}"
    )


def list_of_rules() -> str:
    """Return one line a rule: code, name, summary."""
    return "".join(f"- {rule.code} {rule.name}: {rule.summary}\n" for rule in all_rules())


def documentation() -> dict[str, str]:
    """Return the generated pages of ``docs/rules``: file name -> text."""
    return {"README.md": index_page(), **{f"{rule.name}.md": page_of(rule) for rule in all_rules()}}


def rule_fields(rule: Rule) -> dict[str, object]:
    """Return a rule as JSON has it."""
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": rule.severity.value,
        "summary": rule.summary,
        "explanation": rule.explanation,
        "example": rule.example,
        "instead": rule.instead,
        "source": rule.source,
    }


def read_error(text: str) -> Reading:
    """Say what an error text or a traceback means.

    Raises:
        UsageError: No refusal of an in-place write is in the text.

    Example:
        >>> reading = read_error("a leaf Variable that requires grad is being used in an in-place operation.")
        >>> [rule.code for rule in reading.rules]
        ['GS201']
    """
    said = recognise(text)
    if said is None:
        raise UsageError(
            "no in-place error of a framework was recognised in the text;"
            " expected PyTorch's message or a traceback that ends in it"
        )
    frames = [Place(m["path"], int(m["line"])) for m in _FRAME.finditer(text)]
    users = [frame for frame in frames if not _NOT_THE_USERS.search(frame.path)]
    script = next((frame.path for frame in users if frame.path.endswith(".py")), None)
    place = users[-1] if users else None
    return Reading(
        said=said,
        meaning=_meaning(said, place),
        command=f"gradsan run {shlex.quote(script or 'train.py')}",
        rules=_rules_of(said),
        place=place,
        script=script,
    )


def fields_of_rules() -> list[dict[str, object]]:
    """Return every rule as JSON has it."""
    return [rule_fields(rule) for rule in all_rules()]


def page_of_reading(reading: Reading) -> str:
    """Return what an error text means, in Markdown."""
    meaning = "".join(f"- {sentence}\n" for sentence in reading.meaning)
    rules = "".join(f"- {rule.code} {rule.name}: {rule.summary}\n" for rule in reading.rules)
    origin = (
        "the line that saved" if reading.said.refusal is Refusal.SAVED_OVERWRITTEN else "where the tensor came from"
    )
    first = reading.rules[0].code if reading.rules else ""
    return (
        f"# What it means\n\n{meaning}\n"
        f"# {'The rule' if len(reading.rules) == 1 else 'The rules that lead here, the likeliest first'}\n\n{rules}\n"
        f"# What to do next\n\n"
        f"- `{reading.command}` names the line that wrote, {origin}, and the code to write instead.\n"
        f"- `gradsan explain {first}` shows why, with an example and what to write instead.\n"
    )


def reading_fields(reading: Reading) -> dict[str, object]:
    """Return what an error text means as JSON has it."""
    said, place = reading.said, reading.place
    return {
        "refusal": said.refusal.value,
        "tensor_type": said.tensor_type,
        "shape": None if said.shape is None else list(said.shape),
        "producer": said.producer,
        "output_number": said.output_number,
        "version_found": said.version_found,
        "version_expected": said.version_expected,
        "written_elsewhere": said.written_elsewhere,
        "place": None if place is None else {"path": place.path, "line": place.line},
        "meaning": list(reading.meaning),
        "rules": [rule_fields(rule) for rule in reading.rules],
        "next": reading.command,
    }


def _meaning(said: ErrorText, place: Place | None) -> tuple[str, ...]:
    sentences = [_MEANINGS[said.refusal], *_tensor(said), *_producer(said), *_versions(said)]
    if said.written_elsewhere:
        sentences.append(
            "The write itself went through: it hit the base, or another view of it, earlier. The line that raised only"
            " used the view."
        )
    if place is not None:
        sentences.append(f"{place.path}, line {place.line}: {_what_stands_there(said)}")
    return tuple(sentences)


def _tensor(said: ErrorText) -> list[str]:
    if said.tensor_type is None:
        return []
    shape = f" of shape {said.shape}" if said.shape is not None else ""
    scalar = " (a single number)" if said.shape == () else ""
    where = " on a CUDA device" if ".cuda." in said.tensor_type else ""
    return [f"`{said.tensor_type}`: the overwritten tensor{shape}{scalar}{where}."]


def _producer(said: ErrorText) -> list[str]:
    if said.producer is None:
        if said.refusal is Refusal.SAVED_OVERWRITTEN and said.version_found is not None:
            return [
                'No "output ... of": the tensor has no node. It is a parameter, a buffer, an input, or a constant'
                " such as a target or a mask."
            ]
        return []
    name = f"output {said.output_number} of {said.producer}"
    match said.operation:
        case "AsStrided":
            return [
                f"{name}: nobody called `as_strided`. The saved tensor is a view, and its base, or another view of it,"
                " was modified after the view was saved. A layer's weight is saved as its transpose, a view: an"
                " optimizer step before backward reads the same."
            ]
        case "torch::autograd::CopySlices" | "CopySlices":
            return [f"{name}: the tensor had been modified through a view already before it was saved."]
        case _ if said.refusal is not Refusal.SAVED_OVERWRITTEN:
            return [f"{name}: the view is what `{_operation_name(said)[0]}` returned."]
        case _:
            operation, saves_result = _operation_name(said)
            return [f"{name}: the tensor is what `{operation}` returned. {_who_saved(operation, saves_result)}"]


def _operation_name(said: ErrorText) -> tuple[str, bool | None]:
    """Return the operation of the producing node, and whether it saves its own result; None when unknown."""
    table = knowledge.load()
    known = table.by_node(said.producer or "") or table.by_node(f"{said.operation}Backward0")
    if known is None:
        return said.operation or "", None
    return known.name, bool(known.saves_result)


def _who_saved(operation: str, saves_result: bool | None) -> str:
    if saves_result is None:
        return "It saved its own result, or a later operation saved it as its input."
    if saves_result:
        return f"`{operation}` saves its own result; a later operation can have saved it as its input, too."
    return f"`{operation}` does not save its own result: a later operation saved the tensor as its input."


def _versions(said: ErrorText) -> list[str]:
    n_writes = said.n_writes
    if n_writes is None:
        return []
    count = _NUMBERS[n_writes] if 0 <= n_writes < len(_NUMBERS) else str(n_writes)
    writes = f"{count} in-place write{'s' if n_writes != 1 else ''} came"
    twice = " (`x[i] += 1` counts as two, an optimizer step as one or more)" if n_writes > 1 else ""
    return [f"version {said.version_found}, expected {said.version_expected}: {writes} after it was saved{twice}."]


def _what_stands_there(said: ErrorText) -> str:
    if said.refusal is Refusal.SAVED_OVERWRITTEN:
        return (
            "the backward that needed the old value. The line that wrote and the line that saved are not in the text."
        )
    if said.written_elsewhere:
        return "the use of the view."
    if said.refusal is Refusal.GRAPH_FREED:
        return "the backward that came there a second time."
    if said.refusal is Refusal.INFERENCE_SAVED:
        return "the operation that must save the tensor."
    return "the call of the custom Function." if said.refusal is Refusal.DIRTY_MARK else "the write."


def _rules_of(said: ErrorText) -> tuple[Rule, ...]:
    rules = [rule for rule in all_rules() if rule.refusal is said.refusal]
    if said.refusal is not Refusal.SAVED_OVERWRITTEN:
        return tuple(rules)
    # Without a node the tensor is a parameter or a buffer; AsStrided is a view whose base was written.
    likely: tuple[str, ...] = ("GS101", "GS106")
    if said.operation == "AsStrided":
        likely = ("GS105", "GS102", "GS103", "GS106")
        if said.shape is not None and len(said.shape) == 2 and said.version_expected:
            # A linear layer's weight is saved transposed, and its initialisation was the first write.
            likely = ("GS102", "GS103", "GS105", "GS106")
    elif said.producer is None and said.version_found is not None:
        likely = ("GS102", "GS104", "GS103", "GS101")
    return tuple(rule for code in likely for rule in rules if rule.code == code)
