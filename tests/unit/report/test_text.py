from __future__ import annotations

import re
from pathlib import Path

import pytest

from gradsan.model.diagnostic import Severity
from gradsan.report import text
from gradsan.report.cells import text_width

from .told import FINDINGS, finding, lines_of, report

SHAPES = Path(__file__).parent / "shapes"
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("name", FINDINGS)
def test_shape(name: str, golden) -> None:
    golden(text.render(report(FINDINGS[name]), lines_of=lines_of), SHAPES / f"{name}.txt")


@pytest.mark.parametrize("name", FINDINGS)
def test_colour_changes_no_character(name: str) -> None:
    told = report(FINDINGS[name])
    coloured = text.render(told, lines_of=lines_of, color=True)
    assert "\x1b[1;31m" in coloured or "\x1b[1;33m" in coloured
    assert ESCAPE.sub("", coloured) == text.render(told, lines_of=lines_of)


@pytest.mark.parametrize("name", FINDINGS)
@pytest.mark.parametrize("width", [80, 100, 120])
def test_lines_keep_to_the_width(name: str, width: int) -> None:
    rendered = text.render(report(FINDINGS[name]), lines_of=lines_of, width=width)
    assert max(map(text_width, rendered.splitlines())) <= width


def test_signs_that_an_encoding_lacks_are_replaced_and_underlines_still_fit() -> None:
    rendered = text.render(report(*FINDINGS.values()), lines_of=lines_of, encoding="ascii")
    assert rendered.isascii()
    utf8 = text.render(report(FINDINGS["wide_and_combining"]), lines_of=lines_of)
    ascii_ = text.render(report(FINDINGS["wide_and_combining"]), lines_of=lines_of, encoding="ascii")
    assert [line for line in utf8.splitlines() if line.isascii()] == [
        line for line in ascii_.splitlines() if "?" not in line
    ]


def test_control_characters_of_the_source_do_not_reach_the_terminal() -> None:
    rendered = text.render(report(FINDINGS["tab"]), lines_of=lambda path: ["\x1b[31m\x07h += 1\n"] * 20)
    assert "\x1b" not in rendered
    assert "\x07" not in rendered


def test_summary_counts_by_severity_and_names_the_codes() -> None:
    told = report(
        finding(),
        finding(),
        finding(code="GS301", severity=Severity.WARNING),
        not_covered=("coverage was tracing already",),
        suppressed=(finding(),),
    )
    assert text.render(told).endswith(
        """
not covered: coverage was tracing already
gradsan: 2 errors, 1 warning (GS101, GS301), 1 suppressed; run
         `gradsan explain GS101`
"""
    )


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ({"command": "run"}, ""),
        ({"command": "check"}, "gradsan: nothing found\n"),
        ({"command": "run", "suppressed": (finding(),)}, "gradsan: nothing found, 1 suppressed\n"),
        (
            {"command": "run", "not_covered": ("a child process",)},
            "not covered: a child process\ngradsan: nothing found\n",
        ),
    ],
)
def test_nothing_found(rest: dict[str, object], expected: str) -> None:
    assert text.render(report(**rest)) == expected


def test_one_finding_without_summary() -> None:
    told = report(FINDINGS["tab"])
    rendered = text.render_finding(FINDINGS["tab"], told, lines_of=lines_of)
    assert rendered.startswith("error[GS101]: ")
    assert "gradsan:" not in rendered


def test_a_file_with_its_own_encoding_is_read(tmp_path: Path) -> None:
    path = tmp_path / "latin.py"
    path.write_bytes(b"# coding: latin-1\nh\xe4 = 1; h += 1\n")
    place = FINDINGS["tab"].labels[0]
    span = type(place.span)(str(path), 2, 9, 2, 15)
    rendered = text.render(report(finding(type(place)(place.role, span, "modified here"))))
    assert "2 | hä = 1; h += 1\n  |         ^^^^^^ modified here" in rendered
