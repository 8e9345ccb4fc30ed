"""The search for a repair: a cure at a time, each tried on the program, until nothing is found any more.

# NOTE [Compiled functions] What a program compiles has no lines that the recorder could see, and no writes that
protection could.  Where the mistake shows in the Python that was compiled too, the search runs that, and in the end the
repaired program once as it is.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from gradsan.knowledge.error_texts import recognise
from gradsan.model.diagnostic import Diagnostic
from gradsan.model.event import Refusal
from gradsan.model.rewrite import Edit, Fix
from gradsan.record.observations import Observations
from gradsan.source.rewrites import (
    gradient_zeroed,
    graph_joined,
    kept_entry,
    module_copies,
    no_grad,
    on_tape,
    update_moved,
)
from gradsan.source.rewrites.write_moved import TITLES as MOVES
from gradsan.tasks import trial
from gradsan.tasks.cures import MEANT, SEEN, SHOWN_LATER, UNDECIDED, cures_of, sets_state
from gradsan.tasks.fix_files import is_in_project
from gradsan.tasks.fix_progress import is_same, place_of
from gradsan.tasks.fix_proof import Edits, Proof, Reference, misses, prove, unstable_paths
from gradsan.tasks.fix_prune import without
from gradsan.tasks.overlay import overlaid
from gradsan.tasks.run import Program
from gradsan.tasks.source_edits import apply_edits
from gradsan.tasks.trial import Mode, Seen, Trial

MAX_ROUNDS = 16
MAX_TRIALS = 60
MAX_REASONS = 12
STALE_LOSS = "the same loss is backpropagated again after the step; whether to compute it anew is for you to decide"

AS_BEFORE = "the program computes what it computed before, and what was kept is meant to give other values"


@dataclass(frozen=True, slots=True)
class Step:
    """A state of the search: what has been edited, by which cures of which findings, and what that program did."""

    sources: dict[str, bytes]
    seen: Seen
    cures: tuple[tuple[Diagnostic, Fix], ...] = ()
    proof: Proof | None = None

    @property
    def edits(self) -> Edits:
        """What kinds of edits were made."""
        titles = {fix.title for _, fix in self.cures}
        return Edits(
            keep_off_tape=no_grad.TITLE in titles,
            record=on_tape.TITLE in titles,
            join=graph_joined.TITLE in titles,
            keep=any(title.startswith((kept_entry.TITLE, gradient_zeroed.TITLE)) for title in titles),
            move=not titles.isdisjoint(MOVES),
            reorder=update_moved.TITLE in titles,
        )


@dataclass(slots=True)
class Search:
    """One search; `find` holds it.

    Attributes:
        unproven: The first program that was clean and not proven.
        reasons: Why cures were turned down.
    """

    program: Program
    roots: tuple[Path, ...]
    timeout_s: float
    audit: str = ""
    first: Seen = field(init=False)
    """What the program does as it is."""
    reference: Reference = field(init=False)
    unproven: Step | None = None
    reasons: list[str] = field(default_factory=list)
    n_trials: int = 0
    is_reference_checked: bool = False
    is_interpreted: bool = False
    copies_at_once: bool = False
    is_apart: bool = False
    files: tuple[str, ...] = ()
    asked_for: set[tuple[str, int]] = field(default_factory=set)
    """Where a leaf is written whose gradient was lost when a copy was written instead."""

    def find(self, first: Seen) -> Step | None:
        """Return the edited program that is clean and proven; None where none was found.

        Args:
            first: What the program does as it is.

        Effect: runs the program many times.
        """
        self.files = self._files_of(first)
        self.reference = self._make_reference()
        if self.reference.protected.observations.n_compiled:
            first = self._interpreted(first)
        self.first = first
        if self.reference.protected.problem:
            self.reasons.append(f"under protection: {self.reference.protected.problem}")
            return None
        done = self._repaired(Step({}, first), rounds=MAX_ROUNDS)
        return None if done is None else self._pruned(done)

    def _pruned(self, step: Step) -> Step:
        """Return a repair without the edits that turned out not to be needed; the last one always is."""
        number = 0
        while number < len(step.cures) - 1 and self.n_trials < MAX_TRIALS:
            fixes = without([fix for _, fix in step.cures], number)
            fewer = None if fixes is None else self._without(step, number, fixes)
            if fewer is None:
                number += 1
            else:
                step = fewer
        return step

    def _without(self, step: Step, number: int, fixes: tuple[Fix, ...]) -> Step | None:
        sources: dict[str, bytes] = {}
        try:
            for fix in fixes:
                sources = _edited(sources, fix.edits)
        except (ValueError, SyntaxError):
            return None
        findings = [finding for finding, _ in (*step.cures[:number], *step.cures[number + 1 :])]
        fewer = Step(sources, self._hold(sources, Mode.PLAIN), tuple(zip(findings, fixes, strict=True)))
        if fewer.seen.problem or fewer.seen.findings:
            return None
        proof = self._prove(fewer, is_whole=True)
        if proof.holds and self.is_interpreted:
            proof = self._proof_as_compiled(fewer)
        return replace(fewer, proof=proof) if proof.holds and proof.is_gradient_compared else None

    def _interpreted(self, first: Seen) -> Seen:
        """Return what the program does where nothing is compiled, if that shows the mistake."""
        self.is_interpreted = True  # NOTE [Compiled functions]
        seen = self._hold({}, Mode.PLAIN)
        if seen.findings and not seen.problem:
            self.reference = self._make_reference()
            return seen
        self.is_interpreted = False
        return first

    def _make_reference(self) -> Reference:
        protected = self._hold({}, Mode.PROTECTED)
        if _is_overwritten(protected) and not self.copies_at_once:  # by a write that protection does not know
            self.copies_at_once = True
            protected = self._hold({}, Mode.PROTECTED)
        if _is_overwritten(protected) and not self.is_apart:  # where protection keeps nothing
            self.is_apart = True
            protected = self._hold({}, Mode.PROTECTED)
        replaced = self._hold({}, Mode.REPLACED) if protected.observations.refused else None
        if replaced is not None and not Reference(protected, replaced).is_unseen:
            other = self._hold({}, Mode.RESULT)
            replaced = replaced if misses(other, protected) or other.observations.n_dropped else other
        return Reference(protected, replaced)

    def _repaired(self, step: Step, *, rounds: int) -> Step | None:
        """Return a clean and proven program that continues a step, trying the cures of its first finding in turn."""
        finding = step.seen.findings[0]
        if not rounds:
            self.reasons.append(f"more than {MAX_ROUNDS} edits would be needed")
            return None
        for fix in self._cures(finding, step):
            if self.n_trials >= MAX_TRIALS:
                self.reasons.append(f"{MAX_TRIALS} runs were not enough")
                return None
            after = self._tried(step, finding, fix)
            if after is None:
                continue
            done = self._finished(after) if not after.seen.findings else self._repaired(after, rounds=rounds - 1)
            if done is not None:
                return done
        return None

    def _cures(self, finding: Diagnostic, step: Step) -> Iterator[Fix]:
        with overlaid(step.sources):
            fixes = self._as_recorded(cures_of(finding, files=self._files_of(step.seen), guesses=True))
        if not fixes:
            self._turn_down(finding, UNDECIDED.get(finding.name, "no cure is known that could be written here"))
        for fix in fixes:
            outside = [edit.path for edit in fix.edits if not is_in_project(edit.path, self.roots)]
            if outside:
                self._turn_down(finding, f"{fix.title}: {outside[0]} is not a file of this project")
            elif module_copies.TITLE in fix.title and self._is_loss_stale():
                self._turn_down(finding, f"{fix.title}: {STALE_LOSS}")
            else:
                yield fix

    def _files_of(self, seen: Seen) -> tuple[str, ...]:
        return tuple(sorted(path for path in seen.files if is_in_project(path, self.roots)))

    def _as_recorded(self, fixes: tuple[Fix, ...]) -> tuple[Fix, ...]:
        """Choose between the cures that record a write, and the others: by whether a gradient flows through it."""
        if not any(fix.title == on_tape.TITLE for fix in fixes):
            return fixes
        return tuple(fix for fix in fixes if (fix.title == on_tape.TITLE) == (self._recorded().n_recorded > 0))

    def _recorded(self) -> Observations:
        if self.reference.recorded is None:
            self.reference = replace(self.reference, recorded=self._hold({}, Mode.RECORDED))
        assert self.reference.recorded is not None
        return self.reference.recorded.observations

    def _is_loss_stale(self) -> bool:
        """Whether the program runs the backward of one loss again; a step has made it the loss of other weights."""
        return any(done.is_again for done in self.reference.protected.observations.passes)

    def _tried(self, step: Step, finding: Diagnostic, fix: Fix) -> Step | None:
        """Run a program with one more edit; None where that does not help."""
        try:
            sources = _edited(step.sources, fix.edits)
        except (ValueError, SyntaxError) as error:
            self._turn_down(finding, f"{fix.title}: {error}")
            return None
        seen = self._hold(sources, Mode.PLAIN)
        after = Step(sources, seen, (*step.cures, (finding, fix)))
        why_not = self._why_no_progress(after, finding, fix)
        if why_not:
            self._turn_down(finding, f"{fix.title}: {why_not}")
            return None
        return after

    def _why_no_progress(self, after: Step, finding: Diagnostic, fix: Fix) -> str:
        seen = after.seen
        if seen.problem:
            return seen.problem
        if any(is_same(finding, other, fix) for other in seen.findings):
            return "the finding stays"
        if not seen.findings and seen.status and not self.reference.ends_like(seen):
            return f"the program fails: {seen.error.splitlines()[-1] if seen.error else seen.status}"
        proof = self._prove(after, is_whole=False)
        meant = MEANT.get(finding.name, "")
        if self.reference.is_refused and not self.reference.is_unseen and not after.edits.keep_off_tape:
            meant = SEEN
        if not proof.holds and meant and not seen.findings and self.unproven is None:
            proof = replace(proof, why_not=f"{proof.why_not}: {meant}")
            self.unproven = replace(after, proof=proof)
        return "" if proof.holds else proof.why_not

    def _finished(self, step: Step) -> Step | None:
        proof = self._prove(step, is_whole=True)
        if proof.holds and self._is_as_before(step):
            proof = replace(proof, holds=False, why_not=AS_BEFORE)
        if proof.holds and self.is_interpreted:
            proof = self._proof_as_compiled(step)
        if proof.holds and not proof.n_losses and not self.reference.protected.observations.state:
            proof = replace(
                proof, holds=False, why_not="it computes no loss and leaves no value: nothing can be compared"
            )
        if proof.holds and proof.is_gradient_compared:
            return replace(step, proof=proof)
        if proof.holds:
            why_not = "the gradients could not be compared: the original can't run, and other names see its write"
        else:
            why_not = proof.why_not
        finding, fix = step.cures[-1]
        self._turn_down(finding, f"{fix.title}: {why_not}")
        if self.unproven is None:
            self.unproven = replace(step, proof=replace(proof, holds=False, why_not=why_not))
        return None

    def _is_as_before(self, step: Step) -> bool:
        """Whether an edit changes nothing of what only the audit saw to be wrong, and protection may not make right."""
        seen_by = {finding.history.witness for finding, _ in step.cures if finding.history is not None} - {None}
        if not seen_by.isdisjoint(SHOWN_LATER):
            return True
        return bool(seen_by) and prove(Reference(self.first), step.seen, Edits(), is_whole=True).holds

    def _proof_as_compiled(self, step: Step) -> Proof:
        """Prove the program as it is; see NOTE [Compiled functions]."""
        self.is_interpreted = False
        try:
            seen = self._hold(step.sources, Mode.PLAIN)
        finally:
            self.is_interpreted = True
        if seen.problem or seen.findings:
            return Proof(False, seen.problem or "compiled, the program fails as before")
        return self._prove(replace(step, seen=seen), is_whole=True)

    def _prove(self, step: Step, *, is_whole: bool) -> Proof:
        if step.edits.record:
            self._recorded()
        if step.edits.join and self.reference.joined is None:
            self.reference = replace(self.reference, joined=self._hold({}, Mode.JOINED))
        if step.edits.keep and self.reference.kept is None:
            self.reference = replace(self.reference, kept=self._hold({}, Mode.KEPT))
        kept = [finding for finding, fix in step.cures if fix.title == no_grad.TITLE]
        edits = replace(
            step.edits,
            is_of_leaf=all(place_of(finding) in self.asked_for for finding in kept),
            is_of_state=all(sets_state(finding) for finding in kept),
        )
        proof = prove(self.reference, step.seen, edits, is_whole=is_whole)
        if not proof.holds and not self.is_reference_checked:
            self._check_reference()
            proof = prove(self.reference, step.seen, edits, is_whole=is_whole)
        if proof.loses_gradient:
            self.asked_for.add(place_of(step.cures[-1][0]))
        return proof

    def _check_reference(self) -> None:
        """See whether the original computes the same twice; what does not is left out of the comparison."""
        self.is_reference_checked = True
        again = self._hold({}, Mode.PROTECTED)
        first, second = self.reference.protected.observations, again.observations
        self.reference = replace(self.reference, unstable=unstable_paths(first, second))
        one = Reference(again)
        if not prove(one, self.reference.protected, Edits(), is_whole=False).holds:
            self.reasons.append(
                "the original computes other losses or gradients from run to run: nothing can be proven"
            )

    def _hold(self, sources: dict[str, bytes], mode: Mode) -> Seen:
        self.n_trials += 1
        asked = Trial(
            self.program,
            sources,
            mode,
            self.audit,
            self.roots,
            self.files,
            copies_at_once=self.copies_at_once,
            is_apart=self.is_apart,
            is_interpreted=self.is_interpreted,
        )
        seen = trial.hold(asked, timeout_s=self.timeout_s)
        trial.preload(seen.modules)
        return seen

    def _turn_down(self, finding: Diagnostic, reason: str) -> None:
        span = finding.primary
        place = "" if span is None else f"{Path(span.path).name}:{span.line}: "
        sentence = f"{place}{reason}"
        if sentence not in self.reasons and len(self.reasons) < MAX_REASONS:
            self.reasons.append(sentence)


def _is_overwritten(seen: Seen) -> bool:
    said = recognise(seen.error) if seen.status else None
    return said is not None and said.refusal is Refusal.SAVED_OVERWRITTEN


def _edited(sources: dict[str, bytes], edits: tuple[Edit, ...]) -> dict[str, bytes]:
    """Return the sources after edits.

    Raises:
        ValueError: the edits don't fit.
        SyntaxError: what they make is no Python.
    """
    out = dict(sources)
    for path in dict.fromkeys(edit.path for edit in edits):
        content = sources[path] if path in sources else Path(path).read_bytes()
        out[path] = apply_edits(content, [edit for edit in edits if edit.path == path])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(out[path])
    return out
