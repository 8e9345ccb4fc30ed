"""The proof of a repair: what the edited program computed, held against what the original means.

# NOTE [Two references] The original is run under protection: its losses are those of the program, its gradients the
true ones of what was computed.  Where a write is refused there is no such run; it is then made twice, once with every
alias seeing the write, once with none (NOTE [Refused writes] in the torch witness).  The first gives the values.  Where
the second has the same losses, no alias mattered to them, and it gives the gradients as well.

# NOTE [Recorded writes] Protection leaves the gradient of a value that was written off the tape (``h.data.mul_(mask)``)
as wrong as it was.  An edit that records the write is held against a third run, in which the writes of the original are
recorded wherever a gradient flows.

# NOTE [Leaves as accumulators] ``total = torch.zeros(1, requires_grad=True); total += loss`` is refused.  Off the tape
the losses would have no gradient; added out of place, ``total`` is no leaf any more and has none itself.  Where nobody
asks for it, that is what was meant.

# NOTE [Joined graphs] Nor does protection change where a gradient ends.  An edit that lets a computed value keep its
# history is held against a run in which it keeps it all the same, in place of the leaf that it went into; that leaf has
# no gradient any more.

# NOTE [Kept gradients] What an optimizer keeps of a gradient, or shares, changes what it steps with: an edit that mends
# this is held against a run in which it keeps copies, whose later losses are its own.

# NOTE [Moved writes] Where an edit moves a write behind a backward, a leaf has another value before it; its gradient
after it, the losses, and the state at the end are what they were.  A step that was moved may have met the gradients of
the other backward as well, and no loss may tell: what every optimizer stepped with has to be the same, too.

# NOTE [Reordered updates] Where an edit moves a whole update (`zero_grad`, `backward`, `step`) behind another one, the
backward passes come in another order, and a leaf holds other gradients in between: those that its own update drops.
What every optimizer stepped with, the losses, and the state at the end are what they were.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gradsan.record.observations import BackwardPass, Observations, Sample, all_same, merged, same, same_leaves
from gradsan.tasks.trial import Seen

_LOSS = "the loss"
_STEPPED = "what an optimizer stepped with"
_UNTOLD = "the original has no gradients to compare with, its write was refused"
_GONE = "is None,"
_NO_GRADIENT = "'NoneType' object has no attribute"
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Iteration|Warning|Exit)\b")
"""How the line of a traceback begins that names the exception."""
_NUMBER = re.compile(r"(?:0x)?\d+")


@dataclass(frozen=True, slots=True)
class Reference:
    """What the original means; ``replaced`` only where a write was refused."""

    protected: Seen
    replaced: Seen | None = None
    recorded: Seen | None = None
    """See NOTE [Recorded writes]; only where an edit records a write."""
    joined: Seen | None = None
    """See NOTE [Joined graphs]; only where an edit joins a graph."""
    kept: Seen | None = None
    """See NOTE [Kept gradients]; only where an edit is about them."""
    unstable: frozenset[str] = frozenset()
    """Paths of the final state that differ from run to run."""

    @property
    def is_refused(self) -> bool:
        """Whether the framework refused a write of the original."""
        return bool(self.protected.observations.refused)

    @property
    def is_unseen(self) -> bool:
        """Whether no loss depended on an alias seeing the refused writes."""
        if self.replaced is None or self.replaced.problem:
            return False
        first, second = self.protected.observations, self.replaced.observations
        is_alike = (self.protected.status, len(first.passes)) == (self.replaced.status, len(second.passes))
        # Without its gradient the program may fail on `x.grad` being None; the losses until then are its own.
        is_cut_short = any(refused.cuts for refused in first.refused) and 0 < len(first.passes) <= len(second.passes)
        if not is_alike and not (is_cut_short and self.protected.status):
            return False
        return all(all_same(a.roots, b.roots) for a, b in zip(first.passes, second.passes, strict=False))

    def is_left_without_gradient(self, model: Seen) -> bool:
        """Whether a run may have failed at its end for the gradient of a leaf that became a step of the computation.

        What was written has a gradient of its own, so that the write is one; see NOTE [Leaves as accumulators].
        """
        refused = self.protected.observations.refused
        is_step = all(each.is_on_leaf for each in refused) and any(each.cuts for each in refused)
        return model is self.replaced and is_step and _NO_GRADIENT in model.error

    def ends_like(self, edited: Seen) -> bool:
        """Whether the original may be meant to end as an edited program did."""
        return any(ends_alike(edited, run) for run in (self.protected, self.replaced) if run is not None)


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether an edited program agrees with the reference, as far as it ran; ``why_not`` names the first difference."""

    holds: bool
    why_not: str = ""
    n_losses: int = 0
    n_gradients: int = 0
    is_gradient_compared: bool = True

    @property
    def loses_gradient(self) -> bool:
        """Whether the edited program lost the gradient of a leaf: it is none any more."""
        return _GONE in self.why_not


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What kinds of edits were made."""

    keep_off_tape: bool = False
    is_of_leaf: bool = False
    """Whether what is kept off the tape writes a leaf that has to stay one: its gradient is lost where it is copied."""
    is_of_state: bool = False
    """Whether what is kept off the tape writes a leaf that an object holds, or is a step along its gradient."""
    record: bool = False
    """Whether one puts a write on the tape that was off it."""
    join: bool = False
    """Whether one lets a value that went into a leaf keep its history."""
    keep: bool = False
    """Whether one lets an optimizer keep a copy of a gradient, or goes on sharing one."""
    move: bool = False
    """Whether one moves a write behind a backward."""
    reorder: bool = False
    """Whether one moves an update behind another one."""


def prove(reference: Reference, edited: Seen, edits: Edits, *, is_whole: bool) -> Proof:
    """Compare an edited program with the original.

    Args:
        reference: What the original means.
        edited: What the edited program did.
        edits: What was done to it.
        is_whole: Whether the edited program is to be compared to its end, state and exit status included; if not, as
            far as it ran; where something remains to be repaired, up to the first gradient that differs.
    """
    if edits.record or edits.join or edits.keep:
        model, why_not = _changed(reference, edits)
    else:
        model, why_not = _model(reference, edits)
    if model is not None and is_whole and reference.protected.observations.problems:
        model, why_not = None, reference.protected.observations.problems[0]
    if model is None:
        return Proof(False, why_not)
    with_gradients = not reference.is_refused or edits.keep_off_tape or model is reference.replaced
    why_not = _says_nothing(edited.observations.passes, with_gradients=with_gradients) if is_whole else ""
    if why_not:
        return Proof(False, why_not)
    if edits.reorder:
        is_told = with_gradients and not edits.keep_off_tape
        return _prove_reordered(model, edited, is_whole=is_whole) if is_told else Proof(False, _UNTOLD)
    losses, compared = edited.observations.passes, model.observations.passes
    n_gradients = 0
    for number, (got, wanted) in enumerate(zip(losses, compared, strict=False), 1):
        why_not = _differs(got, wanted, with_gradients=with_gradients, is_moved=edits.move)
        if why_not and edited.findings and not is_whole and why_not != _LOSS:  # what remains to be repaired may be why
            break
        if why_not:
            return Proof(False, f"{why_not} of backward pass {number} differs")
        n_gradients += len(got.leaves) + len(got.returned)
    if is_whole:
        why_not = _differs_at_end(reference, model, edited, with_gradients=with_gradients)
        if edits.move and not _are_same_updates(edited.observations.updates, model.observations.updates):
            why_not = why_not or _STEPPED
        if why_not:
            return Proof(False, f"{why_not} differs")
    return Proof(True, "", len(losses), n_gradients, with_gradients)


def _says_nothing(passes: Sequence[BackwardPass], *, with_gradients: bool) -> str:
    """Return why passes that agree prove nothing: what is not a number agrees whatever was computed."""
    roots = [root for each in passes for root in each.roots if root is not None]
    if roots and not any(root.has_finite for root in roots):
        return "no loss is finite: there is nothing to compare"
    gradients = [one for each in passes for one in (*(leaf.grad for leaf in each.leaves), *each.returned)]
    known = [gradient for gradient in gradients if gradient is not None and gradient.values]
    if with_gradients and known and not any(gradient.has_finite for gradient in known):
        return "no gradient is finite: there is nothing to compare"
    return ""


def ends_alike(one: Seen, other: Seen) -> bool:
    """Whether two runs ended with the same status, and in the same exception where they ended in one."""
    return one.status == other.status and (one.status == 0 or _exception_of(one) == _exception_of(other))


def _exception_of(seen: Seen) -> str:
    lines = [line for line in seen.error.splitlines() if _EXCEPTION.match(line)]
    return _NUMBER.sub("#", lines[-1]) if lines else ""


def _prove_reordered(model: Seen, edited: Seen, *, is_whole: bool) -> Proof:
    """See NOTE [Reordered updates]."""
    got, wanted = edited.observations, model.observations
    left = list(wanted.passes)
    for number, done in enumerate(got.passes, 1):
        twin = next((each for each in left if _is_same_pass(done, each)), None)
        if twin is None:
            return Proof(False, f"{_LOSS} of backward pass {number} differs")
        left.remove(twin)
    if not is_whole:
        return Proof(True, n_losses=len(got.passes))
    if not ends_alike(edited, model) or left or not all(done.is_complete for done in got.passes):
        return Proof(False, "a backward pass, which did not end, differs")
    if not got.updates or not _are_same_updates(got.updates, wanted.updates):
        return Proof(False, f"{_STEPPED} differs")
    changed = next((path for path in wanted.state if not path.endswith(".grad") and _is_changed(path, got, wanted)), "")
    n_gradients = sum(len(update) for update in got.updates)
    return Proof(False, f"`{changed}` differs") if changed else Proof(True, "", len(got.passes), n_gradients)


def _is_same_pass(one: BackwardPass, other: BackwardPass) -> bool:
    return all_same(one.roots, other.roots) and (not one.is_complete or all_same(one.returned, other.returned))


def _are_same_updates(some: Sequence[tuple[Sample | None, ...]], others: Sequence[tuple[Sample | None, ...]]) -> bool:
    """Whether two runs stepped with the same gradients, in whichever order."""
    left = list(others)
    for update in some:
        at = next((at for at, other in enumerate(left) if all_same(update, other)), None)
        if at is None:
            return False
        del left[at]
    return not left


def _is_changed(path: str, got: Observations, wanted: Observations) -> bool:
    return path in got.state and not same(wanted.state[path], got.state[path])


def _model(reference: Reference, edits: Edits) -> tuple[Seen | None, str]:
    """Return the run that an edit of this kind must agree with; None and why, where there is none."""
    protected, replaced = reference.protected, reference.replaced
    if not reference.is_refused:
        why_not = "the edit keeps a write off the tape that was recorded" if edits.keep_off_tape else ""
        return (None if why_not else protected), why_not
    if not edits.keep_off_tape:
        return (replaced if reference.is_unseen else protected), ""
    if any(refused.cuts for refused in protected.observations.refused):
        return None, "off the tape, the gradient of the written value would be lost"
    if not all(refused.is_on_leaf or refused.is_on_parameter for refused in protected.observations.refused):
        return None, "off the tape, the gradient through the write would be lost"
    if protected.observations.writes_output or (protected.observations.takes_view and not reference.is_unseen):
        return None, "the program goes on with what it wrote: it can't be told whether it means to set the parameter"
    # A parameter that is written itself is state.  Another leaf may be meant as the input it was, a view of a parameter
    # as a value to go on with: where no loss depended on it, it can't be told.
    is_state = all(refused.is_on_parameter and refused.is_on_leaf for refused in protected.observations.refused)
    compared = replaced if reference.is_unseen and not is_state and not edits.is_of_leaf else None
    is_gradient_told = not all(refused.is_on_parameter for refused in protected.observations.refused)
    is_other = compared is not None and _state_differs(reference, protected, compared, with_gradients=is_gradient_told)
    is_open = is_gradient_told and not (edits.is_of_leaf or edits.is_of_state)
    if is_other or (is_open and replaced is not None and _has_other_gradients(protected, replaced)):
        return None, "it can't be told whether the write sets the leaf's value or is a step of the computation"
    return protected, ""


def _has_other_gradients(one: Seen, other: Seen) -> bool:
    """Whether two runs, as long as they compute the same losses, give other gradients; one may end before the other."""
    for got, wanted in zip(one.observations.passes, other.observations.passes, strict=False):
        if not all_same(got.roots, wanted.roots):
            return False
        is_told = got.is_complete and wanted.is_complete
        if is_told and not same_leaves(merged(got.leaves), merged(wanted.leaves), by_gradient=True):
            return True
    return False


def _changed(reference: Reference, edits: Edits) -> tuple[Seen | None, str]:
    """See NOTE [Recorded writes], NOTE [Joined graphs] and NOTE [Kept gradients]."""
    if edits.record + edits.join + edits.keep > 1:
        return None, "there is no run in which all of it is as it is meant"
    if edits.keep:
        is_run = reference.kept is not None and not reference.kept.problem
        return (reference.kept, "") if is_run else (None, "the program does not run with its gradients kept")
    protected, changed = reference.protected, reference.recorded if edits.record else reference.joined
    way = "its writes recorded" if edits.record else "its graphs joined"
    if changed is None or changed.problem or changed.status != protected.status:
        return None, f"the program does not run with {way}"
    first, second = protected.observations.passes, changed.observations.passes
    if len(first) != len(second) or not all(all_same(a.roots, b.roots) for a, b in zip(first, second, strict=True)):
        return None, f"with {way} the program computes another loss"
    return changed, ""


def _differs(got: BackwardPass, wanted: BackwardPass, *, with_gradients: bool, is_moved: bool = False) -> str:
    if not all_same(got.roots, wanted.roots):
        return _LOSS
    if not with_gradients or not got.is_complete:
        return ""
    if not wanted.is_complete:
        return ""
    if not all_same(got.returned, wanted.returned):
        return "a returned gradient"
    return "" if same_leaves(got.leaves, wanted.leaves, by_gradient=is_moved) else "a gradient"


def _differs_at_end(reference: Reference, model: Seen, edited: Seen, *, with_gradients: bool) -> str:
    if not ends_alike(edited, model) and not (edited.status == 0 and reference.is_left_without_gradient(model)):
        if edited.status and _NO_GRADIENT in edited.error:
            return f"a gradient that is asked for, and {_GONE}"
        is_other = edited.status != model.status
        return f"the exit status ({edited.status}, not {model.status})" if is_other else "the exception it ends in"
    if misses(edited, model) and misses(edited, reference.protected):
        return f"a gradient that is asked for, and {_GONE}"
    n_got, n_wanted = len(edited.observations.passes), len(model.observations.passes)
    if n_got != n_wanted:
        return f"the number of backward passes ({n_got}, not {n_wanted})"
    if not all(done.is_complete for done in edited.observations.passes):
        return "a backward pass, which did not end"
    if not with_gradients:
        return ""
    protected = reference.protected.observations
    if model is reference.joined:
        leaves = {path: sample for path, sample in protected.state.items() if path in model.observations.state}
        protected = replace(protected, state=leaves)
    return _state_differs(reference, model, edited) or _missing_gradient(reference, protected, edited.observations)


def misses(one: Seen, other: Seen) -> bool:
    """Return whether more gradients were asked for in vain than in another run: of leaves that are none any more."""
    return one.observations.n_missed > other.observations.n_missed


def _state_differs(reference: Reference, model: Seen, edited: Seen, *, with_gradients: bool = True) -> str:
    wanted, got = model.observations, edited.observations
    for path, sample in wanted.state.items():
        if path in reference.unstable or (path.endswith(".grad") and not with_gradients):
            continue
        if path in got.state and not same(sample, got.state[path]):
            return f"`{path}`"
    return _missing_gradient(reference, wanted, got) if with_gradients else ""


def _missing_gradient(reference: Reference, wanted: Observations, got: Observations) -> str:
    """Name a leaf that had a gradient and has none any more: no backward reached it, or it is no leaf."""
    accumulates = any(each.cuts and each.is_on_leaf and not each.is_on_parameter for each in wanted.refused)
    left_out = reference.unstable | (wanted.unread if accumulates else set())  # NOTE [Leaves as accumulators]
    for path in wanted.state:
        leaf = path.removesuffix(".grad")
        is_there = leaf in got.state or leaf in got.steps
        if path != leaf and is_there and path not in got.state and path not in left_out:
            return f"`{path}`, which {_GONE}"
    return ""


def unstable_paths(one: Observations, other: Observations) -> frozenset[str]:
    """Return the paths of state that two runs of one program leave with different values."""
    return frozenset(
        path for path in one.state if path not in other.state or not same(one.state[path], other.state[path])
    )
