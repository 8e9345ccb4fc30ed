"""`gradsan check`: what may happen, told by data flow over the source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gradsan import knowledge
from gradsan.model.diagnostic import Diagnostic, Severity
from gradsan.model.errors import SourceError
from gradsan.model.report import Report
from gradsan.rules import judge
from gradsan.source.entries import Analyst, analyse
from gradsan.source.project import Project


def check(paths: list[Path]) -> Report:
    """Check files and folders."""
    files: list[Path] = []
    for path in paths:
        files += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    project = Project()
    analyst = Analyst(project, knowledge.load("torch"))
    found: dict[object, Diagnostic] = {}
    problems: list[str] = []
    for file in files:
        try:
            module = project.load(file.resolve())
        except SourceError as error:
            problems.append(str(error))
            continue
        for inference in analyse(analyst, module):
            diagnostic = judge(inference.history)
            if diagnostic is None:
                continue
            if not inference.is_sure:
                diagnostic = replace(diagnostic, severity=Severity.WARNING)
            key = diagnostic.key
            known = found.get(key)
            if known is None or (known.severity is Severity.WARNING and diagnostic.severity is Severity.ERROR):
                found[key] = diagnostic
        if project.is_full():
            analyst.forget()
    findings = [f for f in found.values() if f.severity is Severity.ERROR]
    return Report(command="check", directory=Path.cwd(), findings=tuple(findings), not_covered=tuple(problems + analyst.problems))
