"""Which code is the user's, and spans from code objects."""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
from collections.abc import Iterator

import pytest

import gradsan
from gradsan.record.frames import Site, UserCode, current_site

STDLIB = sysconfig.get_path("stdlib")
OURS = os.path.dirname(os.path.abspath(gradsan.__file__))
NO_COLUMNS = sys.version_info < (3, 11)


@pytest.mark.parametrize(
    ("path", "is_user"),
    [
        ("/srv/me/train.py", True),
        ("train.py", True),
        ("<stdin>", True),
        ("<string>", True),
        ("<ipython-input-1-abc>", True),
        ("/tmp/ipykernel_1/23.py", True),
        (f"{STDLIB}/threading.py", False),
        (f"{STDLIB}/site-packages/transformers/trainer.py", True),
        (f"{STDLIB}/dist-packages/lightning/loop.py", True),
        ("/venv/lib/python3.11/site-packages/torch/nn/modules/activation.py", False),
        ("/venv/lib/python3.11/site-packages/torchvision/models/resnet.py", True),
        ("/tmp/torchinductor_me/ab/cab.py", False),
        (f"{OURS}/record/clock.py", False),
        (f"{OURS}_of_mine/record.py", True),
        ("<frozen importlib._bootstrap>", False),
        ("<frozen runpy>", False),
        ("<eval_with_key>.0", False),
        ("<__array_function__ internals>", False),
    ],
)
def test_user_code(path: str, is_user: bool) -> None:
    folders = ("/venv/lib/python3.11/site-packages/torch/",)
    user_code = UserCode(foreign_folders=folders, foreign_marks=("torchinductor_",))
    code = compile("", path, "exec")
    assert user_code(code) is is_user
    assert user_code(code) is is_user  # from memory


def test_the_innermost_frame_of_the_user() -> None:
    user_code = UserCode(foreign_marks=("foreign",))
    scope: dict[str, object] = {"sys": sys}
    exec(compile("def call(f):\n    return f()\ndef frame():\n    return sys._getframe()", "foreign.py", "exec"), scope)

    def mine() -> object:
        return scope["call"](scope["frame"])  # type: ignore[operator]

    frame = user_code.innermost(mine())  # type: ignore[arg-type]
    assert frame is not None
    assert frame.f_code is mine.__code__
    assert user_code.innermost(None) is None


def test_the_current_site() -> None:
    site = current_site(UserCode())
    assert site is not None
    assert site.code is sys._getframe().f_code
    assert site.line_number == site.code.co_firstlineno + 1


def test_the_innermost_place_of_a_traceback() -> None:
    def fails() -> None:
        int("x")

    with pytest.raises(ValueError, match="x") as caught:
        fails()
    site = UserCode().innermost_of_traceback(caught.value.__traceback__)
    assert site is not None
    assert site.code is fails.__code__
    assert UserCode(foreign_marks=("test_frames",)).innermost_of_traceback(caught.value.__traceback__) is None


@pytest.fixture
def source() -> Iterator[str]:
    """A program whose columns in bytes and in characters differ."""
    text = 'def f(x):\n    "ü"; x = größe(\n        x)\n    return x\n'
    linecache.cache["<source>"] = (len(text), None, text.splitlines(keepends=True), "<source>")
    yield text
    del linecache.cache["<source>"]


def call_site(text: str) -> Site:
    scope: dict[str, object] = {"größe": lambda x: sites.append(site_of_caller())}
    sites: list[Site] = []

    def site_of_caller() -> Site:
        frame = sys._getframe(2)
        return Site(frame.f_code, frame.f_lasti)

    exec(compile(text, "<source>", "exec"), scope)
    scope["f"](1)  # type: ignore[operator]
    return sites[0]


def test_a_span_counts_characters(source: str) -> None:
    span = call_site(source).span()
    assert (span.path, span.line, span.function) == ("<source>", 2, "f")
    if NO_COLUMNS:
        assert (span.end_line, span.column, span.end_column) == (2, 1, 1)
        return
    assert (span.end_line, span.end_column) == (3, 11)
    assert source.splitlines()[1][span.column - 1 :] == "größe("


def test_a_span_of_a_line_is_empty() -> None:
    code = compile("a = 1\nb = 2\n", "/there/program.py", "exec")
    span = Site(code, -1, 2).span()
    assert (span.line, span.column, span.end_line, span.end_column) == (2, 1, 2, 1)
    assert (span.path, span.function) == ("/there/program.py", "<module>")


def test_a_path_is_absolute_where_it_is_a_file() -> None:
    assert Site(compile("a", "program.py", "exec"), -1, 1).span().path == os.path.abspath("program.py")
    assert Site(compile("a", "<cell 1>", "exec"), -1, 1).span().path == "<cell 1>"


def test_a_span_without_columns_still_has_a_line() -> None:
    code = compile("a = 1\nb = a\n", "p.py", "exec")
    if hasattr(code, "co_positions"):
        code = code.replace(co_linetable=b"") if sys.version_info < (3, 11) else code
    for offset in range(0, len(code.co_code), 2):
        assert 0 <= Site(code, offset).line_number <= 2
        assert Site(code, offset).span().line in (0, 1, 2)


def test_code_that_a_compiler_made_is_known_by_a_name_in_it() -> None:
    code = compile("def f(x):\n    return __compiled_fn_3(x)\n", "program.py", "exec").co_consts[0]
    user_code = UserCode(compiled_mark="__compiled_fn_")
    assert user_code.is_compiled(code)
    assert user_code(code)
    assert not user_code.is_compiled(test_code_that_a_compiler_made_is_known_by_a_name_in_it.__code__)
    assert not UserCode().is_compiled(code)


def test_what_compiled_code_calls_is_told_at_the_call() -> None:
    user_code = UserCode(compiled_mark="__compiled_fn_")
    inside = {"__compiled_fn_3": lambda: user_code.innermost(sys._getframe(1))}
    exec(compile("def f():\n    return __compiled_fn_3()\n", __file__, "exec"), inside)
    frame = inside["f"]()
    assert frame is not None
    assert frame.f_code is test_what_compiled_code_calls_is_told_at_the_call.__code__
