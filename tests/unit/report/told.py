"""One small source file and the findings about it that the format tests share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gradsan.model.diagnostic import Certainty, Diagnostic, Help, Label, Role, Severity
from gradsan.model.report import Framework, Report
from gradsan.model.rewrite import Applicability, Edit, Fix, Remedy
from gradsan.model.span import Span

SOURCE = """\
import torch

class Block(torch.nn.Module):
    def forward(self, x):
        h = torch.sigmoid(self.proj(x))
        gate = self.gate(x)
        out = h * gate
        return out, h

    def update(self, h):
        h += 1
        return h.mul_(2).add_(3)

def main():
\tloss = model(x)
\tloss.backward()
    重み = F.softmax(スコア.exp_(), dim=-1); e\u0301tat = torch.matmul(重み, v)
    z = attention(self.query_projection(hidden), self.key_projection(hidden), self.value_projection(hidden)).relu_()
    out = torch.cat(
        [a, b],
        dim=1,
    )
    y = foo(
        h,
        1,
    )
    long = [
        1,
        2,
        3,
        4,
        5,
        6,
    ]
"""
LINES = SOURCE.splitlines(keepends=True)
DIRECTORY = Path("/project")
HERE = "/project/train.py"


def lines_of(path: str) -> list[str]:
    return LINES if path.startswith("/project/") else []


def at(line: int, text: str, *, path: str = HERE, function: str = "<module>") -> Span:
    start = LINES[line - 1].index(text) + 1
    return Span(path, line, start, line, start + len(text), function)


def label(role: str, span: Span, text: str) -> Label:
    return Label(Role(role), span, text)


def finding(*labels: Label, **rest: object) -> Diagnostic:
    given: dict[str, object] = {
        "code": "GS101",
        "name": "saved-tensor-overwritten",
        "severity": Severity.ERROR,
        "certainty": Certainty.OBSERVED,
        "message": "`h` was modified in place after `sigmoid` saved it for backward",
        "labels": labels,
    }
    return Diagnostic(**{**given, **rest})  # type: ignore[arg-type]


SAVED = label(
    "save",
    at(5, "torch.sigmoid(self.proj(x))", function="Block.forward"),
    "`sigmoid` saved its result here, at version 0",
)
WRITTEN = label("write", at(11, "h += 1", function="Block.update"), "modified here: version 0 -> 1")
NEEDED = label("raise", at(16, "loss.backward()", function="main"), "backward needed the saved value here")
OUT_OF_PLACE = Fix("write out of place", Applicability.SAFE, (Edit(HERE, 11, 9, 11, 15, "h = h + 1"),))
CLONE_BEFORE = Fix(
    "clone before the write", Applicability.UNSAFE, (Edit(HERE, 11, 1, 11, 1, "        h = h.clone()\n"),)
)

FINDINGS: dict[str, Diagnostic] = {
    "one_file": finding(
        SAVED,
        WRITTEN,
        NEEDED,
        notes=(
            "shape (32, 128) float32, in `encoder.block.0`",
            "the write happened in an earlier iteration of the loop at line 10, which is more than fits into one line",
        ),
        helps=(Help("write out of place: one new tensor of 16 KiB", "h = h + 1"), Help("or clone where it is saved")),
        count=3,
        ranks=(0, 1),
    ),
    "three_files": finding(
        label("save", at(7, "h * gate", path="/project/model.py", function="Block.forward"), "saved here"),
        label("write", at(11, "h += 1", path="/project/layers.py", function="Block.update"), "modified here"),
        NEEDED,
    ),
    "fixes": finding(SAVED, WRITTEN, fixes=(OUT_OF_PLACE, CLONE_BEFORE)),
    "help_with_fix": finding(
        WRITTEN, helps=(Help("write out of place", "x = x + 1"), Help("or elsewhere")), fixes=(OUT_OF_PLACE,)
    ),
    "help_of_the_same_remedy": finding(
        WRITTEN,
        helps=(
            Help("write to a copy (costs one copy of 16 KiB)", "h = h.clone()", Remedy.COPY_BEFORE_WRITE),
            Help("write out of place (costs one copy of 16 KiB)", "x = x + 1", Remedy.OUT_OF_PLACE),
            Help("keep it off the tape", "with torch.no_grad():", Remedy.OFF_TAPE),
        ),
        fixes=(
            replace(OUT_OF_PLACE, title="first", remedy=Remedy.OUT_OF_PLACE),
            replace(CLONE_BEFORE, title="second", remedy=Remedy.OUT_OF_PLACE),
        ),
    ),
    "nested_on_one_line": finding(
        label("save", at(12, "h.mul_(2)"), "saved here"), label("write", at(12, "h.mul_(2).add_(3)"), "modified here")
    ),
    "story_against_the_lines": finding(
        label("save", at(12, "h.mul_(2)"), "saved here"),
        label("write", at(12, "add_(3)"), "modified here: version 1 -> 2"),
        label("save", SAVED.span, "saved again here"),
    ),
    "made_elsewhere": finding(
        label("save", at(5, "self.proj(x)"), "saved here"),
        label("write", at(6, "self.gate(x)"), "modified here"),
        label("create", at(3, "torch.nn.Module", path="/project/model.py"), "the module was constructed here"),
        NEEDED,
    ),
    "indented_and_long": finding(
        label("write", at(18, "attention(self.query_projection(hidden), self.key_projection(hidden)"), "modified here"),
    ),
    "same_place_twice": finding(
        label("write", at(12, "h.mul_(2)"), "modified here"), label("raise", at(12, "h.mul_(2)"), "raised here")
    ),
    "wide_and_combining": finding(
        label("save", at(17, "torch.matmul(重み, v)"), "`matmul` saved its self here, at version 1"),
        label("write", at(17, "スコア.exp_()"), "modified here: version 0 -> 1"),
    ),
    "tab": finding(label("write", at(15, "model(x)"), "modified here: version 0 -> 1")),
    "long_line": finding(
        label("save", at(18, "self.value_projection(hidden)"), "`scaled_dot_product_attention` saved its value here"),
        label("write", at(18, ".relu_()"), "modified here: version 0 -> 1"),
    ),
    "several_lines": finding(
        label("write", Span(HERE, 19, 11, 22, 6), "modified here"),
        label("save", Span(HERE, 23, 5, 26, 6), "saved here"),
    ),
    "several_lines_nested": finding(
        label("write", Span(HERE, 18, 9, 26, 6), "modified here"),
        label("save", Span(HERE, 20, 9, 22, 5), "saved here"),
        label("save", Span(HERE, 21, 9, 21, 12), "saved here"),
    ),
    "many_lines": finding(label("write", Span(HERE, 27, 12, 34, 6), "modified here")),
    "no_source": finding(
        label("write", Span("<stdin>", 18, 11, 18, 26), "modified here: version 0 -> 1"),
        label("save", Span("/gone/away.py", 22, 5, 25, 6), "saved here"),
    ),
    "unknown_column": finding(label("write", Span(HERE, 11, 1, 11, 1), "modified here")),
    "nowhere": finding(notes=("the writer could not be named",), severity=Severity.WARNING),
}


def report(*findings: Diagnostic, **rest: object) -> Report:
    given: dict[str, object] = {
        "command": "run",
        "directory": DIRECTORY,
        "framework": Framework("torch", "2.13.0"),
        "findings": findings,
    }
    return Report(**{**given, **rest})  # type: ignore[arg-type]
