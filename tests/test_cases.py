"""Every annotated program against its judges: the framework itself, the static check, the recorder, the repair.

See ``tests/cases/README.md`` for the annotations.
"""

from __future__ import annotations

import ast
import builtins
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent
CASES = ROOT / "cases"
FIXED = ".fixed.py"
"""Ending of the golden of a repair: what `gradsan fix --write` makes of the file."""
REWRITE = bool(os.environ.get("GRADSAN_WRITE_GOLDENS"))
"""Whether goldens are written instead of compared; a person reads the difference."""

_HEADER = re.compile(r"^# (?P<key>framework|outcome): (?P<value>\S+)$", re.MULTILINE)
_FINDING = re.compile(r"(?P<severity>error|warning|note)\[(?P<code>GS\d+)\]: (?P<text>.*)")
_MISSED = re.compile(r"missed-by: (?P<judge>static|recorded|plain|fix) \((?P<reason>.+)\)")
_PARTS = re.compile(r"^\s*(?:from|import) (parts_\w+)", re.MULTILINE)

OUTCOMES = {"raises", "wrong-gradient", "correct"}

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(find_spec("torch") is None, reason="the cases are programs of torch"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the cases run in forks of one process"),
]


@dataclass(frozen=True)
class Mark:
    """What stands on one line: a finding (``code``) or a label."""

    file: str
    line: int
    text: str
    severity: str = ""
    code: str = ""


@dataclass(frozen=True)
class Case:
    path: Path
    framework: str
    outcome: str
    files: tuple[Path, ...]
    findings: tuple[Mark, ...] = ()
    labels: tuple[Mark, ...] = ()
    missed: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"


def read_case(path: Path) -> Case | None:
    if path.name.endswith(FIXED):
        return None
    source = path.read_text(encoding="utf-8")
    header = dict(_HEADER.findall(source))
    if not header:
        return None
    files = (path, *(path.with_name(f"{name}.py") for name in dict.fromkeys(_PARTS.findall(source))))
    findings: list[Mark] = []
    labels: list[Mark] = []
    missed: dict[str, str] = {}
    for file in files:
        for line, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            for mark in text.split("#~ ")[1:]:
                if said := _FINDING.match(mark):
                    findings.append(Mark(file.name, line, said["text"].strip(), said["severity"], said["code"]))
                elif said := _MISSED.match(mark):
                    missed[said["judge"]] = said["reason"]
                elif mark.startswith("label: "):
                    labels.append(Mark(file.name, line, mark.removeprefix("label: ").strip()))
                else:
                    raise ValueError(f"{file}:{line}: no mark is written so: {mark}")
    return Case(path, header["framework"], header["outcome"], files, tuple(findings), tuple(labels), missed)


ALL = tuple(case for path in sorted(CASES.glob("*/*.py")) if (case := read_case(path)) is not None)
each_case = pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)


