from __future__ import annotations

import json

from gradsan import __version__
from gradsan.report import json as json_format

from .told import CLONE_BEFORE, FINDINGS, SAVED, WRITTEN, finding, report

# The keys of the contract, in their order; `help` and `suppressed` are additions to it.
TOP = ["schema", "gradsan", "command", "framework", "findings", "not_covered", "suppressed"]
FINDING = ["code", "name", "severity", "certainty", "message", "spans", "notes", "help", "count", "ranks", "fixes"]
SPAN = ["role", "path", "line", "column", "end_line", "end_column", "function", "label"]
FIX = ["title", "applicability", "edits"]
EDIT = ["path", "line", "column", "end_line", "end_column", "replacement"]


def test_keys_stand_in_the_order_of_the_contract() -> None:
    told = json.loads(json_format.render(report(FINDINGS["fixes"])))
    assert list(told) == TOP
    assert list(told["findings"][0]) == FINDING
    assert list(told["findings"][0]["spans"][0]) == SPAN
    assert list(told["findings"][0]["fixes"][0]) == FIX
    assert list(told["findings"][0]["fixes"][0]["edits"][0]) == EDIT


def test_a_finding_in_full() -> None:
    told = json.loads(
        json_format.render(report(FINDINGS["one_file"], not_covered=("threads",), suppressed=(finding(),)))
    )
    assert (told["schema"], told["gradsan"], told["command"]) == ("gradsan/1", __version__, "run")
    assert told["framework"] == {"name": "torch", "version": "2.13.0"}
    assert told["not_covered"] == ["threads"]
    assert told["suppressed"] == 1
    first = told["findings"][0]
    assert (first["code"], first["severity"], first["certainty"]) == ("GS101", "error", "observed")
    assert [span["role"] for span in first["spans"]] == ["save", "write", "raise"]
    assert first["spans"][1] == {
        "role": "write",
        "path": "train.py",
        "line": 11,
        "column": 9,
        "end_line": 11,
        "end_column": 15,
        "function": "Block.update",
        "label": "modified here: version 0 -> 1",
    }
    assert first["help"][0] == {"text": "write out of place: one new tensor of 16 KiB", "code": "h = h + 1"}
    assert (first["count"], first["ranks"]) == (3, [0, 1])


def test_paths_outside_the_directory_stay_absolute() -> None:
    told = json_format.document(report(FINDINGS["no_source"]))
    assert [span["path"] for span in told["findings"][0]["spans"]] == ["<stdin>", "/gone/away.py"]


def test_fixes() -> None:
    told = json_format.document(report(finding(SAVED, WRITTEN, fixes=(CLONE_BEFORE,))))
    assert told["findings"][0]["fixes"] == [
        {
            "title": "clone before the write",
            "applicability": "unsafe",
            "edits": [
                {
                    "path": "train.py",
                    "line": 11,
                    "column": 1,
                    "end_line": 11,
                    "end_column": 1,
                    "replacement": "        h = h.clone()\n",
                }
            ],
        }
    ]


def test_no_framework() -> None:
    assert json_format.document(report(framework=None))["framework"] is None


def test_any_text_survives() -> None:
    odd = "重み \ud800 \x00"
    assert json.loads(json_format.render(report(finding(message=odd))))["findings"][0]["message"] == odd
    assert json_format.render(report(finding(message=odd))).isascii()
