"""What the pages show is what happens: every console block is run, every repair is applied.

In a page, a block of kind ``console`` holds commands (lines that begin with ``$ ``), each followed by what it prints;
a line ``...`` stands for any number of lines.  Commands run from the root of the checkout.  `make goldens` rewrites
what they print; where it begins with ``...``, from the first finding on; where it ends so too, a person does.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "examples").glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```console\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")

# Made the same on every machine before comparing: where Python and its packages are installed.
SCRUBS = ((re.compile(r'"/[^"]*/(site-packages|dist-packages)/'), '"'), (re.compile(r"[ \t]+$", re.MULTILINE), ""))


@dataclass(frozen=True, slots=True)
class Session:
    page: Path
    command: str
    shown: str

    @property
    def id(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.command}"


def sessions_of(page: Path) -> list[Session]:
    text, found = page.read_text(encoding="utf-8"), []
    for block in BLOCK.finditer(text):
        for part in re.split(r"^(?=\$ )", block["body"], flags=re.MULTILINE):
            if part.startswith("$ "):
                command, _, shown = part.partition("\n")
                found.append(Session(page, command[2:], shown))
    return found


def printed_by(command: str) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "COLUMNS": "80", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("GITHUB_ACTIONS", None)
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=120,
    )
    return scrubbed(done.stdout)


def scrubbed(text: str) -> str:
    text = text.replace(str(ROOT), ".")
    for pattern, replacement in SCRUBS:
        text = pattern.sub(replacement, text)
    return text


def matches(shown: str, printed: str) -> bool:
    parts = [re.escape(part) for part in re.split(r"^\.\.\.\n", shown, flags=re.MULTILINE)]
    return re.fullmatch("(?:.*\n)*?".join(parts), printed) is not None


def rewritten(shown: str, printed: str) -> str:
    finding = re.search(r"^(error|warning)\[", printed, re.MULTILINE)
    if "...\n" not in shown:
        return printed
    if finding and shown.startswith("...\n") and not shown.endswith("\n...\n"):
        return "...\n" + printed[finding.start() :]
    return shown


SESSIONS = [session for page in PAGES for session in sessions_of(page)]


@pytest.mark.torch
@pytest.mark.skipif(shutil.which("bash") is None, reason="the commands of the pages are written for bash")
@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.id)
def test_console_blocks_are_real(session: Session) -> None:
    printed = printed_by(session.command)
    assert "/src/gradsan/" not in printed, f"gradsan itself failed:\n{printed}"
    if os.environ.get("GRADSAN_WRITE_GOLDENS"):
        text, asked = session.page.read_text(encoding="utf-8"), f"$ {session.command}\n"
        shown = rewritten(session.shown, printed)
        session.page.write_text(text.replace(asked + session.shown, asked + shown), encoding="utf-8")
        return
    if not matches(session.shown, printed):
        assert printed == session.shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    broken = []
    for link in LINK.finditer(text):
        target, anchor = link["target"], link["anchor"]
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        file = page.parent / target if target else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors_of(file)):
            broken.append(link.group())
    assert not broken


def anchors_of(page: Path) -> set[str]:
    """The anchors that a Markdown viewer gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.torch
def test_the_picture_is_of_a_real_run(tmp_path: Path) -> None:
    printed_by(f"cd examples/residual && gradsan run --output-format svg --output {tmp_path}/run.svg train.py")
    drawn = (tmp_path / "run.svg").read_text(encoding="utf-8")
    assert drawn == (ROOT / "docs" / "run.svg").read_text(encoding="utf-8"), "`make picture` draws it again"


def test_an_ellipsis_stands_for_any_number_of_lines() -> None:
    assert matches("a\n...\nd\n", "a\nb\nc\nd\n")
    assert matches("a\n...\nd\n", "a\nd\n")
    assert not matches("a\n...\nd\n", "a\nb\n")
    assert not matches("a\nd\n", "a\nb\nd\n")