class CaseProcess:
    """The process that runs cases in forks of itself."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "case_process.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def ask(self, judge: str, case: Case) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"judge": judge, "case": str(case.path), "files": [str(file) for file in case.files]}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "problem" not in answer, answer["problem"]
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


@pytest.fixture(scope="module")
def process() -> Iterator[CaseProcess]:
    running = CaseProcess()
    yield running
    running.close()


def differences(case: Case, report: dict[str, Any]) -> list[str]:
    """Which findings of the report differ from the marks; empty where they agree."""
    told = {(f["severity"], f["code"], *_place(f)): f["message"] for f in report["findings"]}
    wanted = {(mark.severity, mark.code, mark.file, mark.line): mark.text for mark in case.findings}
    out = [f"not found: {key}" for key in wanted.keys() - told.keys()]
    out += [f"not marked: {key}: {told[key]}" for key in told.keys() - wanted.keys()]
    out += [
        f"{key}: `{told[key]}` does not say `{wanted[key]}`"
        for key in told.keys() & wanted.keys()
        # What the check infers it says with *may be*.
        if wanted[key] not in told[key].replace(" may be ", " was ")
    ]
    return out


def missing_labels(case: Case, report: dict[str, Any]) -> list[str]:
    """Which marked labels the report does not have."""
    spans = [span for finding in report["findings"] for span in finding["spans"]]
    out = []
    for mark in case.labels:
        here = [span["label"] for span in spans if (Path(span["path"]).name, span["line"]) == (mark.file, mark.line)]
        if not any(mark.text in label for label in here):
            out.append(f"{mark.file}:{mark.line}: no label says `{mark.text}`; labels here: {here}")
    return out


def unwritable(case: Case, report: dict[str, Any]) -> list[str]:
    """Which code of a proposal is no Python, or reads a name that the program does not have."""
    known = {name for file in case.files for name in re.findall(r"\w+", file.read_text(encoding="utf-8"))}
    known |= set(dir(builtins))
    out = []
    for code in [each["code"] for finding in report["findings"] for each in finding["help"] if each.get("code")]:
        try:
            tree = ast.parse(code + "\n    pass" if code.rstrip().endswith(":") else code)
        except SyntaxError:
            out.append(f"no Python: {code}")
            continue
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        rebound = {each.targets[0].id for each in tree.body if isinstance(each, ast.Assign) and _is_rebound(each)}
        bound = {node.id for node in names if not isinstance(node.ctx, ast.Load)} - rebound
        out += [f"not the program's `{node.id}`: {code}" for node in names if node.id not in known | bound]
    return out


def _is_rebound(assignment: ast.Assign) -> bool:
    """Whether a name is bound to what is made of it: it has to be there before."""
    target = assignment.targets[0]
    read = {node.id for node in ast.walk(assignment.value) if isinstance(node, ast.Name)}
    return isinstance(target, ast.Name) and target.id in read


def _place(finding: dict[str, Any]) -> tuple[str, int]:
    writes = [span for span in finding["spans"] if span["role"] == "write"] or finding["spans"]
    return (Path(writes[0]["path"]).name, writes[0]["line"]) if writes else ("", 0)


def judge(case: Case, judge_name: str, said: list[str]) -> None:
    if judge_name in case.missed:
        assert said, f"caught now: remove `missed-by: {judge_name} ({case.missed[judge_name]})`"
        return
    assert not said, "\n".join(said)


@each_case
def test_annotations_are_whole(case: Case) -> None:
    assert case.outcome in OUTCOMES
    assert all(file.exists() for file in case.files)
    if case.outcome == "correct":
        assert not case.findings
    else:
        assert case.findings


@each_case
def test_framework_does_what_the_case_claims(case: Case, process: CaseProcess) -> None:
    answer = process.ask("framework", case)
    assert answer["outcome"] == case.outcome, answer.get("text", "")


@each_case
def test_recorded(case: Case, process: CaseProcess) -> None:
    if any(mark.code.startswith(("GS35", "GS36")) for mark in case.findings):
        pytest.skip("what only content tells is judged with --audit")
    report = process.ask("run", case)["report"]
    judge_name = "plain" if "plain" in case.missed else "recorded"
    judge(case, judge_name, differences(case, report) + missing_labels(case, report))
    assert not unwritable(case, report)


@each_case
def test_audited(case: Case, process: CaseProcess) -> None:
    report = process.ask("audit", case)["report"]
    judge(case, "recorded", differences(case, report) + missing_labels(case, report))
    assert not unwritable(case, report)


@each_case
def test_static(case: Case, process: CaseProcess) -> None:
    report = process.ask("check", case)["report"]
    judge(case, "static", differences(case, report))
    assert not unwritable(case, report)


@each_case
def test_fixed(case: Case, process: CaseProcess) -> None:
    """A program that raises is repaired and proven, and repaired again it stays as it is; others are left alone."""
    if case.path.parent.name == "unused_suppression":
        pytest.skip("a finding about a comment, which `fix` leaves to its writer")
    if case.outcome == "wrong-gradient":
        pytest.skip("silent corruption is judged with --audit")
    answer = process.ask("fix", case)
    first, *again = answer["reports"]
    if "fix" in case.missed:
        assert first["status"] == 1, f"repaired now: remove `missed-by: fix ({case.missed['fix']})`"
        assert not first["written"]
        return
    assert first["status"] == 0, "\n".join(first["remains"])
    assert first["written"] == (case.outcome == "raises")
    for file in case.files:
        compare_with_golden(file, answer["texts"][0][file.name])
    for second in again:
        assert (second["status"], second["written"]) == (0, False), "\n".join(second["remains"])


def compare_with_golden(file: Path, text: str) -> None:
    """The golden of a file that a repair leaves alone is the file itself; goldens have no marks."""
    golden = file.with_name(file.stem + FIXED)
    repaired, before = without_marks(text), without_marks(file.read_text(encoding="utf-8"))
    if REWRITE and repaired != before:
        golden.write_text(repaired, encoding="utf-8")
    assert repaired == (golden.read_text(encoding="utf-8") if golden.exists() else before)


def without_marks(text: str) -> str:
    return re.sub(r"[ \t]*#~ .*$", "", re.sub(r"^#~ .*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)


def test_correct_programs_are_as_many_as_the_others() -> None:
    n_correct = sum(case.outcome == "correct" for case in ALL)
    assert n_correct >= len(ALL) - n_correct


def test_every_part_is_used() -> None:
    used = {file for case in ALL for file in case.files}
    assert not [path for path in CASES.glob("*/*.py") if path not in used and not path.name.endswith(FIXED)]
