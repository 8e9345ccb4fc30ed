"""Where nothing breaks: paths for numbers, for lists, for one step of generation after another; what optimizers do."""

from __future__ import annotations

import re

from gradsan.source.flow.graph import Guard, Place, Save, Write
from gradsan.source.flow.machine import Machine
from gradsan.source.flow.modes import decorated_off
from gradsan.source.hierarchy import is_module_class, is_optimizer_class
from gradsan.source.plausible import stands_with_optimizers

_SETTING = re.compile(r"(?:not )?self\.(?!training\b)\w+")
_KEPT = re.compile(
    r"(?!\w*(?:hidden|query|key|value|residual|attention)_states\b)\w*(?:state|states|cache|caches|past_key_values?)\b"
)
"""Names of what a model keeps from one step of generation to the next; its hidden states are none of these."""


def is_decoding(write: Write) -> bool:
    """Return whether a state that the caller keeps is updated where it is: one step of generation after another."""
    return not write.storage.is_own and _KEPT.match(write.target) is not None


def is_compared(machine: Machine, write: Write) -> bool:
    """Return whether a path is taken by the written value's own size.

    With ``if start < 0: start += n`` it is a number, with ``if table.numel() == 0`` it is filled for the first time.
    """
    target = re.escape(write.target)
    wanted = re.compile(rf"{target} [<>]=? -?\d+$" if write.target.isidentifier() else "$.")
    empty = re.compile(rf"(?:{target}\.(?:numel\(\)|nelement\(\)|size\(0\)|shape\[0\])|len\({target}\)) == 0$")
    for literal in write.guard:
        text = machine.described[abs(literal)].text if abs(literal) in machine.described else ""
        if wanted.match(text) or (literal > 0 and empty.match(text)):
            return True
    return False


def handed_to_numpy(machine: Machine, guard: Guard) -> frozenset[str]:
    """Return the parameters that NumPy is given on every path of a guard: no gradient flows to them there."""
    return frozenset().union(*(roots for roots, way in machine.given_to_numpy if way <= guard))


def tells_tuples(machine: Machine, guard: Guard) -> bool:
    """Return whether a path is for tuples or lists: what is iterated over there is rather one of these."""
    texts = (machine.described[literal].text for literal in guard if literal > 0 and literal in machine.described)
    return any(text.startswith("isinstance(") and text.endswith(("tuple)", "list)")) for text in texts)


_KIND = re.compile(r"isinstance\(([^,]+), (.+)\)$")


def is_no_tensor(machine: Machine, guard: Guard, names: set[str]) -> bool:
    """Return whether a path is taken only where what a name stands for is something else than a tensor."""
    for literal in guard:
        text = machine.described[abs(literal)].text if abs(literal) in machine.described else ""
        asked = _KIND.match(text)
        if asked is not None and asked[1] in names and (literal > 0) is not ("Tensor" in asked[2]):
            return True
    return False


def is_of_optimizer(machine: Machine, place: Place) -> bool:
    """Return whether a place stands in an optimizer, or among its helpers: what it updates is not differentiated."""
    project, classes = machine.project, place.module.classes
    owner = classes.get(place.function.partition(".")[0])
    is_network = owner is not None and is_module_class(project, owner)
    if stands_with_optimizers(place) and not is_network:
        return True
    if owner is not None:
        return is_optimizer_class(project, owner)
    has_optimizer = any(is_optimizer_class(project, info) for info in classes.values())
    return has_optimizer and not any(is_module_class(project, info) for info in classes.values())


def is_called_by_step(machine: Machine, place: Place) -> bool:
    """Return whether a method serves an optimizer's own ``step``, and that switches gradients off."""
    name, _, method = place.function.partition(".")
    owner = place.module.classes.get(name)
    if owner is None or method == "step" or not is_optimizer_class(machine.project, owner):
        return False
    step = owner.methods.get("step")
    return step is not None and decorated_off(step.decorators)


def may_be_left_out(machine: Machine, guard: Guard) -> bool:
    """Return whether a path is taken only where a caller gives what it may leave out: who wants a gradient does."""
    texts = (machine.described[-literal].text for literal in guard if literal < 0 and -literal in machine.described)
    return any(text.endswith(" is None") for text in texts)


def hangs_on_two_objects(machine: Machine, save: Save, write: Write) -> bool:
    """Return whether a path hangs on a setting of an object and on one that was computed for another, which it calls.

    Both may come from one thing. What was given as it is, both know for one.
    """
    known = (machine.described.get(abs(literal)) for literal in save.guard | write.guard)
    settings = [each for each in known if each is not None and each.stack and _SETTING.match(each.text)]
    owners = {id(each.stack[-1].owner) for each in settings}
    if len(owners) < 2:
        return False
    return any(
        not each.is_given and owners & {id(caller.owner) for caller in each.stack} - {id(each.stack[-1].owner)}
        for each in settings
    )
