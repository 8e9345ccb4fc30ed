"""Rules, their pages, their cases and their examples say the same, in both directions."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gradsan.model.event import Refusal
from gradsan.rules import Rule, all_rules
from gradsan.tasks.explain import documentation

ROOT = Path(__file__).parents[2]
RULES = ROOT / "src" / "gradsan" / "rules"
CASES = ROOT / "tests" / "cases"
DOCS = ROOT / "docs" / "rules"

NOT_A_RULE = {"__init__", "base"}
MIN_CASES = 3
FORBIDDEN = re.compile(r"\b(illegal|bad|simply|please)\b", re.IGNORECASE)

by_name = pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)


def stem_of(rule: Rule) -> str:
    return rule.name.replace("-", "_")


def test_one_file_is_one_rule() -> None:
    stems = {path.stem for path in RULES.glob("*.py")} - NOT_A_RULE
    assert stems == {stem_of(rule) for rule in all_rules()}
    assert all(type(rule).__module__ == f"gradsan.rules.{stem_of(rule)}" for rule in all_rules())


def test_codes_are_unique_and_well_formed() -> None:
    codes = [rule.code for rule in all_rules()]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"GS[1-59]\d\d", code) for code in codes)


def test_every_refusal_has_a_rule() -> None:
    assert {rule.refusal for rule in all_rules()} >= set(Refusal)


@by_name
def test_page_is_complete(rule: Rule) -> None:
    for text in (rule.summary, rule.explanation, rule.example, rule.instead, rule.source):
        assert text.strip()
        assert not FORBIDDEN.search(text)
    assert rule.summary.endswith(".")
    assert "checked with torch" in rule.source


@by_name
def test_rule_has_cases(rule: Rule) -> None:
    folder = CASES / stem_of(rule)
    marked = [path for path in folder.glob("*.py") if f"[{rule.code}]" in path.read_text(encoding="utf-8")]
    assert len(marked) >= MIN_CASES, f"{folder} holds {len(marked)} marked cases"


def test_every_folder_of_cases_is_a_rule() -> None:
    folders = {path.name for path in CASES.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - {"clean"} == {stem_of(rule) for rule in all_rules()}


def test_documentation_is_what_the_rules_say() -> None:
    wanted = documentation()
    found = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")}
    assert found.keys() == wanted.keys()
    differing = [name for name in wanted if found[name] != wanted[name]]
    assert not differing, f"run `make docs`: {differing}"


@pytest.mark.torch
def test_examples_raise_what_they_say_and_the_right_way_does_not() -> None:
    pytest.importorskip("torch")
    program = textwrap.dedent(
        """
        import torch, warnings
        from gradsan.knowledge.error_texts import recognise
        from gradsan.rules import all_rules
        torch.set_num_threads(1)
        warnings.simplefilter("ignore")
        for rule in all_rules():
            if rule.refusal is None:
                continue
            try:
                exec(compile(rule.example, rule.name, "exec"), {"__name__": "example"})
                print(rule.code, "example raises nothing")
            except RuntimeError as error:
                said = recognise(str(error))
                if said is None or said.refusal is not rule.refusal:
                    print(rule.code, "example raises", error)
            try:
                exec(compile(rule.instead, rule.name, "exec"), {"__name__": "instead"})
            except Exception as error:
                print(rule.code, "instead raises", error)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == ""
