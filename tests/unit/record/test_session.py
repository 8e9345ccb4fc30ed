"""The border of a session: whatever goes wrong inside, the program goes on."""

from __future__ import annotations

import pytest

from gradsan.model.errors import SilentCorruption
from gradsan.model.history import History, Subject
from gradsan.record.session import MAX_NOT_COVERED, Session, attach_note

HISTORY = History(subject=Subject(), events=())


def silent(_history: History, _error: BaseException | None) -> str:
    return ""


def test_an_error_inside_switches_off_and_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(listener=silent)
    for _ in range(3):
        with session.border():
            raise ZeroDivisionError("ours")
    assert not session.is_on
    [line] = capsys.readouterr().err.splitlines()
    assert "ZeroDivisionError: ours" in line
    assert "test_an_error_inside" in line
    assert len(session.not_covered) == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_error_passes(kind: type[BaseException]) -> None:
    session = Session(listener=silent)
    with pytest.raises(kind), session.border():
        raise kind
    assert session.is_on


def test_a_listener_that_fails_does_not_reach_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(_history: History, _error: BaseException | None) -> str:
        raise LookupError("ours")

    session = Session(listener=fails)
    session.tell(HISTORY, RuntimeError("the program's"))
    assert not session.is_on
    assert "LookupError" in capsys.readouterr().err


def test_the_note_rides_on_the_exception() -> None:
    error = RuntimeError("text")
    Session(listener=lambda *_: "why").tell(HISTORY, error)
    assert error.__notes__ == ["why"]
    assert str(error) == "text"


def test_no_note_leaves_the_exception_alone() -> None:
    error = RuntimeError("text")
    Session(listener=silent).tell(HISTORY, error)
    assert not hasattr(error, "__notes__")


def test_notes_add_up_where_add_note_is_missing() -> None:
    class Old:
        """An exception of Python 3.10."""

    old = Old()
    attach_note(old, "one")  # type: ignore[arg-type]
    attach_note(old, "two")  # type: ignore[arg-type]
    assert old.__notes__ == ["one", "two"]  # type: ignore[attr-defined]


def test_a_sentence_is_said_once_and_there_is_an_end_to_them() -> None:
    session = Session(listener=silent)
    for n in range(1000):
        session.say_not_covered("the same")
        session.say_not_covered(f"number {n}")
    assert session.not_covered[0] == "the same"
    assert len(session.not_covered) == MAX_NOT_COVERED


def test_strict_raises_what_is_told() -> None:
    session = Session(listener=lambda *_: "what", is_strict=True)
    with pytest.raises(SilentCorruption) as caught:
        session.raise_if_strict([HISTORY])
    assert caught.value.__notes__ == ["what"]
    session.raise_if_strict([])


def test_who_is_not_strict_is_not_stopped() -> None:
    Session(listener=lambda *_: "what").raise_if_strict([HISTORY])
