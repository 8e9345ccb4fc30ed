"""`gradsan check`: what may happen, told by data flow over the source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gradsan.knowledge.versions import versions
from gradsan.model.config import Config, find_config
from gradsan.model.errors import UsageError
from gradsan.model.report import Framework, Report
from gradsan.source.cache import Cache, FileResult, cache_folder, fingerprint
from gradsan.source.discover import find_files

if TYPE_CHECKING:
    from gradsan.model.diagnostic import Diagnostic
    from gradsan.rules.unused_suppression import UnusedSuppression
    from gradsan.source.suppressions import Suppression

# NOTE [Light second run]
# A second run on unchanged files takes little longer than loading what it needs: so rules and findings are loaded
# where there are any, and what is no error where somebody asks for it.
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What is asked of a check.

    ``n_jobs`` 0 means one process a core; ``counts_all`` counts the findings that aren't shown as well.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    n_jobs: int = 0
    use_cache: bool = True
    counts_all: bool = False
    standard_input: bytes | None = None


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """The report, the files that could not be looked at, and how many findings each rule has.

    Those that aren't shown are among them only where that was asked for.
    """

    report: Report
    errors: tuple[str, ...]
    n_files: int
    counts: dict[tuple[str, str, str], int] = field(default_factory=dict)


def check(
    paths: Iterable[Path],
    options: CheckOptions | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> CheckOutcome:
    """Check files and folders.

    Effect: reads source files and the cache, writes the cache; ``progress`` is told files done and files in all.

    Raises:
        UsageError: A path, a rule's name or the configuration can't be understood.
    """
    options = options or CheckOptions()
    config = find_config(Path.cwd())
    chosen = _choice(options, config)
    files = find_files(paths, exclude=config.exclude)
    results: dict[Path, FileResult] = {}
    if options.standard_input is not None:
        from gradsan.tasks.check_files import check_text

        results[Path("<stdin>")] = check_text(options.standard_input)
    found: dict[Path, FileResult] = {}
    for n_done, (path, result) in enumerate(_check_files(files, options), start=1):
        found[path] = result
        if progress is not None:
            progress(n_done, len(files))
    results.update((path, found[path]) for path in files)  # what is told must not hang on which was done first
    if not results:
        results[Path()] = FileResult(not_covered=("no Python file was found there: nothing was checked",))
    # Where something is allowed, the doubts tell whether that is of use.
    wants_all = bool(options.select or config.select or options.counts_all)
    wants_all = wants_all or any(result.suppressions for result in results.values())
    return replace(_collect(results, chosen, wants_all=wants_all), n_files=len(files))


def _choice(options: CheckOptions, config: Config) -> Callable[[Diagnostic], bool]:
    """Return whether a finding is shown: errors unless others were asked for, and nothing that is ignored."""
    select = _codes(options.select or config.select)
    ignore = _codes(options.ignore or config.ignore)

    def is_shown(finding: Diagnostic) -> bool:
        if finding.code in ignore:
            return False
        if select:
            return ALL in select or finding.code in select
        return _is_error(finding) or finding.code == _unused_rule().code

    return is_shown


def _codes(names: Iterable[str]) -> frozenset[str]:
    codes: set[str] = set()
    for name in names:
        if name.lower() == ALL:
            codes.add(ALL)
            continue
        from gradsan.rules import find_rule  # see NOTE [Light second run]

        rule = find_rule(name)
        if rule is None:
            raise UsageError(f"no rule `{name}`; `gradsan explain` lists them")
        codes.add(rule.code)
    return frozenset(codes)


def _check_files(files: list[Path], options: CheckOptions) -> Iterator[tuple[Path, FileResult]]:
    store = Cache(cache_folder() / fingerprint()) if options.use_cache else None
    missing: list[Path] = []
    for path in files:
        known = store.get(path) if store is not None else None
        if known is not None:
            yield path, known
        else:
            missing.append(path)
    if missing:
        from gradsan.tasks.check_files import check_files  # loads the data flow

        yield from check_files(missing, store, n_jobs=options.n_jobs)


def _collect(
    results: dict[Path, FileResult], is_shown: Callable[[Diagnostic], bool], *, wants_all: bool
) -> CheckOutcome:
    """Tell each mistake once, where most is known of it, and settle the suppressions."""
    found: dict[object, Diagnostic] = {}
    for result in results.values():
        for finding in result.all_findings() if wants_all else result.findings:
            known = found.get(finding.cause)
            if known is None or _how_much(finding) > _how_much(known):
                found[finding.cause] = finding
    allowed = {str(path): result.suppressions for path, result in results.items() if result.suppressions}
    used: set[tuple[str, int]] = set()
    shown: list[Diagnostic] = []
    suppressed: list[Diagnostic] = []
    counts: dict[tuple[str, str, str], int] = {}
    for finding in found.values():
        if _is_allowed(finding, allowed, used):
            suppressed.append(finding)
            continue
        key = finding.code, finding.name, finding.severity.value
        counts[key] = counts.get(key, 0) + 1
        if is_shown(finding):
            shown.append(finding)
    shown += [finding for finding in _unused(allowed, used) if is_shown(finding)]
    report = Report(
        command="check",
        directory=Path.cwd(),
        framework=Framework("torch", versions("torch")[-1]),
        findings=tuple(_with_cures(finding) for finding in sorted(shown, key=_place)),
        not_covered=tuple(line for result in results.values() for line in (*result.errors, *result.not_covered)),
        suppressed=tuple(sorted(suppressed, key=_place)),
    )
    errors = tuple(line for result in results.values() for line in result.errors)
    return CheckOutcome(report, errors, len(results), counts)


def _with_cures(finding: Diagnostic) -> Diagnostic:
    if finding.history is None or _is_error(finding):
        return finding  # an error has its fixes from where it was found
    from gradsan.tasks.cures import cures_of  # most checks show errors only
    from gradsan.tasks.proposals import in_own_names

    return replace(in_own_names(finding), fixes=cures_of(finding))


def _how_much(finding: Diagnostic) -> tuple[bool, int, int]:
    """Order findings of one mistake: errors first, then those that know the caller, then fewer conditions."""
    return _is_error(finding), len(finding.labels), -len(finding.notes)


def _is_error(finding: Diagnostic) -> bool:
    return finding.severity.value == "error"


def _place(finding: Diagnostic) -> tuple[str, int, int, str]:
    span = finding.primary
    return (span.path, span.line, span.column, finding.code) if span is not None else ("", 0, 0, finding.code)


def _is_allowed(finding: Diagnostic, allowed: dict[str, tuple[Suppression, ...]], used: set[tuple[str, int]]) -> bool:
    span = finding.primary
    if span is None:
        return False
    for suppression in allowed.get(span.path, ()):
        names = suppression.names
        if span.line <= suppression.target <= span.end_line and (
            finding.name in names or finding.code.lower() in names
        ):
            used.add((span.path, suppression.line))
            return True
    return False


def _unused(allowed: dict[str, tuple[Suppression, ...]], used: set[tuple[str, int]]) -> Iterator[Diagnostic]:
    if not allowed:
        return
    from gradsan.model.span import Span

    rule = _unused_rule()
    for path, suppressions in allowed.items():
        for made in suppressions:
            if (path, made.line) not in used:
                span = Span(path, made.line, made.column, made.line, made.end_column)
                yield rule.unused(span, made.names)


def _unused_rule() -> UnusedSuppression:
    from gradsan.rules.unused_suppression import UnusedSuppression  # see NOTE [Light second run]

    return UnusedSuppression()
