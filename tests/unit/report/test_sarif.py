from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gradsan.model.diagnostic import Severity
from gradsan.report import sarif
from gradsan.rules import all_rules

from .sarif_shape import LOG
from .told import DIRECTORY, FINDINGS, SAVED, WRITTEN, finding, label, lines_of, report

OFFICIAL = "GRADSAN_SARIF_SCHEMA"
"""Names a copy of the standard's own schema, from the address in `sarif.SCHEMA_URI`; it is not ours to hand on."""


def everything() -> dict[str, Any]:
    told = report(*FINDINGS.values(), not_covered=("threads",), suppressed=(finding(SAVED, WRITTEN),))
    return json.loads(sarif.render(told, rules=all_rules(), lines_of=lines_of))


def run_of(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return sarif.document(report(*args, **kwargs), lines_of=lines_of)["runs"][0]


def test_everything_has_the_shape() -> None:
    jsonschema.Draft7Validator.check_schema(LOG)
    jsonschema.Draft7Validator(LOG).validate(everything())


@pytest.mark.skipif(OFFICIAL not in os.environ, reason=f"{OFFICIAL} does not name the standard's schema file")
def test_everything_fits_the_standards_own_schema() -> None:
    schema = json.loads(Path(os.environ[OFFICIAL]).read_text(encoding="utf-8"))
    jsonschema.Draft4Validator(schema).validate(everything())


def test_nothing_found_fits_too() -> None:
    jsonschema.Draft7Validator(LOG).validate(sarif.document(report()))


def test_each_result_names_its_rule() -> None:
    run = everything()["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.code for rule in all_rules()]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])


def test_a_rule_without_a_page_is_listed_by_its_code() -> None:
    rules = run_of(finding(code="GS999", name="made-up"))["tool"]["driver"]["rules"]
    assert rules == [{"id": "GS999", "name": "made-up"}]


def test_the_primary_location_is_the_write() -> None:
    result = run_of(FINDINGS["one_file"])["results"][0]
    [location] = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "train.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 11, "startColumn": 9, "endLine": 11, "endColumn": 15},
    }
    assert location["logicalLocations"] == [{"fullyQualifiedName": "Block.update", "kind": "function"}]


def test_the_story_is_a_code_flow_in_causal_order() -> None:
    result = run_of(FINDINGS["three_files"])["results"][0]
    steps = result["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [step["kinds"] for step in steps] == [["save"], ["write"], ["raise"]]
    uris = [step["location"]["physicalLocation"]["artifactLocation"]["uri"] for step in steps]
    assert uris == ["model.py", "layers.py", "train.py"]
    assert [location["id"] for location in result["relatedLocations"]] == [1, 2]


def test_fixes() -> None:
    fixes = run_of(FINDINGS["fixes"])["results"][0]["fixes"]
    assert [fix["description"]["text"] for fix in fixes] == [
        "write out of place (safe)",
        "clone before the write (unsafe)",
    ]
    assert fixes[1]["artifactChanges"][0]["replacements"] == [
        {
            "deletedRegion": {"startLine": 11, "startColumn": 1, "endLine": 11, "endColumn": 1},
            "insertedContent": {"text": "        h = h.clone()\n"},
        }
    ]


def test_levels() -> None:
    results = run_of(*(finding(severity=severity) for severity in Severity))["results"]
    assert [result["level"] for result in results] == ["error", "warning", "note"]


def test_suppressed_findings_are_told_as_such() -> None:
    results = run_of(finding(WRITTEN), suppressed=(finding(SAVED),))["results"]
    assert ["suppressions" in result for result in results] == [False, True]
    assert results[1]["suppressions"] == [{"kind": "inSource"}]


def test_a_fingerprint_outlives_moved_lines_but_not_another_text() -> None:
    def fingerprint(lines: list[str], line: int) -> str:
        place = replace(WRITTEN.span, line=line, end_line=line)
        told = report(finding(label("write", place, "modified here")))
        run = sarif.document(told, lines_of=lambda path: lines)["runs"][0]
        return run["results"][0]["partialFingerprints"]["gradsan/v1"]

    assert fingerprint(["h += 1"], 1) == fingerprint(["", "    h += 1"], 2)
    assert fingerprint(["h += 1"], 1) != fingerprint(["h += 2"], 1)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/project/a b/ü.py", {"uri": "a%20b/%C3%BC.py", "uriBaseId": "%SRCROOT%"}),
        ("/elsewhere/x.py", {"uri": "file:///elsewhere/x.py"}),
        ("<stdin>", {"uri": "%3Cstdin%3E", "uriBaseId": "%SRCROOT%"}),
    ],
)
def test_addresses(path: str, expected: dict[str, str]) -> None:
    run = run_of(finding(label("write", replace(WRITTEN.span, path=path), "modified here")))
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == expected
    assert run["originalUriBaseIds"] == {"%SRCROOT%": {"uri": f"file://{DIRECTORY}/"}}
