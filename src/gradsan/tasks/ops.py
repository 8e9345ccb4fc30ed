"""What an operation saves, writes and aliases: found by name, or listed by what it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradsan import knowledge
from gradsan.knowledge import Case, Operation, Table
from gradsan.model.errors import UsageError
from gradsan.tasks import operation_page


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
    return tuple(o for o in table.operations() if operation_page.is_public(o) and _does(o, wanted))


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
        "note": operation.note,
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
    return operation_page.page_of(operation, table or knowledge.load())


def list_page(operations: Sequence[Operation]) -> str:
    """Return one line for each operation, as Markdown."""
    return operation_page.list_page(operations)
