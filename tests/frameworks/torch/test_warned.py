"""Warnings that the engine raises below a wrapper name the program's lines, and pass the program's filters."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

import gradsan  # noqa: E402


def resizes() -> None:
    """Warn twice from each of two lines."""
    for _ in range(2):
        torch.add(torch.zeros(3), 1, out=torch.empty(1))
        torch.add(torch.zeros(3), 1, out=torch.empty(1))


def drops_imaginary_parts() -> None:
    """Warn from a method."""
    torch.zeros(3).copy_(torch.zeros(3, dtype=torch.complex64))


def shown(program: Callable[[], None], *filters: tuple[str, str]) -> str:
    """What is printed of a program's warnings, or raised; each filter is an action and the module it is for."""
    printed = io.StringIO()
    vars(sys.modules[__name__]).pop("__warningregistry__", None)
    with contextlib.redirect_stderr(printed), warnings.catch_warnings():
        warnings.showwarning = lambda *args, **kwargs: print(args[0], args[2], args[3], file=printed)
        warnings.resetwarnings()
        for action, module in filters:
            warnings.filterwarnings(action, module=module)  # type: ignore[arg-type]
        torch.set_warn_always(True)
        try:
            program()
        except UserWarning as error:
            printed.write(f"raised {error}")
        finally:
            torch.set_warn_always(False)
    return printed.getvalue()


@pytest.mark.parametrize("program", [resizes, drops_imaginary_parts])
@pytest.mark.parametrize("action", ["default", "always", "ignore", "error", "module"])
@pytest.mark.parametrize("module", ["", __name__, "another_module"])
def test_warnings_are_shown_as_without(program: Callable[[], None], action: str, module: str) -> None:
    plain = shown(program, (action, module))
    with gradsan.watch():
        watched = shown(program, (action, module))
    assert watched == plain
    if action in ("default", "always") and program is resizes:
        assert __file__ in plain


def test_warnings_reach_a_log(caplog: pytest.LogCaptureFixture) -> None:
    with gradsan.watch(), warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        try:
            resizes()
        finally:
            logging.captureWarnings(False)
    assert len(caplog.records) == 4
    assert all(__file__ in record.getMessage() for record in caplog.records)


def test_the_interpreter_gets_its_own_function_back() -> None:
    before = warnings._showwarnmsg  # type: ignore[attr-defined]
    with gradsan.watch():
        assert warnings._showwarnmsg is not before  # type: ignore[attr-defined]
    assert warnings._showwarnmsg is before  # type: ignore[attr-defined]
