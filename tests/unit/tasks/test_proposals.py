from __future__ import annotations

from pathlib import Path

import pytest

from gradsan.model.diagnostic import Certainty, Diagnostic, Help, Label, Role, Severity
from gradsan.model.span import Span
from gradsan.tasks.proposals import can_be_written, in_own_names

KNOWN = {"torch", "h", "self", "gate"}


@pytest.mark.parametrize(
    "code",
    [
        "",
        "h = h.clone()  # before the write",
        "with torch.no_grad():",
        "part = self.head(0).clone()  # then write to `part`",
        "own = [p for group in gate.param_groups for p in group['params']]\nh.backward(inputs=own)",
        "for part in h:\n    if hasattr(part, 'inplace'):\n        part.inplace = False",
        "h = h.mul(...)",
    ],
)
def test_code_in_the_users_names_is_kept(code: str) -> None:
    assert can_be_written(code, KNOWN)


@pytest.mark.parametrize(
    "code",
    [
        "self.head(0) = self.head(0).clone()",
        ".clone()  # on the argument",
        "h[2:] ... source.clone()",
        "x = x.detach()",
        "pieces.append(piece)",
        "loss.backward()",
    ],
)
def test_code_that_is_no_python_or_in_other_names_is_not(code: str) -> None:
    assert not can_be_written(code, KNOWN)


def finding(path: Path, *codes: str) -> Diagnostic:
    label = Label(Role.WRITE, Span(str(path), 1, 1, 1, 2, "f"), "modified here")
    helps = tuple(Help(f"proposal {number}", code) for number, code in enumerate(codes))
    return Diagnostic(
        code="GS101",
        name="saved-tensor-overwritten",
        severity=Severity.ERROR,
        certainty=Certainty.OBSERVED,
        message="`h` was modified",
        labels=(label,),
        helps=helps,
    )


def test_a_proposal_keeps_its_sentence(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("import torch as t\n\n\ndef f(h):\n    return h.exp_()\n")
    told = in_own_names(finding(path, "h = h.clone()", "state = state.detach()", "with t.no_grad():"))
    assert [(each.text, each.code) for each in told.helps] == [
        ("proposal 0", "h = h.clone()"),
        ("proposal 1", ""),
        ("proposal 2", "with t.no_grad():"),
    ]


def test_without_a_source_nothing_is_dropped(tmp_path: Path) -> None:
    told = in_own_names(finding(tmp_path / "gone.py", "state = state.detach()"))
    assert told.helps[0].code == "state = state.detach()"
