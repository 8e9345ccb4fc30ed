from __future__ import annotations

from gradsan.model.diagnostic import Severity
from gradsan.report import github

from .told import FINDINGS, HERE, WRITTEN, finding, label, report


def test_one_command_a_finding() -> None:
    lines = github.render(report(finding(WRITTEN), finding(WRITTEN, severity=Severity.WARNING))).splitlines()
    assert lines == [
        f"::{command} file=train.py,line=11,endLine=11,col=9,endColumn=15,title=GS101 saved-tensor-overwritten::"
        "`h` was modified in place after `sigmoid` saved it for backward%0A"
        "train.py:11: modified here: version 0 -> 1"
        for command in ("error", "warning")
    ]


def test_text_is_escaped() -> None:
    span = type(WRITTEN.span)("/project/a,b:c%.py", 1, 1, 1, 1)
    told = github.render(report(finding(label("write", span, "50 %\r\n: ,"), message="m", severity=Severity.NOTE)))
    assert told == (
        "::notice file=a%2Cb%3Ac%25.py,line=1,endLine=1,title=GS101 saved-tensor-overwritten::"
        "m%0Aa,b:c%25.py:1: 50 %25%0D%0A: ,\n"
    )


def test_an_annotation_of_several_lines_has_no_columns() -> None:
    span = type(WRITTEN.span)(HERE, 19, 11, 22, 6)
    assert github.render(report(finding(label("write", span, "")))).startswith(
        "::error file=train.py,line=19,endLine=22,title="
    )


def test_a_finding_that_could_not_be_located() -> None:
    assert github.render(report(FINDINGS["nowhere"])).startswith("::warning title=GS101 saved-tensor-overwritten::")


def test_nothing_found() -> None:
    assert github.render(report()) == ""
