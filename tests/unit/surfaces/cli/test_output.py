from __future__ import annotations

import argparse
import io
import json
import os
import sys
from pathlib import Path

import pytest

from gradsan.model.diagnostic import Certainty, Diagnostic, Severity
from gradsan.model.errors import OutputError
from gradsan.model.report import Report
from gradsan.surfaces.cli.output import add_output_options, check_output, emit, wants_color

FINDING = Diagnostic(
    code="GS101",
    name="saved-tensor-overwritten",
    severity=Severity.ERROR,
    certainty=Certainty.OBSERVED,
    message="`重み` was modified in place",
)
REPORT = Report(command="check", directory=Path.cwd(), findings=(FINDING,))
SHELL = ("NO_COLOR", "FORCE_COLOR", "TERM")


def options(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_output_options(parser)
    return parser.parse_args(argv)


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def bare_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SHELL:
        monkeypatch.delenv(name, raising=False)


def test_text_goes_to_the_stream_without_colour() -> None:
    stream = io.StringIO()
    emit(REPORT, options(), stream=stream)
    assert stream.getvalue() == (
        "error[GS101]: `重み` was modified in place\n\ngradsan: 1 error (GS101); run `gradsan explain GS101`\n"
    )


def test_text_is_coloured_on_a_terminal() -> None:
    stream = Terminal()
    emit(REPORT, options(), stream=stream)
    assert stream.getvalue().startswith("\x1b[1;31merror[GS101]: \x1b[0m")


@pytest.mark.parametrize("name", ["json", "sarif", "github", "svg"])
def test_other_formats_go_to_the_stream_too(name: str) -> None:
    stream = io.StringIO()
    emit(REPORT, options("--output-format", name), stream=stream)
    assert "GS101" in stream.getvalue()


def test_a_file_holds_the_report_and_the_stream_nothing(tmp_path: Path) -> None:
    stream = Terminal()
    path = tmp_path / "report.json"
    emit(REPORT, options("--output-format", "json", "--output", str(path)), stream=stream)
    assert stream.getvalue() == ""
    assert json.loads(path.read_text())["findings"][0]["code"] == "GS101"
    assert list(tmp_path.iterdir()) == [path]


def test_text_in_a_file_is_plain_even_when_forced_by_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    emit(REPORT, options("--output", str(tmp_path / "r.txt")), stream=None)
    assert (tmp_path / "r.txt").read_text(encoding="utf-8").startswith("error[GS101]: `重み`")


def test_a_dash_is_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    emit(REPORT, options("--output", "-", "--output-format", "json"), stream=None)
    assert json.loads(capsys.readouterr().out)["command"] == "check"


def test_a_file_is_replaced_and_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    target = tmp_path / "target.txt"
    target.write_text("old, and longer than what follows " * 50)
    target.chmod(0o640)
    link = tmp_path / "link.txt"
    link.symlink_to(target)
    emit(REPORT, options("--output", str(link)), stream=None)
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8").startswith("error[GS101]")
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.txt"
    path.write_text("old")

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        emit(REPORT, options("--output", str(path)), stream=None)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing/report.json", "its folder does not exist"),
        (".", "it is a folder"),
        ("file.txt/report.json", "Not a directory"),
        ("n" * 300, "File name too long"),
        ("a\0b", "null"),
    ],
)
def test_an_unwritable_output_is_told_early(
    path: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").touch()
    with pytest.raises(OutputError, match=reason) as raised:
        check_output(options("--output", path))
    assert "\n" not in str(raised.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        check_output(options("--output", str(tmp_path / "report.json")))


def test_a_check_leaves_an_existing_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    check_output(options("--output", str(path)))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_device_can_be_written(capfd: pytest.CaptureFixture[str]) -> None:
    check_output(options("--output", os.devnull))
    emit(REPORT, options("--output", os.devnull), stream=None)
    assert Path(os.devnull).exists()


@pytest.mark.parametrize(
    ("choice", "shell", "is_terminal", "expected"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "0"}, False, False),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_wants_color(
    choice: str, shell: dict[str, str], is_terminal: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in shell.items():
        monkeypatch.setenv(name, value)
    assert wants_color(choice, Terminal() if is_terminal else io.StringIO()) is expected


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_stream_of_any_encoding(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    emit(REPORT, options(), stream=stream)
    emit(REPORT, options("--output-format", "github"), stream=stream)
    assert raw.getvalue().decode(encoding).startswith("error[GS101]: ")


def test_a_reader_that_went_away_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", encoding="utf-8") as stream:
        emit(REPORT, options(), stream=stream)


def test_no_stream_at_all() -> None:
    emit(REPORT, options(), stream=None)
    assert sys.stdout is not None


def test_help_names_the_formats_of_the_contract() -> None:
    parser = argparse.ArgumentParser()
    add_output_options(parser)
    assert "text|json|sarif|github" in parser.format_help()
