"""Watch a program from inside: record, judge each history as it comes, keep the findings.

# NOTE [Most runs find nothing] What only a finding needs, the reading of source and the cures, is imported with the
first one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gradsan import frameworks, rules
from gradsan.model.copied import Copied
from gradsan.model.diagnostic import Diagnostic, Role, Severity
from gradsan.model.errors import SilentCorruption
from gradsan.model.history import History
from gradsan.model.report import Report
from gradsan.model.span import Span
from gradsan.record.session import Options, Session
from gradsan.tasks.children import ChildFindings

Explain = Callable[[Diagnostic], str]
"""Turns a finding into the note that rides on the exception; returns an empty string for no note."""


class Watch:
    """One watched stretch of a program.

    Example:
        >>> watch = Watch(command="watch")
        >>> watch.start(); ...; watch.stop()
        >>> watch.findings
    """

    def __init__(
        self,
        *,
        command: str,
        framework: str = "torch",
        options: Options | None = None,
        explain: Explain | None = None,
        strict: bool = False,
        children: ChildFindings | None = None,
        file_of_parent: int | None = None,
    ) -> None:
        self._command = command
        self._adapter = frameworks.load(framework)
        self._explain = explain
        self._found: dict[object, Diagnostic] = {}
        self._session = Session(
            listener=self._listen, options=options or Options(), is_strict=strict, file_of_parent=file_of_parent
        )
        self._children = children or ChildFindings()
        self._put_back: Callable[[], None] | None = None
        self._n_taken_in = 0
        self._is_raised_by_child = False
        self._directory = Path.cwd()
        self._rank = int(os.environ.get("RANK", "0") or 0)

    def start(self) -> None:
        """Begin to record.

        Effect: wraps what writes, until `stop`.
        """
        if self._command == "run":
            from gradsan.tasks.spawned import record_spawned  # what it imports, the framework has imported by now

            self._put_back = record_spawned(self._children, self._session)
        self._adapter.start(self._session)

    def stop(self) -> None:
        """Stop recording; the findings stay."""
        if self._put_back is not None:
            self._put_back()
        self._adapter.stop(self._session)
        self._take_in_children()
        self._children.close()

    def see(self, error: BaseException) -> None:
        """Look at an exception that leaves the watched stretch: some refusals pass no wrapper of ours.

        Effect: may add a finding, and a note to the exception.
        """
        self._take_in_children()
        if not self._is_raised_by_child:
            self._adapter.explain(error)

    @property
    def copies(self) -> tuple[Copied, ...]:
        """What was copied to protect saved tensors."""
        return self._adapter.copies(self._session)

    @property
    def is_on(self) -> bool:
        """False once an internal error has switched the recorder off."""
        return self._session.is_on

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        """What was found so far, equal findings told once; the first explains the first failure."""
        raised = {label.span for each in self._found.values() if _raises(each) for label in each.labels_of(Role.WRITE)}
        return tuple(each for each in self._found.values() if _raises(each) or not _is_told(each, raised))

    @property
    def report(self) -> Report:
        """The findings, and what could not be looked at."""
        return Report(
            command=self._command,
            directory=self._directory,
            framework=self._adapter.framework,
            findings=self._with_cures(),
            not_covered=self._session.not_covered,
        )

    def _with_cures(self) -> tuple[Diagnostic, ...]:
        return tuple(self._cured(finding) for finding in self.findings)

    def _cured(self, finding: Diagnostic) -> Diagnostic:
        with self._session.border():
            from gradsan.tasks.cures import cures_of  # NOTE [Most runs find nothing]
            from gradsan.tasks.proposals import for_the_program, in_own_names

            finding = replace(finding, fixes=cures_of(finding))
            for step in (in_own_names, for_the_program):
                finding = step(finding)
        return finding

    def _listen(self, history: History, exception: BaseException | None) -> str:
        from gradsan.tasks.precision import make_precise  # NOTE [Most runs find nothing]

        finding = rules.judge(make_precise(history))
        if finding is None:
            return ""
        finding = replace(finding, ranks=(self._rank,))
        self._add(finding)
        self._children.send(finding)
        is_grave = finding.severity is Severity.ERROR or not isinstance(exception, SilentCorruption)
        if self._explain is None or exception is None or not is_grave:
            return ""
        return self._explain(self._cured(finding))

    def _add(self, finding: Diagnostic) -> None:
        before = self._found.get(finding.key)
        self._found[finding.key] = finding if before is None else replace(before, count=before.count + 1)

    def _take_in_children(self) -> None:
        with self._session.border():
            received = self._children.received()
            for finding in received[self._n_taken_in :]:
                self._add(finding)
            self._n_taken_in = len(received)
            self._is_raised_by_child = any(map(_raises, received))


def _raises(finding: Diagnostic) -> bool:
    return finding.code.startswith(("GS1", "GS2"))


def _is_told(finding: Diagnostic, raised: set[Span]) -> bool:
    """Whether an error names the same writes already: one cause, one diagnostic."""
    writes = {label.span for label in finding.labels_of(Role.WRITE)}
    return bool(writes) and writes <= raised
