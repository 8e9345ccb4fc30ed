"""`gradsan fix`: repair a program's source, and prove that the repaired program computes what the original means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gradsan import frameworks
from gradsan.model.diagnostic import Diagnostic
from gradsan.model.errors import UsageError
from gradsan.model.repair import Outcome, Repair
from gradsan.model.report import Report
from gradsan.tasks import fix_files, trial
from gradsan.tasks.fix_proof import Proof
from gradsan.tasks.fix_search import Search, Step
from gradsan.tasks.run import Program
from gradsan.tasks.trial import Mode, Seen, Trial

TIMEOUT_S = 900.0
AUDIT = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How far a repair may go."""

    write: bool = False
    unproven: bool = False
    allow_dirty: bool = False
    timeout_s: float = TIMEOUT_S
    """Seconds that each run of the program may take."""


def fix(program: Program, *, wishes: Wishes | None = None) -> Report:
    """Repair a program; the report's ``repair`` says what came of it.

    Effect: runs the program many times, in processes of their own; what it does to files of the project is undone.
    With ``write``, replaces files.

    Raises:
        UsageError: there is no such program, or a file can't be written.
        FrameworkMissing: torch is not installed.
    """
    wishes = wishes or Wishes()
    trial.prepare()
    roots = trial.roots_of(program)
    first, audit = _looked_at(program, roots, wishes)
    if first.problem or not first.findings:
        return _report(replace(first, findings=first.findings or first.warnings), _nothing(first))
    search = Search(program, roots, wishes.timeout_s, audit)
    done = search.find(first)
    if done is not None:
        return _applied(done, wishes, Repair(outcome=Outcome.REPAIRED, proof=_proof(done, search)))
    if search.unproven is not None:
        repair = Repair(outcome=Outcome.UNPROVEN, remains=tuple(_doubts(search.unproven, search.reasons)))
        return _applied(search.unproven, wishes, repair)
    return _report(first, Repair(outcome=Outcome.REMAINS, remains=tuple(search.reasons)))


def _looked_at(program: Program, roots: tuple[Path, ...], wishes: Wishes) -> tuple[Seen, str]:
    """Run the program as it is, under an audit where nothing else is found; return what was seen, and the audit."""
    first = trial.hold(Trial(program, {}, Mode.PLAIN, roots=roots), timeout_s=wishes.timeout_s)
    if first.usage:
        raise UsageError(first.usage)
    trial.preload(first.modules)
    if first.problem or first.findings or first.status:
        return first, ""
    audited = trial.hold(Trial(program, {}, Mode.PLAIN, AUDIT, roots), timeout_s=wishes.timeout_s)
    if audited.problem:
        return first, ""
    return (audited, AUDIT) if audited.findings else (replace(first, warnings=audited.warnings), "")


def _nothing(first: Seen) -> Repair:
    if first.problem:
        return Repair(outcome=Outcome.REMAINS, remains=(first.problem,))
    if first.status:
        last = first.error.splitlines()[-1] if first.error else f"exit status {first.status}"
        return Repair(
            outcome=Outcome.REMAINS, remains=(f"the program fails, and not by a write that gradsan knows: {last}",)
        )
    return Repair(outcome=Outcome.NOTHING)


def _applied(step: Step, wishes: Wishes, repair: Repair) -> Report:
    """Write the edited files where that is wished and allowed; show them in any case."""
    originals = {path: Path(path).read_bytes() for path in step.sources}
    directory = Path.cwd()
    repair = replace(
        repair,
        diff=fix_files.diff_of(step.sources, originals, directory),
        titles=tuple(_told(finding, chosen.title) for finding, chosen in step.cures),
    )
    findings = tuple(replace(finding, fixes=(chosen,)) for finding, chosen in step.cures)
    if wishes.write and (repair.outcome is Outcome.REPAIRED or wishes.unproven):
        why_not = fix_files.why_not_to_write(sorted(step.sources), allow_dirty=wishes.allow_dirty)
        if why_not:
            raise UsageError(f"{why_not}; nothing was written")
        fix_files.write_all(step.sources, originals)
        repair = replace(repair, is_written=True)
    return _report(replace(step.seen, findings=findings), repair)


def _doubts(step: Step, reasons: list[str]) -> Iterator[str]:
    """Yield why a repair is not proven, and why others were turned down."""
    title, why_not = step.cures[-1][1].title, "" if step.proof is None else step.proof.why_not
    if why_not:
        yield f"not proven: {why_not}"
    yield from (reason for reason in reasons if not why_not or not reason.endswith(f"{title}: {why_not}"))


def _told(finding: Diagnostic, title: str) -> str:
    span = finding.primary
    return title if span is None else f"{title}, in `{span.function}` ({finding.code})"


def _proof(step: Step, search: Search) -> tuple[str, ...]:
    proof = step.proof or Proof(False)
    reference = search.reference
    by = "the original, its saved tensors protected"
    if step.edits.record:
        by = "the original with each write recorded where a gradient flows"
    elif step.edits.keep:
        by = "the original with copies of the gradients that its optimizer keeps, and shared ones staying shared"
    elif step.edits.join:
        by = "the original with each value that goes into a leaf keeping its history"
    elif reference.is_refused and not step.edits.keep_off_tape:
        by = "the original with each refused write made out of place"
    elif reference.is_refused:
        by = "the original with each refused write made off the tape"
    losses, n_state = _counted(proof.n_losses, "loss", "losses"), len(reference.protected.observations.state)
    said = [f"{losses} and {_counted(proof.n_gradients, 'gradient', 'gradients')} agree with {by}"]
    if n_state:
        said.append(f"{_counted(n_state, 'value', 'values')} of the final state agree")
    said.append(f"every run began with seed {trial.SEED}, on one thread")
    if reference.unstable:
        said.append(f"not compared, they differ from run to run: {', '.join(sorted(reference.unstable)[:4])}")
    return tuple(said)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _report(seen: Seen, repair: Repair) -> Report:
    return Report(
        command="fix",
        directory=Path.cwd(),
        framework=frameworks.load("torch").framework,
        findings=seen.findings,
        not_covered=seen.not_covered,
        repair=repair,
    )
