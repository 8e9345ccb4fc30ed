"""Comprehensions: loops that collect."""

from __future__ import annotations

import ast
from collections.abc import Callable

from gradsan.source.flow.branches import decide
from gradsan.source.flow.iterating import loop_items
from gradsan.source.flow.machine import Frame, evaluate, evaluates
from gradsan.source.flow.targets import assign
from gradsan.source.flow.values import Const, Mapping, Sequence, Value
from gradsan.source.walking import walk


@evaluates(ast.ListComp, ast.SetComp, ast.GeneratorExp)
def _comprehension(frame: Frame, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value:
    items: list[Value] = []
    is_exact = _generate(frame, node.generators, 0, lambda: items.append(evaluate(frame, node.elt)))
    return Sequence(items, is_exact=is_exact)


@evaluates(ast.DictComp)
def _dict_comprehension(frame: Frame, node: ast.DictComp) -> Value:
    found: dict[object, Value] = {}

    def add() -> None:
        key = evaluate(frame, node.key)
        found[key.value if isinstance(key, Const) and isinstance(key.value, (str, int)) else len(found)] = evaluate(
            frame, node.value
        )

    is_exact = _generate(frame, node.generators, 0, add)
    return Mapping(found, is_exact=is_exact)


def _generate(frame: Frame, generators: list[ast.comprehension], at: int, produce: Callable[[], None]) -> bool:
    """Run the loops of a comprehension; return whether every element is known."""
    if at == len(generators):
        produce()
        return True
    generator = generators[at]
    machine = frame.machine
    items, is_exact = loop_items(frame, evaluate(frame, generator.iter), generator.iter)
    target = generator.target
    names = [target.id] if isinstance(target, ast.Name) else [n.id for n in walk(target) if isinstance(n, ast.Name)]
    hidden = {name: frame.local[name] for name in names if name in frame.local}
    for item in items:
        machine.fuel -= 1
        assign(frame, target, item, generator.iter)
        before = machine.guard
        skip = False
        for test in generator.ifs:
            verdict, when_true, _ = decide(frame, test)
            if verdict is False:
                skip = True
                break
            if verdict is None:
                is_exact = False
                machine.guard |= when_true
        if not skip:
            is_exact = _generate(frame, generators, at + 1, produce) and is_exact
        machine.guard = before
    for name, value in hidden.items():
        machine.journal.set(frame.local, name, value)
    return is_exact
